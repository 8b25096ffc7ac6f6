"""The partitions a worker owns: opened when they are assigned, opened again when they break, closed when they go.

Opening has two halves. Fencing the former owner takes a moment and happens while the group waits; the restore runs
afterwards, in a task of its own, and only then are the partition's inputs read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from app.domain.entity import StoreError
from app.domain.errors import UserError
from app.runtime.partition import Partition
from app.runtime.phase import Phase
from app.runtime.refusals import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from aiokafka import TopicPartition

    from app.runtime.holdings import Holdings
    from app.runtime.hosting.fetching import Fetching
    from app.runtime.processor import Host, Processor
    from app.runtime.shares import Unit

log = logging.getLogger(__name__)

REOPEN_AFTER_S = (0.2, 1.0, 5.0)
"""Waits before a broken partition is opened again: the first, the second, and every later time in a row."""

FENCE_TIMEOUT_S = 3.0
"""How long fencing may take while the group waits, which hears nothing of us meanwhile; after that it goes on by itself."""

_NOT_OF_THE_STATE = (KafkaError, TimeoutError, UserError)


class Owned:
    """The partitions of one worker, by unit. Runs on the worker's event loop; only `Intake` changes what is owned.

    Args:
        fetching: has the inputs of a partition read from when it is ready until it closes.
        holdings: what is said there of a state on disk, and what is found out about it.
        on_progress: called as (partition, done, total) while a state is restored.
        fail: called with what the worker cannot go on after.
    """

    def __init__(
        self,
        host: Host,
        processors: Mapping[str, Processor],
        fetching: Fetching,
        holdings: Holdings,
        on_progress: Callable[[Partition, int, int], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self.partitions: dict[Unit, Partition] = {}
        self.restoring: dict[Unit, tuple[int, int]] = {}
        """(done, total) changelog offsets of every unit whose state is being restored."""
        self._host = host
        self._processors = processors
        self._fetching = fetching
        self._holdings = holdings
        self._on_progress = on_progress
        self._fail = fail
        self._held = False
        self._opening: dict[Unit, asyncio.Task[None]] = {}
        self._failures: dict[Unit, int] = {}
        self._starts: dict[TopicPartition, int] = {}

    @property
    def opening(self) -> bool:
        """A partition is on its way to being ready, for the first time or again."""
        return bool(self._opening)

    async def hold(self, timeout_s: float) -> None:
        """Commit what is decided, read nothing more and open nothing more: the group shares out anew, or the worker stops."""
        self._held = True
        for partition in self.partitions.values():
            self._fetching.leave(*partition.inputs.values())
        for task in self._opening.values():
            task.cancel()
        await asyncio.gather(*(partition.hold(timeout_s) for partition in self.partitions.values()))

    def keep(self, units: set[Unit]) -> set[Unit]:
        """Read on with those of these units that are held; returns which."""
        self._held = False
        kept = {unit for unit, held in self.partitions.items() if unit in units and held.phase is Phase.HELD}
        for unit in kept:
            self._read_on(self.partitions[unit])
        return kept

    async def open(self, units: Collection[Unit], generation: int) -> bool:
        """Fence the former owners of units that `generation` gave us, then begin to open them; False: the group has moved on."""
        opened = {unit: self._new(unit) for unit in units}
        self._share_memory([*self.partitions.values(), *opened.values()])
        results = await asyncio.gather(
            *(_fence_in_time(partition) for partition in opened.values()), return_exceptions=True
        )
        if self._fetching.group.generation != generation:
            for partition in opened.values():
                await partition.close()
            return False
        for (unit, partition), result in zip(opened.items(), results, strict=True):
            self.partitions[unit] = partition
            if isinstance(result, (KafkaError, TimeoutError)):
                self._reopen(partition, result)
            elif result is not None:
                raise result
            else:
                self._opening[unit] = asyncio.create_task(
                    self._bring_up(unit, partition), name=f"open {partition!r}"
                )
        return True

    async def close(self, unit: Unit) -> None:
        """Give a unit up, whatever its partition is at."""
        task = self._opening.pop(unit, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        # Whoever stops and whoever is given a new share may both close it.
        if unit not in self.partitions:
            return
        self._note_how_far(unit)
        partition = self.partitions.pop(unit)
        self._fetching.leave(*partition.inputs.values())
        await partition.close()

    async def close_all(self) -> None:
        """Give everything up."""
        await asyncio.gather(*(self.close(unit) for unit in list(self.partitions)))

    def note_how_far(self) -> None:
        """Tell `holdings` how much of its changelog each owned state holds, if it is open and sound."""
        for unit in self.partitions:
            self._note_how_far(unit)

    def _note_how_far(self, unit: Unit) -> None:
        partition = self.partitions[unit]
        if partition.phase in (Phase.READY, Phase.HELD):
            self._holdings.note(unit, partition.changelog_offset)

    def _share_memory(self, partitions: Collection[Partition]) -> None:
        """Each processor's partitions get equal parts of what may be kept in memory."""
        counts = Counter(partition.processor.name for partition in partitions)
        for partition in partitions:
            partition.remember(max(1, self._host.cached_states // counts[partition.processor.name]))

    def _new(self, unit: Unit) -> Partition:
        name, number = unit
        return Partition(self._host, self._processors[name], number, self._reopen, self._fetching.wake)

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
                raise truncated(where, offset, starts[where])

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
        if self._held or self.partitions.get(unit) is not partition or unit in self._opening:
            # Held, it is left as it is: whoever is given it next opens it.
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
        except (KafkaError, TimeoutError, OSError) as error:
            self._opening.pop(unit, None)
            log.warning("%r cannot be fenced: %r", partition, error)
            self._reopen(partition, error)
            return
        await self._bring_up(unit, partition)


async def _fence_in_time(partition: Partition) -> None:
    async with asyncio.timeout(FENCE_TIMEOUT_S):
        await partition.fence()


def truncated(where: TopicPartition, offset: int, start: int | None = None) -> UserError:
    """An input no longer holds the next record we would apply."""
    first = "" if start is None else f", the first it still holds is {start}"
    return UserError(
        "input-truncated",
        f"{where.topic}-{where.partition} offset {offset}",
        f"the broker has deleted records that were not applied yet{first}",
        "inputs are kept for ever (retention.ms=-1; `reengage topics diff` shows where they are not). What is lost cannot"
        " be applied: start anew under another REENGAGE_TOPIC_PREFIX, with the events produced again",
    )
