"""Order of sending, with a broker whose clock and acknowledgements the test moves by hand."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tools.ordered_send import BrokerClocks, OrderedSender, Outgoing

RANKS = {"command": 0, "profile": 1, "activity": 8}


def outgoing(line: int, topic: str, partition: int = 0) -> Outgoing:
    return Outgoing(line, topic, RANKS[topic], ("members", partition), partition, b"m", b"")


@dataclass
class FakeWire:
    """Appends after `delay` turns of the loop, at the time of the broker that leads the topic.

    `skew_ms`: how far each leader's clock is ahead of the sender's; `append_ms`: append times to give in place of
    those, by line. `held_partition` appends nothing before `held_until` records are in the log.
    """

    skew_ms: dict[str, int] = field(default_factory=dict)
    delay: int = 2
    append_ms: dict[int, int] = field(default_factory=dict)
    failing_line: int | None = None
    timestamp_type: int = 1
    held_partition: int | None = None
    held_until: int = 0
    log: list[tuple[int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._order: dict[tuple[str, int], asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._released = asyncio.Event()

    def now_ms(self) -> float:
        return asyncio.get_running_loop().time() * 1000

    def leader(self, record: Outgoing) -> int:
        return RANKS[record.topic]

    async def send(self, record: Outgoing) -> "asyncio.Future[SimpleNamespace]":
        future = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._append(record, future))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return future

    async def _append(self, record: Outgoing, future: "asyncio.Future[SimpleNamespace]") -> None:
        async with self._order.setdefault((record.topic, record.partition), asyncio.Lock()):
            for _ in range(self.delay):
                await asyncio.sleep(0)
        if record.partition == self.held_partition:
            await self._released.wait()
        if record.line == self.failing_line:
            future.set_exception(ConnectionError("gone"))
            return
        at_ms = self.append_ms.get(record.line, int(self.now_ms() + self.skew_ms.get(record.topic, 0)))
        self.log.append((at_ms, record.rank, record.line))
        if len(self.log) >= self.held_until:
            self._released.set()
        future.set_result(SimpleNamespace(timestamp=at_ms, timestamp_type=self.timestamp_type))


async def send(wire: FakeWire, records: list[Outgoing]) -> OrderedSender:
    async with asyncio.TaskGroup() as tasks:
        sender = OrderedSender(wire, wire.now_ms, tasks)
        for record in records:
            await sender.put(record)
        await sender.finish()
    return sender


def merged(wire: FakeWire) -> list[int]:
    """Lines in the order of the merge; the log is in offset order within a topic."""
    return [line for _, _, line in sorted(wire.log, key=lambda entry: entry[:2])]


@given(st.lists(st.sampled_from(sorted(RANKS)), max_size=12))
def test_the_merge_gives_the_lines_back_in_their_order(topics):
    wire = FakeWire()
    asyncio.run(send(wire, [outgoing(line, topic) for line, topic in enumerate(topics, 1)]))
    assert merged(wire) == list(range(1, len(topics) + 1))


async def test_a_leader_whose_clock_is_behind_is_waited_for_once_it_has_been_heard_of():
    wire = FakeWire(skew_ms={"profile": -30})
    await send(wire, [outgoing(1, "profile"), outgoing(2, "activity"), outgoing(3, "profile")])
    assert merged(wire) == [1, 2, 3]


async def test_a_record_appended_too_early_all_the_same_is_told():
    wire = FakeWire(append_ms={1: 5_000, 2: 4_999})
    sender = await send(wire, [outgoing(1, "profile"), outgoing(2, "activity")])
    assert sender.overtaken is not None
    assert sender.overtaken.line == 2


async def test_one_instant_is_early_enough_for_a_topic_that_ranks_higher_and_not_for_a_lower_one():
    same = {1: 5_000, 2: 5_000}
    higher = await send(FakeWire(append_ms=same), [outgoing(1, "profile"), outgoing(2, "activity")])
    lower = await send(FakeWire(append_ms=same), [outgoing(1, "activity"), outgoing(2, "profile")])
    assert higher.overtaken is None
    assert lower.overtaken is not None


async def test_partitions_do_not_wait_for_each_other():
    wire = FakeWire(held_partition=0, held_until=4)
    topics = ["profile", "activity", "profile", "activity"]
    records = [outgoing(line, topic, partition=0) for line, topic in enumerate(topics, 1)]
    records += [outgoing(line, topic, partition=1) for line, topic in enumerate(topics, 5)]
    await send(wire, records)
    assert [line for _, _, line in wire.log] == [5, 6, 7, 8, 1, 2, 3, 4]


async def test_acknowledgements_are_counted_by_topic():
    sender = await send(
        FakeWire(), [outgoing(1, "profile"), outgoing(2, "activity"), outgoing(3, "activity")]
    )
    assert sender.acknowledged == {"profile": 1, "activity": 2}
    assert sender.first_unacknowledged is None


async def test_a_failed_send_ends_it_and_names_the_first_line_without_an_acknowledgement():
    wire = FakeWire(failing_line=2)
    sender = None
    with pytest.RaisesGroup(ConnectionError):
        async with asyncio.TaskGroup() as tasks:
            sender = OrderedSender(wire, wire.now_ms, tasks)
            for record in [outgoing(1, "profile"), outgoing(2, "activity"), outgoing(3, "profile")]:
                await sender.put(record)
            await sender.finish()
    assert sender is not None
    assert sender.acknowledged == {"profile": 1}
    assert sender.first_unacknowledged == 2


async def test_a_topic_without_append_times_is_told():
    sender = await send(FakeWire(timestamp_type=0), [outgoing(1, "profile")])
    assert sender.untimed == "profile"


def test_what_was_heard_of_a_clock_fades_as_clocks_may_drift():
    now_ms = 1_000.0
    clocks = BrokerClocks(lambda: now_ms)
    clocks.heard(1, 5_000)
    assert clocks.wait_ms(1, 5_001) == 1
    now_ms = 11_000.0
    assert clocks.wait_ms(1, 15_000) == pytest.approx(10)


def test_a_slow_acknowledgement_does_not_spoil_what_a_quick_one_taught():
    now_ms = 1_000.0
    clocks = BrokerClocks(lambda: now_ms)
    clocks.heard(1, 5_000)
    now_ms = 1_100.0
    clocks.heard(1, 5_020)
    assert clocks.wait_ms(1, 5_100) == pytest.approx(0.1)
