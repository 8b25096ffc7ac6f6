"""From the consumer group to the partitions: who owns what, what has come, and handing it out in merged order.

Rebalances follow three rules. Revoked, a partition finishes the commit under way before the group goes on. Assigned,
it only fences the former owner: no heartbeat is sent meanwhile, so the restore runs afterwards, with the partition's
inputs withheld. And it reads on from its own position, never from the group's offsets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from app.domain.entity import StoreError
from app.domain.errors import UserError
from app.runtime.assignor import make_assignor
from app.runtime.holdings import Holdings
from app.runtime.hosting.fetching import Fetching
from app.runtime.partition import Partition, Phase
from app.runtime.refusals import REFUSALS
from app.runtime.shares import Claim
from app.runtime.standbys import Standbys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

    from aiokafka import TopicPartition

    from app.runtime.merge import InputRecord
    from app.runtime.processor import Host, Processor
    from app.runtime.shares import Unit

log = logging.getLogger(__name__)

HOLD_TIMEOUT_S = 5.0
"""How long a revocation waits for a commit under way before it abandons the partition."""

LEAVE_TIMEOUT_S = 5.0
"""How long leaving the group may take."""

NUDGE_EVERY_S = 0.05
"""How often partitions with nothing to apply look for timers that are due by the wall clock, which come 2 s late anyway."""

LAG_EVERY_S = 2.0
"""How often the group's offsets are written; they serve the monitoring of lag only."""

_NOT_OF_THE_STATE = (KafkaError, TimeoutError, UserError)

REOPEN_AFTER_S = (0.2, 1.0, 5.0)
"""Waits before a broken partition is opened again: the first, the second, and every later time in a row."""


