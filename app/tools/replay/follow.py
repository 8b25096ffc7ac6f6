"""Following the journal: one partition of one processor, decided again commit by commit (contract 5, "Journal").

A commit of the journal names the records it took and the mark up to which silent entities' timers had fired. The same
records decided in the same cuts under the same marks give the same outputs, byte for byte.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from app.domain.errors import UserError
from app.runtime.deciding import Decider
from app.runtime.position import Position, load_position
from app.runtime.store import Store
from app.tools.replay.reading import Commit, Reading
from app.tools.replay.target import Target
from app.wire.bad_record import BadRecord
from app.wire.topics import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from app.runtime.deciding import Decided
    from app.runtime.merge import InputRecord
    from app.runtime.processor import Host, Processor
    from app.tools.replay.reading import Log

log = logging.getLogger(__name__)

_ALL_KEYS = ""

_AT_THE_END = 1 << 62
"""The journal's offset in the position of a replay that has reached the end of its window."""


class Following:
    """One partition of one processor.

    Args:
        host: a worker's, with the replay's topic names.
        log: the live topics.
        processors: the processor under each set of playbooks at hand, by the playbooks' hash.
        number: of the partition.
        since_ms, until_ms: the window of the outputs.
        progress: called with the number of input records decided and committed.
    """

    def __init__(
        self,
        host: Host,
        log: Log,
        processors: Mapping[str, Processor],
        number: int,
        *,
        since_ms: int | None,
        until_ms: int | None,
        progress: Callable[[int], None],
    ) -> None:
        self._host = host
        self._log = log
        self._processors = processors
        self._processor = next(iter(processors.values()))
        self._number = number
        self._since_ms = since_ms
        self._until_ms = until_ms
        self._progress = progress
        self._folder = host.folder / self._processor.name / str(number)
        self._decider: Decider | None = None
        self._hash = ""
        self._position = Position()
        self._strayed = False

    async def run(self) -> None:
        """Follow the journal from where an earlier call stopped to its end, or to the end of the window."""
        self._folder.mkdir(parents=True, exist_ok=True)
        target = Target(
            self._host, self._open_store(), self._processor.changelog, self._number, self._since_ms
        )
        try:
            await target.open()
            self._position = load_position(target.store.position())
            offsets = self._position.offsets
            if offsets.get(JOURNAL, 0) == _AT_THE_END:
                return
            starts = {topic: offsets.get(topic, 0) for topic in (*self._processor.inputs, JOURNAL)}
            reading = Reading(self._host, self._log, self._number, starts)
            await reading.start()
            try:
                await self._follow(reading, target)
            finally:
                await reading.stop()
        finally:
            # First what waits for nothing: a cancellation may end this here too.
            target.store.close()
            await target.close()

    def _open_store(self) -> Store[Any]:
        self._core = self._processor.make_core()
        return Store(self._folder, self._core, self._host.block_cache)

    async def _follow(self, reading: Reading, target: Target) -> None:
        sent = target.sent.offsets.get(JOURNAL, 0)
        until_ms = self._until_ms
        while (commit := await reading.next_commit(self._processor.name)) is not None:
            entry = commit.entry
            decider = await self._decider_for(commit, target)
            batch = await reading.records(entry.offsets)
            repeated = commit.next_offset <= sent
            if until_ms is not None and entry.time > until_ms:
                for decided in self._decide_up_to(decider, batch, commit, until_ms):
                    self._add(decided, _AT_THE_END, target, repeated=repeated)
                break
            for decided in self._decide(decider, batch, commit):
                self._add(decided, commit.next_offset, target, repeated=repeated)
            if not self._strayed:
                self._compare(decider.position, commit)
            if target.full:
                self._progress(await target.commit())
        self._progress(await target.commit())

    async def _decider_for(self, commit: Commit, target: Target) -> Decider:
        """The decider under the playbooks a commit was decided under.

        Raises UserError `other-playbooks` where they are not at hand.
        """
        wanted = commit.entry.playbooks_hash
        if self._decider is not None and wanted == self._hash:
            return self._decider
        processor = self._processors.get(wanted)
        if processor is None:
            raise UserError(
                "other-playbooks",
                f"{self._log.prefix}{JOURNAL} {self._number}, offset {commit.next_offset - 1}",
                f"from here on {self._processor.name} were decided under the playbooks {wanted}, and at hand are "
                f"{', '.join(sorted(self._processors))}",
                "give them with --order journal --playbooks DIR (may be repeated), or ask what the playbooks at hand "
                "would have decided with --order event-time",
            )
        if processor is not self._processor:
            self._progress(await target.commit())
            target.store.close()
            self._processor = processor
            target.store = self._open_store()
        stood, number = self._position, self._number
        offsets = {topic: offset for topic, offset in stood.offsets.items() if topic != JOURNAL}
        stood = replace(stood, offsets=offsets)
        self._decider = Decider(self._host, processor, number, self._core, target.store, stood)
        self._hash = wanted
        return self._decider

    @staticmethod
    def _decide(decider: Decider, batch: list[InputRecord], commit: Commit) -> Iterator[Decided]:
        """Decide what one commit took; without records it was time that moved."""
        entry = commit.entry
        decider.follow((entry.mark_due, entry.mark_entity))
        yield decider.decide(batch, None if batch else entry.time)
        while decider.rest:
            yield decider.decide(decider.rest)

    def _decide_up_to(
        self, decider: Decider, batch: list[InputRecord], commit: Commit, until_ms: int
    ) -> Iterator[Decided]:
        """Decide the part of a commit that lies before the end of the window, and fire the timers due by then."""
        end = (until_ms + 1, _ALL_KEYS)
        decider.follow(min((commit.entry.mark_due, commit.entry.mark_entity), end))
        yield decider.decide(self._before(batch, until_ms))
        while decider.rest:
            yield decider.decide(decider.rest)
        decider.follow(end)
        yield decider.decide([], until_ms + self._host.grace_ms)

    def _add(self, decided: Decided, next_offset: int, target: Target, *, repeated: bool) -> None:
        offsets = decided.position.offsets | {JOURNAL: next_offset}
        self._position = replace(decided.position, offsets=offsets)
        target.add(decided, self._position, repeated=repeated)

    def _compare(self, position: Position, commit: Commit) -> None:
        """What the journal says of a commit must have come out; the outputs of one that strays may differ."""
        entry = commit.entry
        expected = (entry.time, (entry.mark_due, entry.mark_entity))
        if (position.time_ms, position.mark) != expected:
            self._strayed = True
            log.warning(
                "%s-%d strays from the journal at its offset %d: the partition's time and mark are %s, the journal "
                "has %s; outputs from here on may differ from the live ones (version %s decided these)",
                self._processor.name,
                self._number,
                commit.next_offset - 1,
                (position.time_ms, position.mark),
                expected,
                entry.version,
            )

    def _before(self, batch: list[InputRecord], until_ms: int) -> list[InputRecord]:
        """The records of a batch before the first that takes the partition's time beyond an instant."""
        for place, record in enumerate(batch):
            try:
                event = self._host.codec.decode(record.topic, record.key, record.value, record.appended_ms)
            except BadRecord:
                continue
            if getattr(event, "occurred_at", 0) > until_ms:
                return batch[:place]
        return batch
