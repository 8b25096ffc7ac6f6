"""Whether a member may believe that it is one (against a real broker): by what its group's coordinator answers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaConnectionError, NotCoordinatorForGroupError
from aiokafka.protocol.group import HeartbeatRequest

from app.runtime.assignor import make_assignor
from app.runtime.hosting import membership as module
from app.runtime.hosting.membership import Membership

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from aiokafka import TopicPartition

    from tests.runtime.conftest import Kafka

pytestmark = pytest.mark.broker

SESSION_MS, REBALANCE_MS = 6_000, 30_000


class Idle(ConsumerRebalanceListener):
    """Fetches nothing of what it is given."""

    def __init__(self) -> None:
        self.is_given = asyncio.Event()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        pass

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.is_given.set()


class Clock:
    """The clock of what is tested, which can be put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
async def member(kafka: Kafka, clock: Clock) -> AsyncIterator[Membership]:
    topic, listener = await kafka.create("topic"), Idle()
    member = Membership(
        kafka.options,
        f"{kafka.prefix}group",
        make_assignor({"members": [topic]}),
        session_timeout_ms=SESSION_MS,
        rebalance_timeout_ms=REBALANCE_MS,
        heartbeat_interval_ms=50,
    )
    await member.join([topic], listener)
    async with asyncio.timeout(20):
        await listener.is_given.wait()
    yield member
    await member.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  nothing tells of what is waited for
            await asyncio.sleep(0.01)


async def test_one_that_fetches_nothing_is_heard_again_and_again(member: Membership, clock: Clock):
    for _ in range(3):
        clock.ahead_s += 2 * SESSION_MS / 1000
        await until(lambda: member.silence_s < SESSION_MS / 1000)
        assert not member.is_cut_off(joining=False)


async def test_one_nobody_answers_is_cut_off_after_its_session_and_one_that_joins_later(
    member: Membership, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    lost: list[object] = []

    async def lose(_node: int, request: Any, **_options: Any) -> Any:
        lost.append(request)
        raise KafkaConnectionError("lost")

    monkeypatch.setattr(member.client, "send", lose)
    assert not member.is_cut_off(joining=False)
    clock.ahead_s += SESSION_MS / 1000
    await until(lambda: len(lost) > 2)
    assert member.is_cut_off(joining=False)
    assert not member.is_cut_off(joining=True)
    clock.ahead_s += REBALANCE_MS / 1000
    assert member.is_cut_off(joining=True)

    monkeypatch.undo()
    monkeypatch.setattr(module, "time", clock)
    await until(lambda: not member.is_cut_off(joining=False))


async def test_that_a_broker_is_no_coordinator_is_no_answer_of_one(
    member: Membership, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    """While the group has none, nobody keeps its members."""
    send, refused = member.client.send, []

    async def refuse(node: int, request: Any, **options: Any) -> Any:
        answer = await send(node, request, **options)
        if isinstance(request, HeartbeatRequest):
            answer.error_code = NotCoordinatorForGroupError.errno
            refused.append(answer)
        return answer

    monkeypatch.setattr(member.client, "send", refuse)
    clock.ahead_s += SESSION_MS / 1000
    await until(lambda: len(refused) > 2)
    assert member.is_cut_off(joining=False)
