"""Deciding one batch in memory: records and instants in, everything that is to be written out.

This is the part of a partition that neither waits nor writes; where it pauses, others may. A batch that meets a bug of
ours, or a result too large to be written, is decided again without the record that caused it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from app.domain.crossings import JournalEntry
from app.domain.engine import Engine, TimerFailed
from app.domain.entity import NEVER_MS
from app.domain.events import Activity
from app.domain.sink import Sink
from app.runtime.applying import Applier
from app.runtime.blame import Fault, InDoubt, Spoilt, TooLarge, refuse_too_large, whose_fault
from app.runtime.member_repeats import make_repeating
from app.runtime.outgoing import Outputs
from app.runtime.position import Position, dump_position
from app.runtime.sweep import sweep
from app.runtime.wakes import Wakes
from app.runtime.writer import Outgoing

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from app.domain.engine import Mark
    from app.domain.entity import Core
    from app.runtime.merge import InputRecord
    from app.runtime.processor import Host, Processor
    from app.runtime.store import Sealed, Store

log = logging.getLogger(__name__)

WAKES_PER_BATCH = 250
"""Silent entities woken in one batch, at most: a wave of deadlines is worked off between the records that arrive.

About 15 ms of work. A batch of more than 500 records takes half as many wakes as records: there is a backlog then, and throughput
counts.
"""

SLICE = 100
"""Records after which there is a pause for others: some 2 ms of work.

