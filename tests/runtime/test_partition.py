"""When a partition takes another batch."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from app.runtime.commits import Commits
from app.runtime.evidence import Evidence
from app.runtime.merge import Merge
from app.runtime.partition import LARGE_BATCH, SLICE, Partition
from app.runtime.phase import Phase
from app.runtime.position import Position
from app.runtime.processor import Processor
from tests.runtime.conftest import ThingCore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator

    from app.runtime.processor import Host

INPUTS = ("score", "activity")


@pytest.fixture
async def partition(make_host: Callable[..., Host]) -> AsyncIterator[Partition]:
    """A partition that is ready, and has a commit under way."""
    core: Any = ThingCore
    processor = Processor(
        name="members", inputs=INPUTS, key_field="member_id", rerouted="internal-rerouted", make_core=core
    )
    made = Partition(make_host(), processor, 0, lambda *_: None, lambda: None)
    made._move(Phase.RESTORING)
    made.resume()
    decider: Any = SimpleNamespace(behind=False, sweeping=False, rest=(), position=made.position)
    made._decider = decider
    store: Any = None
    made._commits = Commits(
        made.host, "members-0", made._writer, store, lambda: None, lambda: None, lambda *_: None
    )
    made._commits.settled.clear()
    made._commits.is_free = False
    yield made
    await made.close()


def feed(partition: Partition, count: int) -> None:
    assert partition.merge is not None
    partition.merge.feed("activity", [(n, n, b"k", b"v") for n in range(count)], 2 * count, 0)


async def test_while_one_is_committed_a_small_batch_is_left_to_grow(partition: Partition):
    feed(partition, LARGE_BATCH - 1)
    assert not partition.has_room


async def test_a_large_one_is_decided_ahead(partition: Partition):
    feed(partition, LARGE_BATCH)
    assert partition.has_room


@pytest.mark.parametrize("why", ["behind", "sweeping"])
async def test_where_timers_are_worked_off_batch_after_batch_no_record_waits_for_the_last_of_them(
    partition: Partition, why: str
):
    feed(partition, 1)
    setattr(partition._decider, why, True)
    assert partition.has_room


async def test_a_clock_set_back_does_not_make_history_last_until_it_has_caught_up(
    make_host: Callable[..., Host],
):
    """While the clock was an hour ahead, a late record came; now it is right again."""
    clock = [1_800_000_000_000]
    core: Any = ThingCore
    processor = Processor(name="members", inputs=INPUTS, key_field="id", rerouted="", make_core=core)
    host = make_host(now_ms=lambda: clock[0], idle_ms=2_000)
    partition = Partition(host, processor, 0, lambda *_: None, lambda: None)
    partition._move(Phase.RESTORING)
    partition.resume()
    decider: Any = SimpleNamespace(history_seen_ms=clock[0] + 3_600_000, position=partition.position)
    partition._decider = decider
    merge, set_back_ms = partition.merge, clock[0]
    assert merge is not None
    for passed_ms, allowed in ((0, False), (1_999, False), (2_000, True)):
        clock[0] = set_back_ms + passed_ms
        for topic in INPUTS:
            merge.drained(topic, Evidence(1, clock[0]))
        assert partition._wall_ms() == (clock[0] if allowed else None)
    await partition.close()


async def test_the_wall_clock_waits_for_a_batch_that_is_on_its_way(
    make_host: Callable[..., Host], partition: Partition
):
    """It has left the merge, which looks drained, and is not here yet: what was active in it would be timed out first."""
    partition.host = make_host(now_ms=lambda: 1_800_000_000_000)
    partition._decider.history_seen_ms = 0  # type: ignore[union-attr]
    assert partition.merge is not None
    for topic in INPUTS:
        partition.merge.drained(topic, Evidence(1, 1_800_000_000_000))
    assert partition._wall_ms() is not None
    lease = partition.lease()
    assert partition._wall_ms() is None
    partition.accept(lease, [])
    assert partition._wall_ms() is None


async def test_not_a_second_one_before_the_first_was_accepted(partition: Partition):
    feed(partition, LARGE_BATCH)
    partition.lease()
    assert not partition.has_room


class Paused:
    """Stands for a decider whose batches have a pause, and others while it `waits`: what was begun, given up and decided."""

    behind = sweeping = False
    rest = ()
    position = Position()

    def __init__(self) -> None:
        self.pausing = asyncio.Event()
        self.waits = False
        self.begun: list[int] = []
        self.given_up: list[int] = []
        self.decided: list[int] = []

    def slices(self, batch: list[Any]) -> Generator[None, None, int]:
        self.begun.append(len(batch))
        self.pausing.set()
        try:
            yield
            while self.waits:
                yield
        except GeneratorExit:
            self.given_up.append(len(batch))
            raise
        return self.decide(batch)

    def decide(self, batch: list[Any]) -> int:
        self.decided.append(len(batch))
        return len(batch)


class TestPauses:
    @pytest.fixture
    def decider(self, partition: Partition) -> Paused:
        made: Any = Paused()
        partition._decider = made
        return made

    @staticmethod
    def hand_over(partition: Partition, records: int) -> asyncio.Task[Any]:
        """Hand over a batch; the task decides it."""
        feed(partition, records)
        assert partition.merge is not None
        batch: Any = [None] * records
        partition.accept(partition.lease(), batch)
        return asyncio.create_task(partition._next())

    async def test_meanwhile_it_takes_no_other_batch_and_is_not_idle(
        self, partition: Partition, decider: Paused
    ):
        decider.waits = True
        deciding = self.hand_over(partition, LARGE_BATCH)
        await asyncio.wait_for(decider.pausing.wait(), 10)
        feed(partition, LARGE_BATCH)
        assert not partition.has_room
        partition._commits.settled.set()  # type: ignore[union-attr]
        partition.merge = Merge({"activity": 0}, {})
        partition.merge.drained("activity", Evidence(1, 1))
        assert not partition.idle
        decider.waits = False
        assert await deciding == LARGE_BATCH
        assert partition.idle

    async def test_held_in_one_it_gives_the_batch_up(self, partition: Partition, decider: Paused):
        decider.waits = True
        deciding = self.hand_over(partition, LARGE_BATCH)
        await asyncio.wait_for(decider.pausing.wait(), 10)
        partition._commits.settled.set()  # type: ignore[union-attr]
        await partition.hold(1)
        assert await deciding is None
        assert (decider.given_up, decider.decided) == ([LARGE_BATCH], [])

    async def test_kept_meanwhile_it_gives_up_a_batch_that_is_read_again(
        self, partition: Partition, decider: Paused
    ):
        """Held and resumed while it waits for another's backlog, or in a pause: the merge begins anew at the position."""
        async with partition.host.backlog:
            deciding = self.hand_over(partition, LARGE_BATCH)
            await asyncio.sleep(0)
            partition._commits.settled.set()  # type: ignore[union-attr]
            await partition.hold(1)
            partition.resume()
        assert await deciding is None
        assert (decider.begun, decider.decided) == ([], [])

    @pytest.mark.parametrize("records", [1, SLICE, SLICE + 1, LARGE_BATCH - 1])
    async def test_only_a_large_one_waits_for_another_partitions_backlog(
        self, partition: Partition, decider: Paused, records: int
    ):
        async with partition.host.backlog:
            async with asyncio.timeout(10):
                assert await self.hand_over(partition, records) == records
            waiting = self.hand_over(partition, LARGE_BATCH)
            for _ in range(9):
                await asyncio.sleep(0)
            assert decider.decided == [records]
        assert await waiting == LARGE_BATCH

    async def test_who_is_closed_while_it_waits_leaves_the_turn_to_others(
        self, partition: Partition, decider: Paused
    ):
        async with partition.host.backlog:
            waiting = self.hand_over(partition, LARGE_BATCH)
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
        assert not partition.host.backlog.locked()
        assert not partition._deciding
