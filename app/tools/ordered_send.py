"""Sending records so that the merge of each partition takes them in the order they were handed over.

The merge of contract 5 orders by (append time, topic rank, offset), and the broker gives the append time. Within one
topic the idempotent producer keeps the order. Before a lane turns to another topic, what it sent is acknowledged,
which gives the append time reached so far; then the clock of the next topic's leader must be past it, or at it where
the next topic ranks higher.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

# Records handed over and not yet sent, for each lane: enough to keep a batch filling while one is under way.
_LANE_RECORDS = 2_000
# How far the clocks of two machines may drift apart in a second; NTP slews by at most half of it.
_DRIFT = 0.001
# Until a broker's clock has been heard of: any clock moves on in this time.
_UNHEARD_WAIT_MS = 2.0
# The timestamp type of an acknowledgement that carries no append time.
_SENDERS_TIME = 0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to send. `topic` is the contract's name, `rank` its place in the merge, `lane` whom it must not
    overtake: records of one lane are merged together. `line` says where it came from, counted from 1.
    """

    line: int
    topic: str
    rank: int
    lane: tuple[str, int]
    partition: int
    key: bytes | None
    value: bytes | None


class Wire(Protocol):
    """What the sender needs of a Kafka producer."""

    async def send(self, record: Outgoing) -> "asyncio.Future[Any]":
        """Queue a record, waiting while the queue is full. The future gives aiokafka's RecordMetadata."""

    def leader(self, record: Outgoing) -> int:
        """Number of the broker that will append this record."""


class BrokerClocks:
    """Lower bounds of the brokers' clocks, learnt from append times; `now_ms` is a clock that never goes back."""

    def __init__(self, now_ms: Callable[[], float]) -> None:
        self._now_ms = now_ms
        self._ahead: dict[int, tuple[float, float]] = {}

    def heard(self, broker: int, append_ms: int) -> None:
        """A record appended at `append_ms` has just been acknowledged: the clock shows at least that now."""
        now_ms = self._now_ms()
        ahead_ms = append_ms - now_ms
        if broker in self._ahead:
            best_ms, at_ms = self._ahead[broker]
            ahead_ms = max(ahead_ms, best_ms - (now_ms - at_ms) * _DRIFT)
        self._ahead[broker] = (ahead_ms, now_ms)

    def wait_ms(self, broker: int, until_ms: int) -> float:
        """How long to wait, if at all, so that this broker appends at `until_ms` or later."""
        if broker not in self._ahead:
            return _UNHEARD_WAIT_MS
        ahead_ms, at_ms = self._ahead[broker]
        now_ms = self._now_ms()
        return until_ms - (now_ms + ahead_ms - (now_ms - at_ms) * _DRIFT)


class OrderedSender:
    """Sends records lane by lane, the lanes at the same time.

    The lanes are tasks of `tasks`: after `finish`, the end of that group is the last acknowledgement, and a failed
    send ends the group with what the wire raised.

    Attributes:
        acknowledged: acknowledged records by topic.
        overtaken: the first record that was appended out of order all the same, because a clock was set back.
        untimed: a topic whose broker keeps the sender's time instead of giving the append time; None is as it should
            be.
    """

    def __init__(self, wire: Wire, now_ms: Callable[[], float], tasks: asyncio.TaskGroup) -> None:
        self.acknowledged: dict[str, int] = {}
        self.overtaken: Outgoing | None = None
        self.untimed: str | None = None
        self._wire = wire
        self._clocks = BrokerClocks(now_ms)
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._tasks = tasks

    async def put(self, record: Outgoing) -> None:
        """Hand over the next record; waits while its lane is full."""
        lane = self._lanes.get(record.lane)
        if lane is None:
            lane = self._lanes[record.lane] = _Lane(self, self._wire, self._clocks)
            self._tasks.create_task(lane.run())
        lane.unacknowledged[record.line] = None
        await lane.queue.put(record)

    async def finish(self) -> None:
        """Nothing more comes: the lanes end with their last acknowledgement."""
        for lane in self._lanes.values():
            await lane.queue.put(None)

    @property
    def first_unacknowledged(self) -> int | None:
        """Smallest line handed over that has no acknowledgement; None when there is none."""
        return min((line for lane in self._lanes.values() for line in lane.unacknowledged), default=None)

    def note(self, record: Outgoing, metadata: Any, *, early: bool) -> None:
        """A record was acknowledged; `early`: where it would overtake one before it."""
        self.acknowledged[record.topic] = self.acknowledged.get(record.topic, 0) + 1
        if metadata.timestamp_type == _SENDERS_TIME:
            self.untimed = record.topic
        elif early and self.overtaken is None:
            self.overtaken = record


class _Lane:
    """The records that are merged together, in order.

    `_last` is the (append time, rank) that sorts last so far, `_floor` what it was when the present topic began: no
    record of the present topic may sort before it.
    """

    def __init__(self, sender: OrderedSender, wire: Wire, clocks: BrokerClocks) -> None:
        self.queue: asyncio.Queue[Outgoing | None] = asyncio.Queue(_LANE_RECORDS)
        self.unacknowledged: dict[int, None] = {}
        self._sender = sender
        self._wire = wire
        self._clocks = clocks
        self._topic = ""
        self._last = self._floor = (-1, -1)
        self._under_way = 0
        self._settled = asyncio.Event()
        self._failure: BaseException | None = None

    async def run(self) -> None:
        """Send what is handed over until None comes, then await the acknowledgements. Raises the first failure."""
        while (record := await self.queue.get()) is not None:
            if record.topic != self._topic:
                await self._settle()
                await self._let_clock_pass(record)
                self._topic, self._floor = record.topic, self._last
            future = await self._wire.send(record)
            self._under_way += 1
            future.add_done_callback(partial(self._acknowledge, record))
            if self._failure is not None:
                break
        await self._settle()

    async def _settle(self) -> None:
        while self._under_way and self._failure is None:
            self._settled.clear()
            await self._settled.wait()
        if self._failure is not None:
            raise self._failure

    async def _let_clock_pass(self, record: Outgoing) -> None:
        append_ms, rank = self._last
        if append_ms < 0:
            return
        until_ms = append_ms if record.rank > rank else append_ms + 1
        wait_ms = self._clocks.wait_ms(self._wire.leader(record), until_ms)
        if wait_ms > 0:
            await asyncio.sleep(wait_ms / 1000)

    def _acknowledge(self, record: Outgoing, future: "asyncio.Future[Any]") -> None:
        self._under_way -= 1
        if (error := future.exception()) is not None:
            self._failure = self._failure or error
        else:
            metadata = future.result()
            place = (metadata.timestamp, record.rank)
            self._last = max(self._last, place)
            self._sender.note(record, metadata, early=place < self._floor)
            del self.unacknowledged[record.line]
            if not self._under_way:
                self._clocks.heard(self._wire.leader(record), metadata.timestamp)
        self._settled.set()
