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
from functools import partial
from typing import TYPE_CHECKING, Any

from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from app.runtime.assignor import make_assignor
from app.runtime.holdings import Holdings
from app.runtime.hosting.fetching import Fetching
from app.runtime.owned import Owned, truncated
from app.runtime.phase import Phase
from app.runtime.shares import Claim
from app.runtime.standbys import Standbys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from aiokafka import TopicPartition

    from app.runtime.merge import InputRecord
    from app.runtime.partition import Partition
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
        self._deliver = deliver
        self._by_topic: dict[str, tuple[str, str]] = {
            host.full_name(topic): (processor.name, topic)
            for processor in processors
            for topic in processor.inputs
        }
        self._assignor = make_assignor(
            {p.name: [host.full_name(topic) for topic in p.inputs] for p in processors}, self._claim
        )
        self._fetching = Fetching(
            host.client_options,
            host.application,
            self._assignor,
            on_held_back=partial(host.observer.held_back, "reading"),
            **consumer_options,
        )
        self._holdings = Holdings(host.folder)
        self._owned = Owned(host, self.processors, self._fetching, self._holdings, on_progress, self._fail)
        self.partitions = self._owned.partitions
        self.restoring = self._owned.restoring
        self.standbys = Standbys(host, self.processors, self._holdings.offsets, self._fetching.group.rejoin)
        self._waiting: dict[Unit, Partition] = {}
        self._nudged_s = 0.0
        self._assigned = asyncio.Event()
        self._stopping = False
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
        if not self._assigned.is_set() or self._owned.opening:
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

    @property
    def cut_off(self) -> bool:
        """The group has not answered for longer than it waits for a worker: others may own by now what this one believes to."""
        return self._fetching.group.is_cut_off(joining=not self.joined)

    @property
    def silence_s(self) -> float:
        """How long ago the group last answered this worker, be it one that owns nothing."""
        return self._fetching.group.silence_s

    @staticmethod
    def caught_up_ms(partition: Partition) -> int | None:
        """The wall time by which everything appended is applied and committed, and no timer left due.

        None while the partition is behind, or not yet known not to be.
        """
        drained_ms = partition.merge.drained_until_ms() if partition.merge is not None else None
        return drained_ms if partition.idle and drained_ms is not None and drained_ms >= 0 else None

    def lag(self, partition: Partition) -> int | None:
        """Records of a partition's inputs not decided yet, by the last fetches.

        None where an input was not fetched yet, and while the worker is cut off: nobody knows what has been appended since.
        """
        if self.cut_off:
            return None
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
            raise truncated(where, offset) from error
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
        await self._owned.hold(HOLD_TIMEOUT_S)

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
        if self._stopping:
            return
        generation = self._fetching.group.generation
        units = self._units(assigned)
        kept = self._owned.keep(units)
        for unit in self.partitions.keys() - kept:
            await self._owned.close(unit)
        self._stand_by(units)
        if not await self._owned.open(units - kept, generation):
            return
        self._assigned.set()
        log.info(
            "generation %d: owns %s",
            generation,
            ", ".join(f"{name}-{number}" for name, number in sorted(units)),
        )

    def _claim(self) -> Claim:
        """What this worker tells the group's leader when it joins."""
        self._owned.note_how_far()
        return Claim(
            owned=sorted(self.partitions),
            standing=sorted(self.standbys.units),
            held=[(*unit, offset) for unit, offset in sorted(self._holdings.offsets.items())],
            standbys=self.host.standbys,
        )

    def _stand_by(self, owned: set[Unit]) -> None:
        """Stand by for what was given besides; and let go of what is owned from here on, which is opened next."""
        given = self._assignor.given
        standbys = set(given.standbys) - owned
        self._holdings.clear_doubted(standbys)
        self.standbys.keep(standbys, given.warming)

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

    async def _report_lag_regularly(self) -> None:
        while True:
            await asyncio.sleep(LAG_EVERY_S)
            await self._report_lag()

    async def _report_lag(self) -> None:
        """Write the positions as the group's offsets, for tools that show lag. A failure is of no consequence."""
        offsets = {
            where: partition.position.offsets[name]
            for partition in self.partitions.values()
            if partition.phase in (Phase.READY, Phase.HELD)
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
        self._stopping = True
        await self._owned.hold(HOLD_TIMEOUT_S)
        await self._report_lag()
        await self._owned.close_all()
        # A broker that does not answer must not keep the worker; it will miss the heartbeats instead.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._fetching.stop()
        # A share given while all was being closed may have been opened since.
        await self._owned.close_all()
