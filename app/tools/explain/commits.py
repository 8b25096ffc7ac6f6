"""The commits of one partition, with the records of one member: what the journal says was taken together.

Everything in the partition is read, but only the bytes of the keys are looked at. A commit that took nothing of the
member's is not even decoded, where it can be told from a later one that neither it nor those between did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.tools.world import MEMBERS
from app.wire.codec import encode_key
from app.wire.topics import JOURNAL, RANK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiokafka import TopicPartition

    from app.domain.crossings import JournalEntry
    from app.domain.engine import Mark
    from app.tools.committed import CommittedReader, Record
    from app.wire.codec import Codec

MOST_AT_ONCE = 20_000
"""Offsets between which commits are looked at together; what lies there is held in memory."""

_PROCESSOR = encode_key(MEMBERS)


class Taken(NamedTuple):
    """One commit that took records of the member, or several in a row that took none.

    Attributes:
        records: of such a commit every record, in merged order; else none.
        time_ms: the partition's time after it.
        mark: how far timers had fired after it, exclusive.
        playbooks_hash: under which playbooks it was decided.
    """

    records: list[Record]
    time_ms: int
    mark: Mark
    playbooks_hash: str


class MemberCommits:
    """The commits of the partition a reader reads: the inputs of members, and the journal.

    Args:
        reader: reads them from the start, up to an end.
        codec: decodes the journal.
        prefix: of the topics' names.
        key: of the member's records.
    """

    def __init__(self, reader: CommittedReader, codec: Codec, prefix: str, key: bytes) -> None:
        self._reader = reader
        self._codec = codec
        self._prefix = prefix
        self._key = key
        self._journal = [place for place in reader.buffers if place.topic == prefix + JOURNAL]
        self._inputs = [place for place in reader.buffers if place.topic != prefix + JOURNAL]
        self._taken_to = {place: reader.positions[place] for place in self._inputs}
        self._over = False

    async def each(self) -> AsyncIterator[Taken]:
        """Every commit in its order; the last is one whose records lie below the reader's ends."""
        buffers = self._reader.buffers
        while not self._over and (places := await self._reader.heads(self._journal)):
            (place,) = places
            entries = [record for record in buffers[place] if record.key == _PROCESSOR]
            buffers[place].clear()
            async for taken in self._of(entries):
                yield taken

    async def rest(self) -> list[Record]:
        """The member's records that no commit has taken, in the order in which one would. Called after `each`."""
        found: list[Record] = []
        for place in self._inputs:
            buffer = self._reader.buffers[place]
            while await self._reader.heads([place]):
                found += (record for record in buffer if record.key == self._key)
                buffer.clear()
        return sorted(found, key=self._order)

    async def _of(self, entries: Sequence[Record]) -> AsyncIterator[Taken]:
        """Of some commits in a row; halved until they are few enough, and none or one has to do with the member."""
        if not entries or self._over:
            return
        last = entries[-1]
        entry: JournalEntry = self._codec.decode(JOURNAL, last.key, last.value, last.timestamp)
        offsets = self._offsets(entry)
        span = sum(offsets[place] - self._taken_to[place] for place in offsets)
        is_beyond = self._is_beyond(offsets)
        if is_beyond and len(entries) == 1:
            # A worker has gone on while the ends were asked for, one topic after the other.
            self._over = True
            return
        halves = len(entries) > 1 and (is_beyond or span > MOST_AT_ONCE)
        if not halves:
            await self._reader.reach(offsets)
            halves = len(entries) > 1 and self._is_met(offsets)
        if halves:
            middle = len(entries) // 2
            for half in (entries[:middle], entries[middle:]):
                async for taken in self._of(half):
                    yield taken
            return
        mine, records = self._is_met(offsets), []
        for place, offset in offsets.items():
            buffer = self._reader.buffers[place]
            while buffer and buffer[0].offset < offset:
                record = buffer.popleft()
                if mine:
                    records.append(record)
            self._taken_to[place] = offset
        records.sort(key=self._order)
        yield Taken(records, entry.time, (entry.mark_due, entry.mark_entity), entry.playbooks_hash)

    def _offsets(self, entry: JournalEntry) -> dict[TopicPartition, int]:
        return {
            place: offset
            for place in self._inputs
            if (offset := entry.offsets.get(place.topic.removeprefix(self._prefix))) is not None
        }

    def _is_beyond(self, offsets: dict[TopicPartition, int]) -> bool:
        """Whether some of these offsets lie behind the ends up to which is read."""
        ends = self._reader.ends or offsets
        return any(offset > ends[place] for place, offset in offsets.items())

    def _is_met(self, offsets: dict[TopicPartition, int]) -> bool:
        """Whether a record of the member's lies below these offsets."""
        key = self._key
        for place, offset in offsets.items():
            for record in self._reader.buffers[place]:
                if record.offset >= offset:
                    break
                if record.key == key:
                    return True
        return False

    def _order(self, record: Record) -> tuple[int, int, int]:
        return record.timestamp, RANK[record.topic.removeprefix(self._prefix)], record.offset