States and pages are encoded after each slice, while the processor still has them in its caches.
"""

LARGE_LOG_BYTES = 512 << 10
CAREFUL_SLICE = 25
CAREFUL_WAKES = 50
"""Where the cluster holds writing back: what of a log makes a batch large enough, which is looked at after so many records, and so many
silent entities woken in one. What comes in them should not make it larger than one record batch.
"""

MOST_SPOILT = 8
"""Times a batch is decided again from its beginning, each time without one record or timer more, before it is cut short."""

_LAST_KEY = "\U0010ffff"


class Decided(NamedTuple):
    """One batch, ready to be committed: what goes to Kafka, what goes to RocksDB, and where the partition then is.

    Besides, for those who watch: how many records it applied, how many silent entities it woke, and how many dead
    letters of each error it wrote.
    """

    outgoing: Outgoing
    sealed: Sealed
    position: Position
    records: int
    woken: int
    dead_letters: dict[str, int]


class Decider:
    """Decides the batches of one open partition, one after the other."""

    def __init__(
        self,
        host: Host,
        processor: Processor,
        partition: int,
        core: Core[Any],
        store: Store[Any],
        position: Position,
    ) -> None:
        self._host = host
        self._processor = processor
        self._partition = partition
        self._store = store
        self._sink = Sink()
        if position.playbooks_hash not in ("", core.playbooks_hash):
            position = msgspec.structs.replace(position, swept_to="")
        self._position = position
        self._engine = Engine(
            core,
            store,
            store.deadlines,
            self._sink,
            grace_ms=host.grace_ms,
            time_ms=position.time_ms,
            mark=position.mark,
        )
        self._hash = core.playbooks_hash
        self._repeats = not host.exactly_once
        self._wakes = Wakes(self._engine)
        store.repeating = make_repeating(host, core)
        self._applier = Applier(host, processor, partition, self._engine, store, self._sink, self._wakes)
        self._careful = False
        self.rest: Sequence[InputRecord] = ()
        """What the last call of `decide` left of its batch."""
        self.history_seen_ms = position.history_ms
        """Wall time at which the last record was applied that was history when it was appended; 0: none was."""

    @property
    def position(self) -> Position:
        """Where the partition will be when everything decided so far is committed."""
        return self._position

    @property
    def behind(self) -> bool:
        """Timers are due by the partition's time that the last batch had no room for."""
        return self._engine.mark < (self._engine.time_ms - self._host.grace_ms + 1, "")

    def due(self, wall_ms: int) -> bool:
        """Whether moving the partition's time to `wall_ms` would wake anybody."""
        first = self._store.deadlines.first()
        return first is not None and first <= (wall_ms - self._host.grace_ms, _LAST_KEY)

    @property
    def sweeping(self) -> bool:
        """Entities armed for other playbooks are still to be visited."""
        return self._position.swept_to is not None

    def follow(self, mark: Mark) -> None:
        """From here on silent entities' timers fire up to this recorded mark and no further, however many they are."""
        self._engine.ceiling = mark

    def decide(self, batch: Sequence[InputRecord], wall_ms: int | None = None) -> Decided:
        """Decide one batch, as `slices` does, without a pause."""
        slices = self.slices(batch, wall_ms)
        while True:
            try:
                next(slices)
            except StopIteration as end:
                decided: Decided = end.value
                return decided

    def slices(
        self, batch: Sequence[InputRecord], wall_ms: int | None = None
    ) -> Generator[None, None, Decided]:
        """Decide one batch, with a pause after each slice: records in merged order, or none where time alone moves.

        `wall_ms` is the wall clock's time, given only when the partition is drained; it goes without records. A batch
        in which much is spoilt, or in which it has to be found out what is, is decided in part only, and so is one that would
        not go into one request where writing is held back: what is left of it lies in `rest`, and is the next batch.

        Closed in a pause, nothing of the batch is decided, and `rest` is empty: it is to be read again. Nothing else may be
        asked of the decider or its store before the end but `position`; the batch decided before may be written meanwhile.
        """
        self.rest = ()
        poison: dict[tuple[str, int], Fault] = {}
        self._careful = self._host.held_back.lately
        wakes = CAREFUL_WAKES if self._careful else max(WAKES_PER_BATCH, len(batch) // 2)
        failures = 0
        if self._engine.ceiling is not None:
            wakes = NEVER_MS
        while True:
            try:
                return (yield from self._decide(batch, wall_ms, poison, wakes))
            except GeneratorExit:
                self._undo()
                self.rest = ()
                raise
            except Spoilt as spoilt:
                # The exception itself would keep everything alive that its traceback leads to.
                poison[spoilt.record.topic, spoilt.record.offset] = spoilt.fault
                self._undo()
            except TimerFailed as failed:
                log.exception("%s: the rules failed in a timer, which is left alone", failed.key)
                self._engine.spoilt.add(failed.key)
                self._store.drop(failed.key)
                self._host.observer.bug(self._processor.name)
                failures += 1
                if failures >= MOST_SPOILT:
                    wakes = max(0, wakes - self._wakes.left - 1)
                self._undo()
            except InDoubt as doubt:
                # In halves, until one alone can be at fault; if none up to there is, it is found in the rest.
                batch = self._cut(batch, batch.index(doubt.middle) + 1)
                self._undo()
            if len(poison) >= MOST_SPOILT:
                spoilt_at = [at for at, record in enumerate(batch) if (record.topic, record.offset) in poison]
                # None where the batch has been cut since, for another reason.
                batch = self._cut(batch, spoilt_at[-1] + 1) if spoilt_at else batch

    def _cut(self, batch: Sequence[InputRecord], end: int) -> Sequence[InputRecord]:
        """The batch up to there; the others are left for the next."""
        self.rest = (*batch[end:], *self.rest)
        return batch[:end]

    def _undo(self) -> None:
        """Back to where the last decided batch ended."""
        self._sink.take()
        self._store.forget()
        self._engine.time_ms = self._position.time_ms
        self._engine.mark = self._position.mark

    def _decide(
        self,
        batch: Sequence[InputRecord],
        wall_ms: int | None,
        poison: dict[tuple[str, int], Fault],
        wakes: int,
    ) -> Generator[None, None, Decided]:
        engine = self._engine
        outputs = Outputs(
            self._host,
            self._partition,
            self._applier.key_of,
            self._processor.rerouted,
            apart=self._processor.outputs_apart,
            kept=self._store.kept,
        )
        self._wakes.allow(wakes)
        swept_to = sweep(engine, self._store, self._position.swept_to)
        yield from self._move_time(engine.time_ms if wall_ms is None else wall_ms, outputs)
        offsets, applied, left = dict(self._position.offsets), 0, batch[:0]
        slice_ = CAREFUL_SLICE if self._careful else SLICE
        try:
            # Without records too there is a slice: of what timers and the sweep have changed.
            for start in range(0, max(1, len(batch)), slice_):
                if start:
                    yield
                yield from self._apply(batch[start : start + slice_], outputs, offsets, poison)
                applied = start + slice_
                parts = self._encode(outputs, offsets)
                if self._careful and _largest_log_bytes(outputs, parts) > LARGE_LOG_BYTES:
                    batch, left = batch[:applied], batch[applied:]
                    break
            if self._applier.history_seen:
                self._applier.history_seen = False
                self.history_seen_ms = self._host.now_ms()
            decided = self._finish(outputs, parts, offsets, swept_to, len(batch), wakes - self._wakes.left)
        except TooLarge as large:
            sound = [record for record in batch[:applied] if (record.topic, record.offset) not in poison]
            raise whose_fault(large, sound, self._applier.occurred_ms) from large
        self.rest = (*left, *self.rest)
        return decided

    def _apply(
        self,
        records: Sequence[InputRecord],
        outputs: Outputs,
        offsets: dict[str, int],
        poison: dict[tuple[str, int], Fault],
    ) -> Generator[None, None, None]:
        """Apply a slice of records, with a pause after each slice of timers that one makes due."""
        apply, at = self._applier.apply, 0
        while True:
            # Of poison, the rules are not to see anything.
            if not poison:
                at = self._repeat(records, at, outputs, offsets)
            if at >= len(records):
                return
            record = records[at]
            at += 1
            offsets[record.topic] = record.offset + 1
            if poison and (fault := poison.get((record.topic, record.offset))) is not None:
                outputs.dead_letter(record, *fault)
            else:
                while not apply(record, outputs):
                    yield

    def _repeat(
        self, records: Sequence[InputRecord], at: int, outputs: Outputs, offsets: dict[str, int]
    ) -> int:
        """Apply the activities that repeat, from `at` on; returns the place of the first record that is none."""
        engine = self._engine
        reached, history_seen = self._store.repeat(records, at, outputs.pages, engine.time_ms, engine.mark[0])
        if reached > at:
            repeating = self._store.repeating
            offsets[Activity.topic] = repeating.next_offset
            self._applier.history_seen |= history_seen
            # Nobody is due by then.
            engine.move_time(repeating.time_ms)
        return reached

    def _move_time(self, time_ms: int, outputs: Outputs) -> Generator[None, None, None]:
        """Fire the timers that are due by then before any record, with a pause after each slice of them."""
        while True:
            self._engine.move_time(time_ms)
            outputs.collect(self._sink.outputs, None)
            if not self._wakes.more():
                return
            yield

    def _encode(self, outputs: Outputs, offsets: dict[str, int]) -> dict[bytes, bytes | None]:
        """Encode what the records since the last call have changed; returns the states of the batch so far."""
        outputs.encode_pages()
        # The offsets move on while the batch does; what a state has seen must not.
        return self._store.encode(dict(offsets) if self._repeats else None)

    def _finish(
        self,
        outputs: Outputs,
        parts: dict[bytes, bytes | None],
        offsets: dict[str, int],
        swept_to: str | None,
        records: int,
        woken: int,
    ) -> Decided:
        engine, host = self._engine, self._host
        refuse_too_large(parts)
        outputs.finish()
        sealed = self._store.seal()
        self._position = Position(
            offsets,
            engine.time_ms,
            engine.mark,
            self._hash,
            swept_to,
            self.history_seen_ms,
            self._position.origin,
        )
        entry = JournalEntry(
            processor=self._processor.name,
            offsets=offsets,
            time=engine.time_ms,
            mark_due=engine.mark[0],
            mark_entity=engine.mark[1],
            fired=woken,
            playbooks_hash=self._hash,
            version=host.version,
        )
        outputs.put(
            JournalEntry.topic, self._partition, self._processor.name.encode(), host.codec.encode(entry)
        )
        outgoing = Outgoing(outputs.rows, parts.items(), dump_position(self._position))
        return Decided(outgoing, sealed, self._position, records, woken, outputs.dead_letters)


def _largest_log_bytes(outputs: Outputs, parts: dict[bytes, bytes | None]) -> int:
    """Keys and values of the log that most is written to, so far."""
    states = sum([len(key) + len(value or b"") for key, value in parts.items()])
    return max(states, outputs.largest_log_bytes())
