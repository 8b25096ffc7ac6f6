"""Reading committed records of some topics without a consumer group, in memory that stays bounded."""

import time
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.runtime.hosting.fetching import Fetching
from app.service.settings import Settings


class Record(NamedTuple):
    """One record as it lies; `timestamp` is its append time, epoch ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


_make = tuple.__new__

_POLL_S = 0.2
_FETCH_WAIT_MS = 100
_FETCH_BYTES = 1 << 20
_BUFFERED_RECORDS = 10_000
# How long the records of an open transaction are waited for, when reading up to an end; what is done between two looks
# does not count. A worker that lives commits within a second; what one left open that was killed, its successor aborts,
# or the broker after a minute.
_PATIENCE_S = 10.0


class CommittedReader:
    """The committed records of some partitions, each buffered up to a limit.

    Attributes:
        buffers: what has been read and not been taken, by partition; whoever takes a record pops it.
        positions: offset of the next record that will be buffered, by partition.
        ends: up to where it is read, by partition; None: on and on.
        withheld: partitions given up before their end, because a transaction stayed open.
    """

    def __init__(
        self,
        fetching: Fetching,
        starts: dict[TopicPartition, int],
        ends: dict[TopicPartition, int] | None,
    ) -> None:
        self.buffers: dict[TopicPartition, deque[Record]] = {place: deque() for place in starts}
        self.positions = dict(starts)
        self.ends = ends
        self.withheld: list[TopicPartition] = []
        self._fetching = fetching
        self._waited_s = 0.0

    def done(self, place: TopicPartition) -> bool:
        """Nothing more will be buffered of this partition."""
        return self.ends is not None and self.positions[place] >= self.ends[place]

    async def heads(self, places: Collection[TopicPartition]) -> list[TopicPartition]:
        """Those of the partitions that have a record buffered, and only none when all are done.

        Up to an end: once each has one or is done, so that the first of all is among them. Else: once any has one.
        """
        while True:
            waiting = [place for place in places if not self.buffers[place] and not self.done(place)]
            found = [place for place in places if self.buffers[place]]
            if not waiting or (found and self.ends is None):
                return found
            await self.pump(waiting)

    async def each(self) -> AsyncIterator[Record]:
        """Every record of every partition, those of one partition in their order; up to the end where there is one."""
        while places := await self.heads(self.buffers):
            for place in places:
                buffer = self.buffers[place]
                while buffer:
                    yield buffer.popleft()

    async def reach(self, offsets: dict[TopicPartition, int]) -> None:
        """Buffer every record below these offsets, or all there are where a partition ends before."""
        while missing := [
            place
            for place, offset in offsets.items()
            if self.positions[place] < offset and not self.done(place)
        ]:
            await self.pump(missing)

    async def pump(self, wanted: Collection[TopicPartition]) -> None:
        """Read once more, at most for a fifth of a second; partitions not wanted only while there is room."""
        fetching = self._fetching
        paused = fetching.paused
        fetching.resume(
            *[place for place in paused if place in wanted or len(self.buffers[place]) < _BUFFERED_RECORDS]
        )
        began_s = time.monotonic()
        await fetching.wait(_POLL_S)
        for place, fetched in fetching.take().items():
            topic, number = place
            self.buffers[place].extend([_make(Record, (topic, number, *row)) for row in fetched.rows])
            if place not in wanted and len(self.buffers[place]) >= _BUFFERED_RECORDS:
                fetching.pause(place)
        self._look_at_progress(wanted, time.monotonic() - began_s)

    def _look_at_progress(self, wanted: Collection[TopicPartition], waited_s: float) -> None:
        """Positions move over aborted records and transaction markers too, which no record tells of."""
        before = {place: self.positions[place] for place in wanted}
        for place, position in self.positions.items():
            self.positions[place] = max(position, self._fetching.position(place))
        if any(self.positions[place] > position for place, position in before.items()):
            self._waited_s = 0.0
            return
        self._waited_s += waited_s
        if self.ends is not None and self._waited_s > _PATIENCE_S:
            for place in wanted:
                self.ends[place] = self.positions[place]
                self.withheld.append(place)


@asynccontextmanager
async def committed_reader(
    settings: Settings, places: Collection[TopicPartition], *, from_beginning: bool, until_end: bool
) -> AsyncIterator[CommittedReader]:
    """A reader of these partitions, which exist; its consumer belongs to no group and ends with the block.

    Args:
        settings: name a broker.
        places: the partitions.
        from_beginning: start with the oldest record; else with the next one committed.
        until_end: read what has been appended by now, waiting for the transactions open now; else on and on.
    """
    ends = await _log_ends(settings, places) if until_end else None
    fetching = Fetching(
        settings.client_options(),
        None,
        None,
        idle_wait_ms=_FETCH_WAIT_MS,
        fetch_bytes=_FETCH_BYTES,
        skip_lost=True,
    )
    await fetching.start_alone(places)
    try:
        starts = await (fetching.group.starts_of if from_beginning else fetching.group.ends_of)(places)
        for place, offset in starts.items():
            fetching.read(place, offset)
        yield CommittedReader(fetching, starts, ends)
    finally:
        await fetching.stop()


async def _log_ends(settings: Settings, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
    """The offset after the last record of each partition, committed or not."""
    consumer = AIOKafkaConsumer(**settings.client_options(), isolation_level="read_uncommitted")
    await consumer.start()
    try:
        # An assignment makes all topics known at once; asked for offsets of unknown ones, the client finds out one
        # topic in 100 ms.
        consumer.assign(list(places))
        consumer.pause(*places)
        ends: dict[TopicPartition, int] = await consumer.end_offsets(list(places))
        return ends
    finally:
        await consumer.stop()
