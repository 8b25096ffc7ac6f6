"""A replay in event-time order: all processors in one order of time, what crosses between them made anew.

What `simulate` does with lines that name no partition, with states on disk and outputs in Kafka.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiokafka import TopicPartition

from app.domain.engine import TimerFailed
from app.domain.entity import StoreError
from app.domain.errors import UserError
from app.runtime.writer import Outgoing, Writer
from app.tools.replay.held_states import HeldStates
from app.tools.replay.sorted_run import place_of
from app.tools.replay.spool import Spool
from app.tools.replay.spooling import fill
from app.tools.replay.target import TIMEOUT_MS, last_position
from app.tools.replay.world_outputs import WorldOutputs
from app.tools.world import World
from app.wire.bad_record import BadRecord
from app.wire.topics import REROUTED, changelog_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.entity import Core, Deadlines, Entities
    from app.domain.playbook_set import PlaybookSet
    from app.runtime.hosting.brokers import Where
    from app.runtime.hosting.record_batch import Row
    from app.runtime.processor import Host
    from app.tools.replay.meter import Meter
    from app.tools.replay.options import Run
    from app.tools.replay.sorted_run import Spooled

COMMIT_RECORDS = 50_000
COMMIT_OUTPUTS = 100_000
"""A transaction is committed when it holds so many input or output records, and nothing waits for the end of an instant.

