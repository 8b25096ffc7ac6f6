"""The order of commits, over a writer that is told when it has ended (crashes between the steps: test_crash_points)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import KafkaError

from app.runtime.commits import Commits
from app.runtime.hosting.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.runtime.processor import Host


class Told:
    """Stands for writer and store: notes what is asked of them, and ends a commit when it is told to."""

    def __init__(self) -> None:
        self.spacing_s = 0.0
        self.sent: list[str] = []
        self.stored: list[tuple[str, int]] = []
        self.ended: list[str] = []
        self.signal = asyncio.Event()
        self.free = asyncio.Event()
        self._answers: dict[str, asyncio.Future[int]] = {}

    async def commit(self, outgoing: Any) -> int:
        self.sent.append(outgoing.position)
        self._answers[outgoing.position] = asyncio.get_running_loop().create_future()
        return await self._answers[outgoing.position]

    def write(self, _sealed: object, position: str, end: int) -> None:
        self.stored.append((position, end))

    async def end(self, name: str, offset: int) -> None:
        self._answers[name].set_result(offset)
        await self._signalled()

    async def fail(self, name: str, error: Exception) -> None:
        self._answers[name].set_exception(error)
        await self._signalled()

    async def _signalled(self) -> None:
        async with asyncio.timeout(10):
            await self.signal.wait()
        self.signal.clear()


def decided(name: str) -> Any:
    return SimpleNamespace(outgoing=SimpleNamespace(position=name), sealed=None, records=3)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def commits(make_host: Callable[..., Host], told: Told) -> Commits:
    kafka: Any = told

    return Commits(
        make_host(now_ms=lambda: 1_000),
        "members-0",
        kafka,
        kafka,
        told.signal.set,
        told.free.set,
        lambda batch, _seconds: told.ended.append(batch.outgoing.position),
    )


async def test_a_batch_is_stored_when_its_transaction_has_ended(commits: Commits, told: Told):
    await commits.begin(decided("first"))
    assert (told.sent, told.stored, commits.settled.is_set()) == (["first"], [], False)
    assert not commits.finish()
    await told.end("first", 7)
    assert (told.stored, told.ended, commits.settled.is_set()) == ([("first", 7)], ["first"], False)
    assert commits.finish()
    assert commits.settled.is_set()
    assert (commits.last_ms, commits.records) == (1_000, 3)
    assert not commits.finish()


async def test_the_next_waits_for_the_one_before(commits: Commits, told: Told):
    await commits.begin(decided("first"))
    second = asyncio.create_task(commits.begin(decided("second")))
    await asyncio.sleep(0)
    assert told.sent == ["first"]
    await told.end("first", 7)
    await second
    assert told.sent == ["first", "second"]
    assert not commits.finish()
    assert not commits.settled.is_set()
    await told.end("second", 9)
    assert commits.finish()
    assert told.stored == [("first", 7), ("second", 9)]


async def test_one_begins_no_sooner_than_the_writer_asks_for(commits: Commits, told: Told):
    told.spacing_s = 3_600.0
    await commits.begin(decided("first"))
    await told.end("first", 7)
    assert commits.finish()
    assert not commits.is_free
    second = asyncio.create_task(commits.begin(decided("second")))
    await asyncio.sleep(0)
    assert told.sent == ["first"]
    second.cancel()


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, Loop])
def test_whoever_is_told_that_the_next_may_begin_finds_it_so(
    commits: Commits, told: Told, loop_factory: Callable[[], asyncio.AbstractEventLoop]
):
    """Whatever fractions of a millisecond the loop's clock has."""

    async def commit_some() -> None:
        for number in range(30):
            told.spacing_s = 0.001 + number / 9_973
            await commits.begin(decided(f"{number}"))
            assert not commits.is_free
            await told.end(f"{number}", number)
            assert commits.finish()
            async with asyncio.timeout(10):
                await told.free.wait()
            told.free.clear()
            assert commits.is_free

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(commit_some())


async def test_what_ended_a_commit_is_raised_and_nothing_stored(commits: Commits, told: Told):
    await commits.begin(decided("first"))
    await told.fail("first", KafkaError("gone"))
    with pytest.raises(KafkaError, match="gone"):
        commits.finish()
    assert (told.stored, told.ended, commits.records) == ([], [], 0)
    assert not commits.settled.is_set()


async def test_after_one_that_failed_no_other_is_sent(commits: Commits, told: Told):
    await commits.begin(decided("first"))
    await told.fail("first", KafkaError("gone"))
    with pytest.raises(KafkaError, match="gone"):
        await commits.begin(decided("second"))
    assert (told.sent, told.stored) == (["first"], [])


async def test_cancelled_it_stores_nothing_more(commits: Commits, told: Told):
    await commits.cancel()
    await commits.begin(decided("first"))
    await commits.cancel()
    assert (told.stored, told.ended) == ([], [])
