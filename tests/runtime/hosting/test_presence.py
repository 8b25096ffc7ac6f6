"""A topic is missing when the cluster has lacked it for a while, and not when it does for a moment."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError

from app.runtime.assignor import make_assignor
from app.runtime.hosting import presence as module
from app.runtime.hosting.fetching import Fetching
from app.runtime.hosting.presence import MISSING_ANSWERS, MISSING_FOR_S, Presence, watch
from tests.runtime.hosting.test_membership import Idle

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.conftest import Kafka

A, B = "p-a", "p-b"


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def answer(*topics: str, unauthorized: set[str] | None = None) -> Any:
    return SimpleNamespace(
        topics=lambda *, exclude_internal_topics: set() if exclude_internal_topics else set(topics),
        unauthorized_topics=unauthorized or set(),
    )


def told(presence: Presence, clock: Clock, seconds: float, answers: int, said: Any) -> None:
    """So many answers, spread evenly over a time that begins with the first and ends with the last."""
    for number in range(answers):
        clock.now_s += seconds / (answers - 1) if number else 0
        presence.note(said)


def test_one_that_was_lacking_for_long_enough_in_several_answers_is_missing(clock: Clock):
    presence = Presence([B, A])
    told(presence, clock, MISSING_FOR_S - 0.1, 50, answer("another"))
    assert presence.missing == []
    clock.now_s += 0.2
    assert presence.missing == [A, B]


def test_a_few_answers_are_not_enough_however_long_it_takes(clock: Clock):
    """Between them the cluster may not have been asked, or the worker frozen."""
    presence = Presence([A])
    told(presence, clock, 10 * MISSING_FOR_S, MISSING_ANSWERS - 1, answer())
    assert presence.missing == []
    presence.note(answer())
    assert presence.missing == [A]


@pytest.mark.parametrize("said", [answer(A), answer(unauthorized={A})])
def test_one_answer_that_has_it_is_enough_to_begin_anew(clock: Clock, said: Any):
    """Another broker may not have heard of it for a while, again and again."""
    presence = Presence([A])
    for _ in range(5):
        told(presence, clock, MISSING_FOR_S - 1, 10, answer())
        assert presence.in_doubt.is_set()
        presence.note(said)
        assert presence.missing == []
        assert not presence.in_doubt.is_set()


def test_so_is_a_cluster_that_does_not_answer(clock: Clock):
    presence = Presence([A])
    told(presence, clock, MISSING_FOR_S - 1, 10, answer())
    presence.forget()
    told(presence, clock, MISSING_FOR_S - 1, 10, answer())
    assert presence.missing == []


class Cluster:
    """Stands for a client and what it knows: each time it is asked, the next of these is said, None for no answer."""

    def __init__(self, clock: Clock, said: list[Any]) -> None:
        self.cluster = self
        self.listeners: list[Callable[[Any], None]] = []
        self.add_listener, self.remove_listener = self.listeners.append, self.listeners.remove
        self.asked = 0
        self._clock, self._said = clock, said

    async def force_metadata_update(self) -> bool:
        self.asked += 1
        self._clock.now_s += 1
        said = self._said.pop(0)
        if said is not None:
            self.tell(said)
        return said is not None

    def tell(self, said: Any) -> None:
        for listener in self.listeners:
            listener(said)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_EVERY_S", 0)


async def turns() -> None:
    """Let everything go on that waits for nothing but its turn."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("at_once")
async def test_it_is_only_asked_for_while_one_is_in_doubt(clock: Clock):
    client: Any = Cluster(clock, [answer(A), None, answer(A), answer(A, B)])
    watching = asyncio.create_task(watch(client, [A, B]))
    await turns()
    client.tell(answer(A, B))
    await turns()
    assert client.asked == 0
    client.tell(answer(A))
    await turns()
    assert client.asked == 2
    client.tell(answer(A))
    await turns()
    assert client.asked == 4
    watching.cancel()
    await asyncio.wait({watching})
    assert client.listeners == []


@pytest.mark.usefixtures("at_once")
async def test_when_it_is_sure_it_says_which_are_missing(clock: Clock):
    client: Any = Cluster(clock, [answer(A)] * 20)
    watching = asyncio.create_task(watch(client, [A, B]))
    await turns()
    client.tell(answer(A))
    with pytest.raises(UnknownTopicOrPartitionError, match=B):
        async with asyncio.timeout(20):
            await watching
    assert client.asked == MISSING_FOR_S
    assert client.listeners == []


async def take_for_ever(fetching: Fetching) -> None:
    while True:
        await fetching.wait(0.1)
        fetching.take()


@pytest.mark.broker
async def test_whoever_reads_hears_of_a_topic_that_is_deleted(kafka: Kafka, monkeypatch: pytest.MonkeyPatch):
    """Also who reads nothing of it, and so has nothing to ask for it."""
    monkeypatch.setattr(module, "MISSING_FOR_S", 0.2)
    monkeypatch.setattr(module, "ASK_EVERY_S", 0.05)
    kept, deleted = await kafka.create("kept"), await kafka.create("deleted")
    listener = Idle()
    fetching = Fetching(
        kafka.options,
        f"{kafka.prefix}group",
        make_assignor({"members": [kept, deleted]}),
        metadata_max_age_ms=100,
    )
    await fetching.start([kept, deleted], listener)
    async with asyncio.timeout(20):
        await listener.is_given.wait()
        await kafka.delete(deleted)
        with pytest.raises(UnknownTopicOrPartitionError, match=deleted):
            await take_for_ever(fetching)
    await fetching.stop()