Two batches are in memory, one being committed. Of a member's states and pages only a batch's last is encoded and written:
on the bench's events 20,000 records to a batch took a sixth more processor time.
"""

SPOOL = "spool"
"""Its folder beside the states; of no use any more when the replay is done."""

BREATHE_RECORDS = 256
"""After so many, a commit under way is given a turn."""

POSITIONS = changelog_of("members")
"""Where the position is kept, in partition 0."""


class Reached(msgspec.Struct, array_like=True, frozen=True):
    """Where the replay stands.

    Attributes:
        applied: how many records of the spool are behind it.
        place: of the last of them.
        time_ms: up to when timers have fired.
        ended: nothing is left.
        cause: place of the last that was a valid record, to which what a timer sets off is put down.
    """

    applied: int = 0
    place: bytes = b""
    time_ms: int = 0
    ended: bool = False
    cause: bytes = b""


async def replay_by_time(host: Host, run: Run, playbooks: PlaybookSet, meter: Meter) -> int:
    """Replay the records before `run.ends` in event-time order; carries on where an earlier call stopped.

    Returns the instant it ended at: of the last record, or the end of the window.

    Raises UserError `rules-failed` for a record or timer the rules cannot take, which is a bug of ours.
    """
    spool = Spool(host.folder / SPOOL)
    writer = Writer(
        host.client_options,
        f"{host.application}-event-time",
        host.full_name(POSITIONS),
        0,
        timeout_ms=TIMEOUT_MS,
    )
    states: HeldStates | None = None
    playing: _Playing | None = None
    try:
        await fill(spool, host, run.source, run.ends, run.until_ms, meter)
        await writer.open()
        committed = await last_position(host, TopicPartition(host.full_name(POSITIONS), 0))
        reached = Reached() if committed is None else msgspec.msgpack.decode(committed, type=Reached)
        states = HeldStates(host.folder, host.block_cache, committed, host.partitions[REROUTED])
        world = _HeldWorld(playbooks, states)
        world.move_time(reached.time_ms)
        playing = _Playing(host, run, world, states, writer, reached, meter)
        meter.begin("replaying", spool.state().count, reached.applied)
        if not reached.ended:
            await playing.play(spool.at(reached.cause), spool.after(reached.place))
        meter.end()
        return playing.reached.time_ms
    finally:
        if playing is not None:
            await playing.abandon()
        # Then first what waits for nothing: a cancellation may end this here too.
        if states is not None:
            states.close()
        await writer.close()


class _HeldWorld(World):
    """A world whose entities are held on disk."""

    def __init__(self, playbooks: PlaybookSet, states: HeldStates) -> None:
        self._states = states
        super().__init__(playbooks, grace_ms=0)

    def hold(self, processor: str, core: Core[Any]) -> tuple[Entities[Any], Deadlines]:
        """On disk, brought to the batch last committed."""
        return self._states.hold(processor, core)


class _Playing:
    """The records of the spool, applied one after the other, and committed many at a time."""

    def __init__(
        self,
        host: Host,
        run: Run,
        world: World,
        states: HeldStates,
        writer: Writer,
        reached: Reached,
        meter: Meter,
    ) -> None:
        self._host = host
        self._world = world
        self._states = states
        self._writer = writer
        self._meter = meter
        self._topics = {rank: topic for topic, rank in host.ranks.items()}
        self._since_ms = run.since_ms or 0
        self._until_ms = run.until_ms
        self.reached = reached
        self._outputs = WorldOutputs(host, self._since_ms)
        self._last: Spooled | None = None
        self._cause: Spooled | None = None
        self._applied = 0
        self._committing: asyncio.Task[None] | None = None

    async def play(self, cause: Spooled | None, parts: Iterator[list[Spooled]]) -> None:
        """Apply the records that are left, then fire what is due by the end of the window, if there is one."""
        self._cause = cause
        time_ms = self.reached.time_ms
        for part in parts:
            for start in range(0, len(part), BREATHE_RECORDS):
                time_ms = await self._apply(part[start : start + BREATHE_RECORDS], time_ms)
                if self._committing is not None:
                    await asyncio.sleep(0)
        if self._until_ms is not None:
            await self._fire_until(self._until_ms)
            time_ms = max(time_ms, self._until_ms)
            self._world.pass_time(self._until_ms)
        self._world.end_instant()
        self._outputs.add(self._world.take(), self._cause)
        await self._commit(time_ms, ended=True)
        await self._finish_commit()

    async def _apply(self, records: list[Spooled], time_ms: int) -> int:
        """Apply some records, from an instant on; returns the one reached.

        A bad record becomes a dead letter and moves nothing.
        """
        world, topics, decode = self._world, self._topics, self._host.codec.decode
        for spooled in records:
            instant_ms, rank, appended_ms, _, _, key, value = spooled
            try:
                event = decode(topics[rank], key, value, appended_ms)
            except BadRecord as bad:
                self._outputs.dead_letter(spooled, bad)
                self._applied += 1
                self._last = spooled
                if self._full:
                    await self._commit(time_ms)
                continue
            quiet = True
            if instant_ms > time_ms:
                quiet = world.move_quietly(instant_ms)
                if not quiet:
                    await self._fire_until(instant_ms)
            if self._full:
                await self._commit(time_ms)
            time_ms = instant_ms
            self._applied += 1
            self._last = self._cause = spooled
            self._decide(
                event, None if quiet else instant_ms, f"{topics[rank]} {spooled[3]}, offset {spooled[4]}"
            )
            if outputs := world.take():
                self._outputs.add(outputs, spooled)
        return time_ms

    def _decide(self, event: Any, time_ms: int | None, place: str) -> None:
        """Apply one record; None: time has been moved to it already."""
        try:
            if time_ms is not None:
                self._world.move_time(time_ms)
            self._world.apply(event)
        except StoreError:
            raise
        except Exception as bug:
            raise self._rules_failed(place, bug) from bug

    async def _fire_until(self, time_ms: int) -> None:
        """Fire the timers due before an instant, in as many transactions as it takes: a wave may be of millions."""
        world = self._world
        world.end_instant()
        if outputs := world.take():
            self._outputs.add(outputs, self._cause)
        try:
            while (due_ms := world.fire_next(time_ms)) is not None:
                if outputs := world.take():
                    self._outputs.add(outputs, self._cause)
                if self._full:
                    await self._commit(due_ms)
        except TimerFailed as failed:
            raise self._rules_failed(f"a timer of {failed.key}", failed.__cause__ or failed) from failed

    @staticmethod
    def _rules_failed(place: str, bug: BaseException) -> UserError:
        hint = "report this, with the record; a worker makes a dead letter of it"
        return UserError("rules-failed", place, f"the rules failed: {bug!r}", hint)

    @property
    def _full(self) -> bool:
        """Enough for a transaction, and nothing on its way that no state holds: a request waits for the end of its instant."""
        enough = self._applied >= COMMIT_RECORDS or self._outputs.made >= COMMIT_OUTPUTS
        return enough and self._world.settled

    async def _commit(self, time_ms: int, *, ended: bool = False) -> None:
        """Everything applied so far; a crash leaves all of it or nothing (see `held_states`).

        Returns while it is being committed, so that the next batch can be decided meanwhile.
        """
        before = self.reached
        reached = Reached(
            before.applied + self._applied,
            before.place if self._last is None else place_of(self._last),
            time_ms,
            ended,
            before.cause if self._cause is None else place_of(self._cause),
        )
        rows = self._outputs.rows()
        await self._finish_commit()
        position = msgspec.msgpack.encode(reached)
        self._states.seal(position)
        self._host.crash_point("decided")
        self._committing = asyncio.create_task(self._carry_out(rows, position, self._applied))
        self.reached = reached
        self._outputs = WorldOutputs(self._host, self._since_ms)
        self._applied = 0

    async def _carry_out(self, rows: dict[Where, list[Row]], position: bytes, applied: int) -> None:
        await self._writer.commit(Outgoing(rows, (), position))
        self._host.crash_point("committed")
        for _ in self._states.write(position):
            self._host.crash_point("written")
        self._meter.done(applied)

    async def abandon(self) -> None:
        """Let go of a commit under way: what became of it, the next call finds out."""
        if self._committing is not None:
            self._committing.cancel()
            await asyncio.gather(self._committing, return_exceptions=True)

    async def _finish_commit(self) -> None:
        """The batch before is committed and written: only then may its redo be replaced."""
        committing, self._committing = self._committing, None
        if committing is not None:
            await committing
