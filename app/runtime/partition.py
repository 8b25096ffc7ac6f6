"""One partition of one processor: opened, handed batches, held, closed; in between it decides them and has them committed.

In which order a batch becomes true, `commits.py` says. Anything that fails breaks the partition: what it holds in memory
is dropped, and it is opened again from its position.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from app.runtime.commits import Commits
from app.runtime.deciding import SLICE, Decided, Decider
from app.runtime.holdings import unit_folder
from app.runtime.merge import InputRecord, Merge
from app.runtime.phase import MOVES, Phase
from app.runtime.placement import SAMPLED, refuse_misplaced
from app.runtime.position import Position, opened_position
from app.runtime.promotion import UnfinishedPromotionError
from app.runtime.restore import restore
from app.runtime.store import Store
from app.runtime.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from app.runtime.processor import Host, Processor

log = logging.getLogger(__name__)

LARGE_BATCH = 1_000
"""Records that are decided while the batch before them still commits: when there is a backlog, throughput counts."""


class Partition:
    """Owned by one worker at a time; everything here runs on its event loop.

    Args:
        on_broken: called once when the partition has failed and must be opened again.
        on_room: called when the partition can take another batch.
    """

    def __init__(
        self,
        host: Host,
        processor: Processor,
        number: int,
        on_broken: Callable[[Partition, BaseException], None],
        on_room: Callable[[], None],
    ) -> None:
        self.host = host
        self.processor = processor
        self.number = number
        self.phase = Phase.FENCING
        self.merge: Merge | None = None
        self._on_broken = on_broken
        self._on_room = on_room
        self._core = processor.make_core()
        transactional_id = f"{host.application}-{processor.name}-{number}" if host.exactly_once else None
        self._writer = Writer(
            host.client_options,
            transactional_id,
            host.full_name(processor.changelog),
            number,
            on_held_back=self._note_held_back,
        )
        self._store: Store[Any] | None = None
        self._cached_states = host.cached_states
        self._decider: Decider | None = None
        self._inbox: list[InputRecord] | None = None
        self._lease = 0
        self._leased = False
        self._deciding = False
        self._signal = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._commits: Commits | None = None
        self._closing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"{self.processor.name}-{self.number}"

    @property
    def inputs(self) -> dict[str, TopicPartition]:
        """The partition's input topic partitions on the broker, by the contract's name."""
        return {
            name: TopicPartition(self.host.full_name(name), self.number) for name in self.processor.inputs
        }

    @property
    def position(self) -> Position:
        """Where the partition stands, with everything that has been decided."""
        return self._decider.position if self._decider is not None else Position()

    @property
    def last_commit_ms(self) -> int:
        """Wall time of the last commit since the partition was opened; 0: there was none."""
        return 0 if self._commits is None else self._commits.last_ms

    @property
    def committed_records(self) -> int:
        """Input records committed since the partition was opened."""
        return 0 if self._commits is None else self._commits.records

    @property
    def idle(self) -> bool:
        """Ready, nothing buffered, nothing decided but not committed, no timer due by the partition's time."""
        return (
            self.phase is Phase.READY
            and not self._leased
            and not self._deciding
            and self._decider is not None
            and self._commits is not None
            and self._commits.settled.is_set()
            and not self._decider.behind
            and not self._decider.sweeping
            and not self._decider.rest
            and self.merge is not None
            and self.merge.drained_until_ms() is not None
        )

    @property
    def changelog_offset(self) -> int | None:
        """The next changelog offset that its state on disk lacks; None while it is not open, or cannot be read."""
        mark = None
        # However the folder fails, whoever asks goes on without an answer.
        with contextlib.suppress(Exception):
            mark = self._store.changelog_mark() if self._store is not None else None
        return mark.next_offset if mark is not None else None

    def remember(self, states: int) -> None:
        """Keep at most so many decoded states in memory, from now on."""
        self._cached_states = states
        if self._store is not None:
            self._store.remember(states)

    async def fence(self) -> None:
        """Take the partition over: from here on whoever wrote it before writes no more. Asks the brokers twice or so."""
        await self._writer.open()

    async def bring_up(self, progress: Callable[[int, int], None], *, rebuild: bool = False) -> int:
        """Restore the state after `fence`; `resume` then lets it work. Returns the changelog records restored.

        `rebuild` throws away what is on disk and takes everything from the changelog.
        """
        self._move(Phase.RESTORING)
        host, folder = self.host, unit_folder(self.host.folder, (self.processor.name, self.number))

        if rebuild:
            log.warning("%r: its state folder is thrown away, and made anew from the changelog", self)

        def open_store(emptied: bool) -> Store[Any]:
            if emptied or rebuild:
                shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            store = Store(folder, self._core, host.block_cache, write_buffers=host.write_buffers)
            store.remember(self._cached_states)
            return store

        changelog = host.full_name(self.processor.changelog)
        self._store, count = await restore(host.client_options, changelog, self.number, open_store, progress)
        if (marker := self._store.promotion()) is not None:
            raise UnfinishedPromotionError(marker, repr(self))
        sample = self._store.keys_after("", SAMPLED)
        refuse_misplaced(sample, changelog, self.number, host.partitions[self.processor.changelog])
        position = opened_position(self._store.position())
        self._decider = Decider(host, self.processor, self.number, self._core, self._store, position)
        self._commits = Commits(
            host, repr(self), self._writer, self._store, self._signal.set, self._on_room, self._tell_committed
        )
        self._task = asyncio.create_task(self._run(self._commits), name=f"partition {self!r}")
        return count

    def resume(self) -> None:
        """Begin to read at the position: after `bring_up`, and after every assignment that keeps this partition."""
        self._move(Phase.READY)
        if self._decider is not None:
            self._decider.rest = ()
        self._lease += 1
        self._leased = False
        ranks = {name: self.host.ranks[name] for name in self.processor.inputs}
        self.merge = Merge(ranks, self.position.offsets)

    @property
    def has_room(self) -> bool:
        """Another batch may be handed over.

        While one is being committed, only a large one is worth deciding ahead: a small one would wait decided, and what
        comes meanwhile would miss it. But not where timers are worked off, batch after batch: each of these is decided
        ahead, and records would wait for the last of them.
        """
        if self.phase is not Phase.READY or self._leased or self._deciding:
            return False
        if self.merge is None or self._commits is None:
            return False
        return self._commits.is_free or self.merge.buffered >= LARGE_BATCH or self._working_off

    @property
    def _working_off(self) -> bool:
        """The next batch will be decided whether records come or not."""
        return self._decider is not None and (self._decider.behind or self._decider.sweeping)

    def lease(self) -> int:
        """A batch is on its way: no other may be taken from the merge before `accept` has had it."""
        self._leased = True
        return self._lease

    def accept(self, lease: int, batch: list[InputRecord]) -> None:
        """Take one batch, the next in merged order. One leased before the last assignment is dropped: it is read again.

        Called by the processor's agent.
        """
        if lease == self._lease and self.phase is Phase.READY:
            self._inbox = batch
            self._signal.set()

    def nudge(self) -> None:
        """Something may have become due: look again."""
        self._signal.set()

    async def hold(self, timeout_s: float) -> None:
        """Stop taking batches, and return when everything decided is committed, or the partition is broken.

        Called when partitions are revoked. Records handed over but not decided are dropped: they are read again from
        the position, by whoever has the partition then.
        """
        if self.phase is not Phase.READY:
            return
        self._move(Phase.HELD)
        self.merge = None
        self._inbox = None
        if self._commits is None:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._commits.settled.wait()
        except TimeoutError as error:
            self._break(error)

    async def close(self) -> None:
        """Give the partition up. A commit under way is finished by the broker or aborted by the next owner.

        Carried through once begun, also when the caller is cancelled; called again, it waits for the same end.
        """
        if self._closing is None:
            self._move(Phase.CLOSED)
            self._closing = asyncio.create_task(self._let_go(), name=f"close {self!r}")
        await asyncio.shield(self._closing)

    async def _let_go(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._commits is not None:
            await self._commits.cancel()
        await self._writer.close()
        if self._store is not None:
            self._store.close()
        # What lies in memory is held by cycles of objects, which nobody looks for (see `service.garbage`).
        self._store = self._decider = self._commits = self.merge = self._inbox = None

    async def _run(self, commits: Commits) -> None:
        """The partition's own task: decide, commit, and so on."""
        try:
            while True:
                if self.phase is Phase.READY:
                    decided = await self._next()
                    if decided is not None:
                        await commits.begin(decided)
                        continue
                await self._signal.wait()
                self._signal.clear()
                commits.finish()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  whatever it is, the partition is opened again
            self._break(error)

    async def _next(self) -> Decided | None:
        """Decide what there is to decide; None when there is nothing, or when the partition was held meanwhile."""
        decider = self._decider
        if decider is None:
            return None
        if decider.rest:
            return await self._decide(decider, decider.rest)
        batch, self._inbox = self._inbox, None
        if batch is not None:
            self._leased = False
            return await self._decide(decider, batch)  # 1
        if decider.behind or decider.sweeping:
            return decider.decide([])
        wall_ms = self._wall_ms()
        if wall_ms is not None and decider.due(wall_ms):
            return decider.decide([], wall_ms)
        return None

    async def _decide(self, decider: Decider, batch: Sequence[InputRecord]) -> Decided | None:
        """Decide a batch of records, a slice at a time; other partitions' backlogs wait for a large one, and nobody else.

        None when the partition was held, or given up, before the end: then nothing of it is decided.
        """
        if len(batch) <= SLICE:
            return decider.decide(batch)
        is_large = len(batch) >= LARGE_BATCH
        lease, self._deciding = self._lease, True
        try:
            async with self.host.backlog if is_large else contextlib.nullcontext():
                decided = await self._drive(decider.slices(batch), lease)
        finally:
            self._deciding = False
        if is_large:
            self._on_room()
        return decided

    async def _drive(self, slices: Generator[None, None, Decided], lease: int) -> Decided | None:
        with contextlib.closing(slices):
            while self.phase is Phase.READY and self._lease == lease:
                try:
                    next(slices)
                except StopIteration as end:
                    decided: Decided = end.value
                    return decided
                # The first time around what has come is read, the second time it is acted upon.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        return None

    def _wall_ms(self) -> int | None:
        """The wall time the partition's time may move to, None unless it is drained (contract 5, "Silent entities")."""
        host, decider = self.host, self._decider
        # A batch on its way here is in the merge no more, and its time comes first.
        if not host.wall_clock or self._leased or self.merge is None or decider is None:
            return None
        drained_ms, now_ms = self.merge.drained_until_ms(), host.now_ms()
        # A clock set back must not make history last until it has caught up with what it showed before.
        decider.history_seen_ms = min(decider.history_seen_ms, now_ms)
        if drained_ms is None or drained_ms < 0 or now_ms - decider.history_seen_ms < host.idle_ms:
            return None
        return drained_ms

    def _note_held_back(self, wait_s: float) -> None:
        self.host.held_back.note(wait_s)
        self.host.observer.held_back("writing", wait_s)

    def _tell_committed(self, decided: Decided, seconds: float) -> None:
        self.host.observer.committed(self, decided, seconds)

    def _break(self, error: BaseException) -> None:
        if self.phase in (Phase.BROKEN, Phase.CLOSED):
            return
        self._move(Phase.BROKEN)
        log.warning("partition %r is broken and will be opened again: %r", self, error)
        self.host.observer.broken(self)
        self._on_broken(self, error)

    def _move(self, phase: Phase) -> None:
        if phase not in MOVES[self.phase]:
            raise RuntimeError(f"partition {self!r}: {self.phase.value} cannot become {phase.value}")
        self.phase = phase
        if phase in (Phase.BROKEN, Phase.CLOSED) and self._commits is not None:
            self._commits.settled.set()
