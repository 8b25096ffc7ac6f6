"""Merging the inputs of one partition into one order (contract 5, "Arrival order").

Inputs are merged by (append time, topic rank, offset). A record is taken only when every other input has one
buffered too, or is known to hold nothing older: it was drained by a fetch that was sent after the record came.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from app.runtime.evidence import NONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.runtime.evidence import Evidence

MAX_BATCH = 5_000

FIRST_BATCH = 500
"""Where a backlog was found on opening, the first answers come after this many records of each partition; each batch may then
be twice as large as the one before.
"""

MAX_BUFFERED_BYTES = 4 << 20

_RECORD_OVERHEAD_BYTES = 200
"""What a buffered record takes besides its key and value."""


class InputRecord(msgspec.Struct, frozen=True, order=True, gc=False):
    """One record as read from an input topic; they sort as they are merged. `topic` is the contract's name, without prefix."""

    appended_ms: int
    rank: int
    offset: int
    topic: str
    key: bytes | None
    value: bytes | None


class _Chunk(NamedTuple):
    """Records that came with one fetch: the clock when they came, the offset after the last, and their size."""

    came_at: int
    next_offset: int
    size_bytes: int


class _Input:
    """One input of the partition: what is buffered, and what is known of what is not."""

    __slots__ = (
        "buffer",
        "buffered_bytes",
        "chunks",
        "evidence",
        "next_offset",
        "rank",
        "topic",
    )

    def __init__(self, topic: str, rank: int, next_offset: int) -> None:
        self.topic = topic
        self.rank = rank
        self.next_offset = next_offset
        self.buffer: deque[InputRecord] = deque()
        self.chunks: deque[_Chunk] = deque()
        self.buffered_bytes = 0
        self.evidence = NONE

    def settle(self) -> None:
        """Drop the chunks whose records have all been taken."""
        head = self.buffer[0].offset if self.buffer else None
        while self.chunks and (head is None or self.chunks[0].next_offset <= head):
            self.buffered_bytes -= self.chunks.popleft().size_bytes


class Merge:
    """The buffers of one partition's inputs. Not thread-safe, never blocks.

    `clock` is the number of fetches sent so far, kept by the caller: fetch n proves something about the records that
    came while fewer than n had been sent.
    """

    def __init__(self, ranks: Mapping[str, int], next_offsets: Mapping[str, int]) -> None:
        self._inputs = {
            topic: _Input(topic, rank, next_offsets.get(topic, 0)) for topic, rank in ranks.items()
        }
        self._order = sorted(self._inputs.values(), key=lambda source: source.rank)
        self._limit = FIRST_BATCH
        self.buffered = 0
        """Records that have come and are not taken yet."""

    def feed(
        self,
        topic: str,
        records: Iterable[tuple[int, int, bytes | None, bytes | None]],
        size_bytes: int,
        clock: int,
    ) -> None:
        """Buffer records (offset, appended_ms, key, value) of one input, in offset order, that came at `clock`.

        `size_bytes` is that of their keys and values together. Records below the input's expected offset are dropped:
        a fetch sent before a seek may still bring them.
        """
        source = self._inputs[topic]
        rank, append, expected = source.rank, source.buffer.append, source.next_offset
        before = len(source.buffer)
        for offset, appended_ms, key, value in records:
            if offset >= expected:
                append(InputRecord(appended_ms, rank, offset, topic, key, value))
                expected = offset + 1
        added = len(source.buffer) - before
        if added:
            size_bytes += added * _RECORD_OVERHEAD_BYTES
            self.buffered += added
            source.evidence = NONE
            source.next_offset = expected
            source.buffered_bytes += size_bytes
            source.chunks.append(_Chunk(clock, expected, size_bytes))

    def drained(self, topic: str, evidence: Evidence | None) -> None:
        """Nothing comes after what has been fed for this input, as of the fetches that `evidence` speaks of.

        It may move on, and counts until more is fed or something else is said here; None: nothing is known any more.
        """
        self._inputs[topic].evidence = evidence or NONE

    def full(self, topic: str) -> bool:
        """The input has as much buffered as it may: it is not to be fetched until some is taken."""
        return self._inputs[topic].buffered_bytes >= MAX_BUFFERED_BYTES

    @property
    def waiting(self) -> bool:
        """Records are buffered; whether they may be taken yet depends on the other inputs."""
        return self.buffered > 0

    @property
    def ready(self) -> bool:
        """Records may be taken now."""
        source = min([source for source in self._order if source.buffer], key=_head, default=None)
        evidence = self._evidence()
        return source is not None and (evidence is None or source.chunks[0].came_at < evidence)

    def oldest_ms(self) -> int | None:
        """Append time of the record that has waited longest of those that have come; None where none waits."""
        return min((source.buffer[0].appended_ms for source in self._order if source.buffer), default=None)

    def drained_until_ms(self) -> int | None:
        """The wall time at which every input was known to hold nothing more; None while anything is buffered."""
        if self.waiting:
            return None
        return min([source.evidence.sent_ms for source in self._order])

    def take(self, limit: int | None = None) -> list[InputRecord]:
        """The next records in merged order, at most `limit` where given; empty when none may be taken yet.

        The list is sorted by (append time, rank, offset): a record that sorts before one already taken begins the
        next list. So a batch sorted again is the same batch, which is what a replay of the journal relies on.
        """
        batch: list[InputRecord] = []
        limit = self._limit if limit is None else limit
        last = (-1, -1, -1)
        while len(batch) < limit:
            heads = [source for source in self._order if source.buffer]
            if not heads:
                break
            source = min(heads, key=_head)
            evidence = self._evidence()
            rival = min((_place(other.buffer[0]) for other in heads if other is not source), default=None)
            taken = self._take_run(source, batch, last, rival, evidence, limit)
            if not taken:
                break
            last = _place(batch[-1])
        self.buffered -= len(batch)
        if batch:
            self._limit = min(2 * self._limit, MAX_BATCH)
        return batch

    def _evidence(self) -> int | None:
        """Number of the oldest fetch that speaks for the inputs of which nothing is buffered; None: there are none."""
        return min((other.evidence.number for other in self._order if not other.buffer), default=None)

    @staticmethod
    def _take_run(
        source: _Input,
        batch: list[InputRecord],
        last: tuple[int, int, int],
        rival: tuple[int, int, int] | None,
        evidence: int | None,
        limit: int,
    ) -> int:
        """Move what sorts before the rival's head, and came before the evidence was asked for, into the batch."""
        buffer, chunks = source.buffer, source.chunks
        start = len(batch)
        while buffer and len(batch) < limit:
            chunk = chunks[0]
            if evidence is not None and chunk.came_at >= evidence:
                break
            end = chunk.next_offset
            while buffer and len(batch) < limit:
                record = buffer[0]
                # As `_place` does; spared the call, for this is done for every record.
                place = record.appended_ms, record.rank, record.offset
                if place[2] >= end or place < last or (rival is not None and place > rival):
                    break
                last = place
                batch.append(buffer.popleft())
            if not buffer or buffer[0].offset < end:
                break
            source.settle()
        source.settle()
        return len(batch) - start


def _head(source: _Input) -> InputRecord:
    return source.buffer[0]


def _place(record: InputRecord) -> tuple[int, int, int]:
    return record.appended_ms, record.rank, record.offset
