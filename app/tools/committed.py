"""Reading committed records of some topics without a consumer group, in memory that stays bounded."""

import time
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.service.settings import Settings


class Record(Protocol):
    """What of aiokafka's ConsumerRecord is used: `timestamp` is the append time, epoch ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


_POLL_MS = 200
_BUFFERED_RECORDS = 10_000
# How long the records of an open transaction are waited for, when reading up to an end. A worker that lives commits
# within a second; what one left open that was killed, its successor aborts, or the broker after a minute.
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
        consumer: AIOKafkaConsumer,
        starts: dict[TopicPartition, int],
        ends: dict[TopicPartition, int] | None,
    ) -> None:
        self.buffers: dict[TopicPartition, deque[Record]] = {place: deque() for place in starts}
        self.positions = dict(starts)
        self.ends = ends
        self.withheld: list[TopicPartition] = []
        self._consumer = consumer
        self._moved_at_s = time.monotonic()

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
        paused = self._consumer.paused()
        self._consumer.resume(
            *(place for place in paused if place in wanted or len(self.buffers[place]) < _BUFFERED_RECORDS)
        )
        for place, records in (await self._consumer.getmany(timeout_ms=_POLL_MS)).items():
            self.buffers[place].extend(records)
            if place not in wanted and len(self.buffers[place]) >= _BUFFERED_RECORDS:
                self._consumer.pause(place)
        await self._look_at_progress(wanted)

    async def _look_at_progress(self, wanted: Collection[TopicPartition]) -> None:
        """Positions move over aborted records and transaction markers too, which no record tells of."""
        now_s = time.monotonic()
        before = {place: self.positions[place] for place in wanted}
        for place in self.positions:
            self.positions[place] = await self._consumer.position(place)
        if any(self.positions[place] > position for place, position in before.items()):
            self._moved_at_s = now_s
        elif self.ends is not None and now_s - self._moved_at_s > _PATIENCE_S:
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
    consumer = AIOKafkaConsumer(
        **settings.client_options(),
        isolation_level="read_committed",
        fetch_max_wait_ms=_POLL_MS // 2,
        max_partition_fetch_bytes=1 << 20,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        consumer.assign(list(places))
        starts = await (consumer.beginning_offsets if from_beginning else consumer.end_offsets)(list(places))
        for place, offset in starts.items():
            consumer.seek(place, offset)
        yield CommittedReader(consumer, starts, ends)
    finally:
        await consumer.stop()


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
