"""`reengage tail --inputs`: the inputs in the order the worker took them (contract 5, "Arrival order" and "Journal").

Each entry of the journal is a commit: the records below its offsets, merged by (append time, topic rank, offset), and
then its mark. So the lines can be followed by `simulate --in-order`, which gives what the worker gave.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping

from aiokafka import TopicPartition
from msgspec.structs import replace

from app.domain.crossings import JournalEntry, MemberMoved, Rerouted
from app.tools.committed import CommittedReader, Record
from app.wire.bad_record import BadRecord
from app.wire.codec import Codec
from app.wire.hops import read_hop
from app.wire.lines import Clock, format_clock, format_input, format_raw
from app.wire.partitioner import murmur2_partition
from app.wire.topics import JOURNAL, RANK, REROUTES

_JSON = Codec(encoding="json")


def input_line(
    codec: Codec,
    topic: str,
    key: bytes | None,
    value: bytes | None,
    *,
    arrived_at: int,
    partition: int,
    offset: int,
) -> str:
    """The line of one record as it lay in Kafka; with its bytes where it is no valid record.

    A record inside it, that of a merged-away member, is given as JSON: whoever reads the line may have no registry.
    """
    try:
        record = codec.decode(topic, key, value, arrived_at)
        if isinstance(record, MemberMoved) and (hop := read_hop(codec, record)) is not None:
            record = replace(record, value=_JSON.encode(hop.record))
    except BadRecord:
        return format_raw(topic, key, value, arrived_at=arrived_at, partition=partition, offset=offset)
    return format_input(record, arrived_at=arrived_at, partition=partition, offset=offset)


class MergedInputs:
    """The lines of all inputs, commit by commit.

    Commits of different partitions come in the order in which the journal took them. When read up to an end, the
    records no commit has reached yet follow, merged; else they wait for their commit. A record that lay in another
    partition than its key's has its line where its own partition took it over.

    Args:
        reader: of the journal, the inputs, and the internal topics that are read as inputs.
        codec: decodes them.
        prefix: of the topics' names.
        partitions: partition counts by the contract's names.
    """

    def __init__(
        self, reader: CommittedReader, codec: Codec, prefix: str, partitions: Mapping[str, int]
    ) -> None:
        self._reader = reader
        self._codec = codec
        self._prefix = prefix
        self._partitions = partitions
        self._journal = [place for place in reader.buffers if place.topic == prefix + JOURNAL]
        self._inputs = [place for place in reader.buffers if place.topic != prefix + JOURNAL]

    async def lines(self) -> AsyncIterator[str]:
        """Every line, without its end; ends with the reader's ends."""
        async for record in self._merged(self._journal, lambda entry: (entry.timestamp, entry.partition)):
            entry = self._codec.decode(JOURNAL, record.key, record.value, record.timestamp)
            async for line in self._commit(entry, record.partition):
                yield line
        async for record in self._merged(self._inputs, self._merge_order):
            if (rest := self._line(record, taken=False)) is not None:
                yield rest

    async def _commit(self, entry: JournalEntry, partition: int) -> AsyncIterator[str]:
        offsets = {
            TopicPartition(self._prefix + topic, partition): offset for topic, offset in entry.offsets.items()
        }
        await self._reader.reach(offsets)
        records = [record for place, offset in offsets.items() for record in self._below(place, offset)]
        for record in sorted(records, key=self._merge_order):
            if (line := self._line(record, taken=True)) is not None:
                yield line
        mark = Clock(
            number=0,
            occurred_at=entry.time,
            arrived_at=entry.time,
            partition=partition,
            processor=entry.processor,
            mark_due=entry.mark_due,
            mark_entity=entry.mark_entity,
        )
        yield format_clock(mark)

    def _below(self, place: TopicPartition, offset: int) -> Iterator[Record]:
        buffer = self._reader.buffers[place]
        while buffer and buffer[0].offset < offset:
            yield buffer.popleft()

    async def _merged(
        self, places: list[TopicPartition], order: Callable[[Record], tuple[int, ...]]
    ) -> AsyncIterator[Record]:
        """The records of several partitions, always the first of those at their heads."""
        buffers = self._reader.buffers
        while heads := await self._reader.heads(places):
            yield buffers[min(heads, key=lambda place: order(buffers[place][0]))].popleft()

    def _merge_order(self, record: Record) -> tuple[int, ...]:
        rank = RANK[record.topic.removeprefix(self._prefix)]
        return record.timestamp, rank, record.offset, record.partition

    def _line(self, record: Record, *, taken: bool) -> str | None:
        """The line of a record; None for one that a worker has `taken` and sent on to its own partition."""
        topic, key, value = record.topic.removeprefix(self._prefix), record.key, record.value
        arrived_at, offset = record.timestamp, record.offset
        if topic in REROUTES:
            sent_on: Rerouted = self._codec.decode(topic, key, value, arrived_at)
            topic, key, value = sent_on.source_topic, sent_on.key, sent_on.value
            arrived_at, offset = sent_on.appended_at, sent_on.source_offset
        elif taken and self._sent_on(topic, record):
            return None
        return input_line(
            self._codec, topic, key, value, arrived_at=arrived_at, partition=record.partition, offset=offset
        )

    def _sent_on(self, topic: str, record: Record) -> bool:
        """Whether the worker that took the record sent it on; one that is not valid it kept, as a dead letter."""
        key = record.key
        if key is None or murmur2_partition(key, self._partitions[topic]) == record.partition:
            return False
        try:
            self._codec.decode(topic, key, record.value, record.timestamp)
        except BadRecord:
            return False
        return True
