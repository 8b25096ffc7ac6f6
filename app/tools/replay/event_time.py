"""A replay in event-time order: all processors in one order of time, what crosses between them made anew.

What `simulate` does with lines that name no partition, with states on disk and outputs in Kafka.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiokafka import TopicPartition

from app.domain.errors import UserError
from app.domain.sink import PageGone, Refused
from app.runtime.outgoing import Outputs, TooLarge
from app.runtime.writer import Outgoing, Writer
from app.tools.replay.held_states import HeldStates
from app.tools.replay.spool import Spool
from app.tools.replay.spooling import fill
from app.tools.replay.target import last_position
from app.tools.world import World
from app.wire.bad_record import BadRecord
from app.wire.partitioner import murmur2_partition
from app.wire.topics import REROUTED, changelog_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.entity import Core, Deadlines, Entities
    from app.domain.playbook_set import PlaybookSet
    from app.runtime.merge import InputRecord
    from app.runtime.processor import Host
    from app.runtime.writer import Row, Where
    from app.tools.replay.meter import Meter
    from app.tools.replay.options import Run
    from app.tools.replay.spool import Spooled

COMMIT_RECORDS = 20_000
COMMIT_OUTPUTS = 40_000
"""A transaction is committed when it holds so many input or output records, and an instant ends."""

SPOOL = "spool"
"""Its folder beside the states; of no use any more when the replay is done."""

BREATHE_RECORDS = 256
"""After so many, a commit under way is given a turn."""

POSITIONS = changelog_of("members")
"""Where the position is kept, in partition 0."""


class Reached(msgspec.Struct, array_like=True, frozen=True):
    """Where the replay stands: what it has applied, of the spool; and up to when timers have fired."""

    applied: int = 0
    key: bytes = b""
    time_ms: int = 0
    ended: bool = False


async def replay_by_time(host: Host, run: Run, playbooks: PlaybookSet, meter: Meter) -> int:
    """Replay the records before `run.ends` in event-time order; carries on where an earlier call stopped.

    Returns the instant it ended at: of the last record, or the end of the window.

    Raises UserError `rules-failed` for a record the rules cannot take, which is a bug of ours.
    """
    spool = Spool(host.folder / SPOOL, {rank: topic for topic, rank in host.ranks.items()})
    writer = Writer(host.client_options, f"{host.application}-event-time", host.full_name(POSITIONS), 0)
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
        playing = _Playing(host, run, world, states, writer, reached)
        meter.begin("replaying", spool.state().count, reached.applied)
        if not reached.ended:
            await playing.play(spool.at(reached.key), spool.after(reached.key), meter)
        meter.end()
        return playing.reached.time_ms
    finally:
        if playing is not None:
            await playing.abandon()
        # Then first what waits for nothing: a cancellation may end this here too.
        spool.close()
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
        self, host: Host, run: Run, world: World, states: HeldStates, writer: Writer, reached: Reached
    ) -> None:
        self._host = host
        self._run = run
        self._world = world
        self._states = states
        self._writer = writer
        self.reached = reached
        self._since_ms = run.since_ms or 0
        self._outputs: dict[int, Outputs] = {}
        self._applied = self._made = 0
        self._committing: asyncio.Task[None] | None = None
        self._members = host.partitions[REROUTED]

    async def play(self, last: Spooled | None, records: Iterator[Spooled], meter: Meter) -> None:
        """Apply all records behind the `last` one, then fire what is due by the end of the window, if there is one."""
        time_ms = self.reached.time_ms
        for spooled in records:
            if spooled.occurred_ms > time_ms:
                await self._fire_until(spooled.occurred_ms, last, meter)
                if self._full:
                    await self._commit(last, time_ms, meter)
                time_ms = spooled.occurred_ms
            self._apply(spooled)
            last = spooled
            if self._committing is not None and self._applied % BREATHE_RECORDS == 0:
                await asyncio.sleep(0)
        if self._run.until_ms is not None:
            await self._fire_until(self._run.until_ms, last, meter)
            time_ms = max(time_ms, self._run.until_ms)
            self._world.pass_time(self._run.until_ms)
        self._world.end_instant()
        self._take(last)
        await self._commit(last, time_ms, meter, ended=True)
        await self._finish_commit()

    @property
    def _full(self) -> bool:
        return self._applied >= COMMIT_RECORDS or self._made >= COMMIT_OUTPUTS

    async def _fire_until(self, time_ms: int, last: Spooled | None, meter: Meter) -> None:
        """Fire the timers due before an instant, in as many transactions as it takes: a wave may be of millions."""
        world = self._world
        world.end_instant()
        self._take(last)
        while (due_ms := world.fire_next(time_ms)) is not None:
            self._take(last)
            if self._full and world.settled:
                await self._commit(last, due_ms, meter)

    def _apply(self, spooled: Spooled) -> None:
        """One record at its instant; a bad one becomes a dead letter and moves nothing."""
        record = spooled.record
        self._applied += 1
        try:
            event = self._host.codec.decode(record.topic, record.key, record.value, record.appended_ms)
        except BadRecord as bad:
            instant_ms = record.appended_ms if bad.occurred_at is None else bad.occurred_at
            if instant_ms >= self._since_ms:
                self._outputs_of(spooled.partition).dead_letter(
                    record, bad.error, bad.message, bad.occurred_at
                )
            return
        try:
            self._world.move_time(event.occurred_at)
            self._world.apply(event)
        except Exception as bug:
            place = f"{record.topic} {spooled.partition}, offset {record.offset}"
            hint = "report this, with the record; a worker makes a dead letter of it"
            raise UserError("rules-failed", place, f"the rules failed: {bug!r}", hint) from bug
        self._take(spooled)

    def _take(self, spooled: Spooled | None) -> None:
        """Encode what came out; what the rules refuse is a dead letter of the record that set it off."""
        for output in self._world.take():
            kind = type(output)
            if kind is Refused:
                if spooled is not None and spooled.occurred_ms >= self._since_ms:
                    outputs = self._outputs_of(spooled.partition)
                    outputs.refused(spooled.record, output, spooled.occurred_ms)
            elif kind is PageGone:
                self._outputs_for(output.member_id).page_gone(output.member_id)
            elif output.occurred_at >= self._since_ms:
                self._add(output, None if spooled is None else spooled.record)
                self._made += 1

    def _add(self, output: Any, record: InputRecord | None) -> None:
        try:
            self._outputs_for(output.member_id).add(output)
        except TooLarge as large:
            place = output.member_id if record is None else f"{record.topic}, offset {record.offset}"
            hint = "a worker makes a dead letter of it; replay the journal instead, or leave the record out with --until"
            raise UserError("output-too-large", place, str(large), hint) from large

    def _outputs_for(self, member_id: str) -> Outputs:
        return self._outputs_of(murmur2_partition(member_id.encode(), self._members))

    def _outputs_of(self, number: int) -> Outputs:
        outputs = self._outputs.get(number)
        if outputs is None:
            outputs = Outputs(self._host, number, lambda output: str(output.member_id), REROUTED)
            self._outputs[number] = outputs
        return outputs

    async def _commit(self, last: Spooled | None, time_ms: int, meter: Meter, *, ended: bool = False) -> None:
        """Everything up to an instant that is over; a crash leaves all of it or nothing (see `held_states`).

        Returns while it is being committed, so that the next batch can be decided meanwhile.
        """
        reached = Reached(
            self.reached.applied + self._applied,
            self.reached.key if last is None else last.key,
            time_ms,
            ended,
        )
        rows: dict[Where, list[Row]] = {}
        for outputs in self._outputs.values():
            outputs.finish()
            for where, of_partition in outputs.rows.items():
                rows.setdefault(where, []).extend(of_partition)
        await self._finish_commit()
        position = msgspec.msgpack.encode(reached)
        self._states.seal(position)
        self._host.crash_point("decided")
        self._committing = asyncio.create_task(self._carry_out(rows, position, self._applied, meter))
        self.reached = reached
        self._outputs = {}
        self._applied = self._made = 0

    async def _carry_out(
        self, rows: dict[Where, list[Row]], position: bytes, applied: int, meter: Meter
    ) -> None:
        await self._writer.commit(Outgoing(rows, (), position))
        self._host.crash_point("committed")
        for _ in self._states.write(position):
            self._host.crash_point("written")
        meter.done(applied)

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