class Intake(ConsumerRebalanceListener):
    """Runs the consumer of one worker and its partitions, until `stop`.

    Args:
        deliver: hands a batch to the partition's processor (the agent), which calls `Partition.accept`.
        on_progress: called as (partition, done, total) while a state is restored.
    """

    def __init__(
        self,
        host: Host,
        processors: Sequence[Processor],
        deliver: Callable[[Partition, int, list[InputRecord]], Awaitable[None]],
        on_progress: Callable[[Partition, int, int], None],
        **consumer_options: Any,
    ) -> None:
        self.host = host
        self.processors = {processor.name: processor for processor in processors}
        self.partitions: dict[Unit, Partition] = {}
        self._deliver = deliver
        self._on_progress = on_progress
        self._by_topic: dict[str, tuple[str, str]] = {
            host.full_name(topic): (processor.name, topic)
            for processor in processors
            for topic in processor.inputs
        }
        self._assignor = make_assignor(
            {p.name: [host.full_name(topic) for topic in p.inputs] for p in processors}, self._claim
        )
        self._fetching = Fetching(host.client_options, host.application, self._assignor, **consumer_options)
        self._holdings = Holdings(host.folder)
        self.standbys = Standbys(host, self.processors, self._holdings.offsets, self._fetching.group.rejoin)
        self.restoring: dict[Unit, tuple[int, int]] = {}
        """(done, total) changelog offsets of every unit whose state is being restored."""
        self._waiting: dict[Unit, Partition] = {}
        self._nudged_s = 0.0
        self._opening: dict[Unit, asyncio.Task[None]] = {}
        self._failures: dict[Unit, int] = {}
        self._starts: dict[TopicPartition, int] = {}
        self._assigned = asyncio.Event()
        self.failed: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Join the group and work until cancelled. Raises when the worker cannot go on at all."""
        self.failed = asyncio.get_running_loop().create_future()
        await self._holdings.find(self.processors)
        await self._fetching.start(self._by_topic, self)
        lag = asyncio.create_task(self._report_lag_regularly())
        self.standbys.start()
        try:
            while True:
                await self._fetching.wait(0.05)
                if self.failed.done():
                    self.failed.result()
                self._feed()
                await self._hand_out()
                self._nudge()
        finally:
            lag.cancel()
            await self.standbys.stop()
            await self._stop()

    @property
    def drained(self) -> bool:
        """Everything assigned is ready and idle, and was seen drained after the last commit of any partition.

        With no transaction open: a commit is answered a moment before what it wrote to internal topics can be read.
        """
        if not self._assigned.is_set() or self._opening:
            return False
        partitions = list(self.partitions.values())
        last_ms = max((partition.last_commit_ms for partition in partitions), default=0)
        return all(
            partition.idle
            and partition.merge is not None
            and (partition.merge.drained_until_ms() or 0) > last_ms
            and all(self._fetching.has_all(where) for where in partition.inputs.values())
            for partition in partitions
        )

    @property
    def joined(self) -> bool:
        """The group has given this worker its partitions, be it none."""
        return self._assigned.is_set()

    @staticmethod
    def caught_up_ms(partition: Partition) -> int | None:
        """The wall time by which everything appended is applied and committed, and no timer left due.

        None while the partition is behind, or not yet known not to be.
        """
        drained_ms = partition.merge.drained_until_ms() if partition.merge is not None else None
        return drained_ms if partition.idle and drained_ms is not None and drained_ms >= 0 else None

    def lag(self, partition: Partition) -> int | None:
        """Records of a partition's inputs not decided yet, by the last fetches; None where one was not fetched yet."""
        if self.caught_up_ms(partition) is not None:
            return 0
        lag, offsets = 0, partition.position.offsets
        for name, where in partition.inputs.items():
            end = self._fetching.end_of(where)
            if end is None:
                return None
            lag += max(0, end - offsets.get(name, 0))
        return lag

    def _feed(self) -> None:
        """Put what has come into the merges, and stop or resume the fetching of what is full."""
        try:
            taken = self._fetching.take()
        except OffsetOutOfRangeError as error:
            ((where, offset), *_) = error.args[0].items()
            raise _truncated(where, offset) from error
        for where, fetched in taken.items():
            name, topic = self._by_topic[where.topic]
            partition = self.partitions.get((name, where.partition))
            if partition is None or partition.merge is None:
                continue
            merge = partition.merge
            if fetched.rows:
                merge.feed(topic, fetched.rows, fetched.size_bytes, self._fetching.sent)
                self._waiting[name, where.partition] = partition
            if merge.full(topic):
                self._fetching.pause(where)
                merge.drained(topic, None)
            else:
                merge.drained(topic, fetched.drained)

    async def _hand_out(self) -> None:
        """Give every partition that has something to apply, and room for it, its next batch."""
        urgent = False
        for unit, partition in list(self._waiting.items()):
            merge = partition.merge
            if merge is None or not merge.waiting:
                del self._waiting[unit]
            elif partition.has_room and (batch := merge.take()):
                await self._deliver(partition, partition.lease(), batch)
                self._resume_emptied(partition)
            else:
                urgent = urgent or not merge.ready
        self._fetching.hurry(urgent=urgent)

    def _nudge(self) -> None:
        """Have the partitions with nothing to apply look for their timers, now and then."""
        now_s = time.monotonic()
        if now_s < self._nudged_s + NUDGE_EVERY_S:
            return
        self._nudged_s = now_s
        for unit, partition in self.partitions.items():
            if unit not in self._waiting and partition.has_room:
                partition.nudge()

    def _resume_emptied(self, partition: Partition) -> None:
        paused = self._fetching.paused
        if paused and partition.merge is not None:
            for name, where in partition.inputs.items():
                if where in paused and not partition.merge.full(name):
                    self._fetching.resume(where)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called by aiokafka before the group reassigns: everything decided is committed first."""
        log.info("revoked: %d topic partitions", len(list(revoked)))
        self._assigned.clear()
        for partition in self.partitions.values():
            self._fetching.leave(*partition.inputs.values())
        for task in self._opening.values():
            task.cancel()
        await asyncio.gather(*(partition.hold(HOLD_TIMEOUT_S) for partition in self.partitions.values()))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called by aiokafka with the whole new assignment; what fails here ends the worker."""
        try:
            await self._take_over(list(assigned))
        except Exception as error:  # noqa: BLE001  aiokafka would log it and go on
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """End the worker with this error; of several the first is told."""
        if self.failed is not None and not self.failed.done():
            self.failed.set_exception(error)
        self._fetching.wake()

    async def _take_over(self, assigned: list[TopicPartition]) -> None:
        generation = self._fetching.group.generation
        units = self._units(assigned)
        kept = {unit for unit, held in self.partitions.items() if unit in units and held.phase is Phase.HELD}
        new = [unit for unit in units if unit not in kept]
        for unit in kept:
            self._read_on(self.partitions[unit])
        for unit in self.partitions.keys() - kept:
            await self._close(unit)
        self._stand_by(units)
        opened = {unit: self._new(unit) for unit in new}
        self._share_memory([*self.partitions.values(), *opened.values()])
        results = await asyncio.gather(
            *(partition.fence() for partition in opened.values()), return_exceptions=True
        )
        if self._fetching.group.generation != generation:
            for partition in opened.values():
                await partition.close()
            return
        for (unit, partition), result in zip(opened.items(), results, strict=True):
            self.partitions[unit] = partition
            if isinstance(result, KafkaError):
                self._reopen(partition, result)
            elif result is not None:
                raise result
            else:
                self._opening[unit] = asyncio.create_task(
                    self._bring_up(unit, partition), name=f"open {partition!r}"
                )
        self._assigned.set()
        log.info(
            "generation %d: owns %s",
            generation,
            ", ".join(f"{name}-{number}" for name, number in sorted(units)),
        )

    def _claim(self) -> Claim:
        """What this worker tells the group's leader when it joins."""
        for unit in self.partitions:
            self._look_how_far(unit)
        return Claim(
            owned=sorted(self.partitions),
            standing=sorted(self.standbys.units),
            held=[(*unit, offset) for unit, offset in sorted(self._holdings.offsets.items())],
            standbys=self.host.standbys,
        )

    def _look_how_far(self, unit: Unit) -> None:
        """Note how much of its changelog an owned unit's state holds, if it is open and sound."""
        partition = self.partitions[unit]
        if partition.phase in (Phase.READY, Phase.HELD):
            self._holdings.note(unit, partition.changelog_offset)

    def _stand_by(self, owned: set[Unit]) -> None:
        """Stand by for what was given besides; and let go of what is owned from here on, which is opened next."""
        given = self._assignor.given
        standbys = set(given.standbys) - owned
        self._holdings.clear_doubted(standbys)
        self.standbys.keep(standbys, given.warming)

    def _share_memory(self, partitions: Collection[Partition]) -> None:
        """Each processor's partitions get equal parts of what may be kept in memory."""
        counts = Counter(partition.processor.name for partition in partitions)
        for partition in partitions:
            partition.remember(max(1, self.host.cached_states // counts[partition.processor.name]))

    def _units(self, assigned: list[TopicPartition]) -> set[Unit]:
        """The units of an assignment; one that lacks an input of a partition is refused."""
        topics: dict[Unit, set[str]] = {}
        for where in assigned:
            name, topic = self._by_topic[where.topic]
            topics.setdefault((name, where.partition), set()).add(topic)
        for (name, number), given in topics.items():
            missing = set(self.processors[name].inputs) - given
            if missing:
                raise RuntimeError(f"{name}-{number} was assigned without {', '.join(sorted(missing))}")
        return set(topics)

    def _new(self, unit: Unit) -> Partition:
        name, number = unit
        return Partition(self.host, self.processors[name], number, self._reopen, self._fetching.wake)

    def _read_on(self, partition: Partition) -> None:
        """Read every input on from the partition's position; one never read is read from its start."""
        partition.resume()
        for name, where in partition.inputs.items():
            self._fetching.read(where, partition.position.offsets.get(name, self._starts[where]))

    async def _bring_up(self, unit: Unit, partition: Partition) -> None:
        """Restore a fenced partition and begin to read."""
        try:
            started = time.monotonic()
            rebuild = self._holdings.doubted(unit)
            count = await partition.bring_up(
                lambda done, total: self._restored(partition, done, total), rebuild=rebuild
            )
            log.info(
                "%r is ready: %d changelog records in %.2f s", partition, count, time.monotonic() - started
            )
            await self._look_for_gaps(partition)
            self._opening.pop(unit, None)
            self._read_on(partition)
            self._failures.pop(unit, None)
            self._holdings.trust(unit)
        except asyncio.CancelledError:
            self._opening.pop(unit, None)
            raise
        except UserError as error:
            self._opening.pop(unit, None)
            self._fail(error)
        except Exception as error:  # noqa: BLE001  tried again, with a growing wait
            self._opening.pop(unit, None)
            log.warning("%r cannot be opened: %r", partition, error)
            self._reopen(partition, error)
        finally:
            self.restoring.pop(unit, None)

    def _restored(self, partition: Partition, done: int, total: int) -> None:
        self.restoring[partition.processor.name, partition.number] = done, total
        self._on_progress(partition, done, total)

    async def _look_for_gaps(self, partition: Partition) -> None:
        """Refuse an input that has lost records we have not applied. Raises UserError: no retry would find them."""
        starts = await self._fetching.group.starts_of(partition.inputs.values())
        self._starts.update(starts)
        for name, where in partition.inputs.items():
            offset = partition.position.offsets.get(name)
            if offset is not None and offset < starts[where]:
                raise _truncated(where, offset, starts[where])

    def _reopen(self, partition: Partition, error: BaseException) -> None:
        """Open a broken partition again, if it is still ours when the wait is over.

        Where neither Kafka nor the registry failed, nor the disk for want of room, the state on disk is under suspicion and
        is rebuilt from the changelog.
        """
        unit = (partition.processor.name, partition.number)
        if isinstance(error, REFUSALS):
            self._fail(error)
            return
        if error.damaged if isinstance(error, StoreError) else not isinstance(error, _NOT_OF_THE_STATE):
            self._holdings.doubt(unit)
        if self.partitions.get(unit) is not partition or unit in self._opening:
            return
        self._opening[unit] = asyncio.create_task(
            self._open_again(unit, partition), name=f"reopen {partition!r}"
        )

    async def _open_again(self, unit: Unit, broken: Partition) -> None:
        failures = self._failures.get(unit, 0)
        self._failures[unit] = failures + 1
        self._fetching.leave(*broken.inputs.values())
        await broken.close()
        await asyncio.sleep(REOPEN_AFTER_S[min(failures, len(REOPEN_AFTER_S) - 1)])
        if self._fetching.group.generation < 0:
            # Out of the group, most likely a worker that was frozen: opening it would fence its rightful owner. When the
            # group takes us back, the assignment opens what is ours then.
            self._opening.pop(unit, None)
            return
        partition = self._new(unit)
        self.partitions[unit] = partition
        self._share_memory(self.partitions.values())
        try:
            await partition.fence()
        except KafkaError as error:
            self._opening.pop(unit, None)
            log.warning("%r cannot be fenced: %r", partition, error)
            self._reopen(partition, error)
            return
        await self._bring_up(unit, partition)

    async def _close(self, unit: Unit) -> None:
        task = self._opening.pop(unit, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self._look_how_far(unit)
        partition = self.partitions.pop(unit)
        self._fetching.leave(*partition.inputs.values())
        await partition.close()

    async def _report_lag_regularly(self) -> None:
        while True:
            await asyncio.sleep(LAG_EVERY_S)
            await self._report_lag()

    async def _report_lag(self) -> None:
        """Write the positions as the group's offsets, for tools that show lag. A failure is of no consequence."""
        offsets = {
            where: partition.position.offsets[name]
            for partition in self.partitions.values()
            if partition.phase is Phase.READY
            for name, where in partition.inputs.items()
            if name in partition.position.offsets
        }
        try:
            if offsets:
                async with asyncio.timeout(5):
                    await self._fetching.group.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            log.debug("lag not reported: %r", error)

    async def _stop(self) -> None:
        """Finish what is decided, leave the group, close everything."""
        # Or a worker that fails would, with nothing left open, look drained.
        self._assigned.clear()
        await asyncio.gather(*(partition.hold(HOLD_TIMEOUT_S) for partition in self.partitions.values()))
        await self._report_lag()
        await asyncio.gather(*(self._close(unit) for unit in list(self.partitions)))
        # A broker that does not answer must not keep the worker; it will miss the heartbeats instead.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._fetching.stop()


def _truncated(where: TopicPartition, offset: int, start: int | None = None) -> UserError:
    """An input no longer holds the next record we would apply."""
    first = "" if start is None else f", the first it still holds is {start}"
    return UserError(
        "input-truncated",
        f"{where.topic}-{where.partition} offset {offset}",
        f"the broker has deleted records that were not applied yet{first}",
        "inputs are kept for ever (retention.ms=-1; `reengage topics diff` shows where they are not). What is lost cannot"
        " be applied: start anew under another REENGAGE_TOPIC_PREFIX, with the events produced again",
    )
