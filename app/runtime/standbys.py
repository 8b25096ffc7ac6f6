"""All standbys of one worker: one consumer reads their changelogs, and what it brings is applied, slice by slice.

The consumer is in no group, reads what is committed, and nothing here writes to Kafka. Memory is bounded by what one fetch
may bring. A standby that catches up takes at most half of the event loop's time from the partitions the worker owns.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from app.runtime import shares
from app.runtime.holdings import unit_folder
from app.runtime.standby import Phase, Standby
from app.runtime.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from app.domain.entity import Core
    from app.runtime.processor import Host, Processor
    from app.runtime.shares import Unit

log = logging.getLogger(__name__)

FETCH_BYTES = 1 << 20
"""Of one changelog partition in one fetch, at most."""

FETCH_ALL_BYTES = 8 << 20
"""Of all together from one broker, at most."""

GATHERED_BYTES = 64 << 10
GATHER_MS = 500
"""A broker answers when it has so much, or after so long: a standby need not follow record by record."""

SLICE_RECORDS = 1_000
"""Applied at once, for which every partition of the worker waits: about 5 ms."""

RETRY_AFTER_S = (1.0, 5.0, 30.0, 60.0)
"""Waits before a standby that was dropped is begun anew: the first, the second, and every later time in a row."""

RECONNECT_S = 2.0

WARM_EVERY_S = 60.0
"""A unit is asked for at most so often: each time all partitions of the group stand still for a moment."""


class Standbys:
    """What a worker stands by for. All on its event loop.

    Args:
        held: by unit, the next changelog offset of every state in the worker's folder; kept right for those here.
        on_warm: called when every unit that this worker is to own has caught up.
    """

    def __init__(
        self,
        host: Host,
        processors: Mapping[str, Processor],
        held: dict[Unit, int],
        on_warm: Callable[[], None],
    ) -> None:
        self.units: dict[Unit, Standby] = {}
        self._host = host
        self._processors = processors
        self._held = held
        self._on_warm = on_warm
        self._cores: dict[str, Core[Any]] = {}
        self._warming: frozenset[Unit] = frozenset()
        self._asked_s = -WARM_EVERY_S
        self._failures: dict[Unit, int] = {}
        self._retry_at_s: dict[Unit, float] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def keep(self, units: Collection[Unit], warming: Collection[Unit]) -> None:
        """From here on stand by for these units and no others; of `warming` say when they have caught up.

        The stores of all others are closed on return. Those of new ones are opened later: nobody else may have them open.
        """
        self._warming = frozenset(warming)
        for unit in [unit for unit in self.units if unit not in units]:
            self.units.pop(unit).close()
            self._failures.pop(unit, None)
            self._retry_at_s.pop(unit, None)
        for unit in units:
            if unit not in self.units:
                self.units[unit] = self._new(unit)
        self._changed.set()

    def start(self) -> None:
        """Follow the changelogs of what is kept, until `stop`."""
        self._task = asyncio.create_task(self._run(), name="standbys")

    async def stop(self) -> None:
        """Stand by for nothing any more; all stores are closed on return."""
        self._stopping = True
        self.keep((), ())
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        # A flag besides the cancellation: the consumer swallows one that comes while it is being stopped.
        while not self._stopping:
            await self._changed.wait()
            if not self.units:
                self._changed.clear()
                continue
            try:
                await self._follow()
            except Exception as error:  # noqa: BLE001  what a worker stands by for must not end what it owns
                level = logging.WARNING if isinstance(error, KafkaError | OSError) else logging.ERROR
                log.log(level, "standbys cannot read their changelogs, and try again: %r", error)
                self._changed.set()
                await asyncio.sleep(RECONNECT_S)

    def _new(self, unit: Unit) -> Standby:
        name, number = unit
        host, processor = self._host, self._processors[name]
        folder = unit_folder(host.folder, unit)

        def open_store() -> Store[Any]:
            if name not in self._cores:
                self._cores[name] = processor.make_core()
            return Store(folder, self._cores[name], host.block_cache, write_buffers=host.write_buffers)

        changelog = TopicPartition(host.full_name(processor.changelog), number)
        return Standby(unit, changelog, folder, open_store, self._held)

    async def _follow(self) -> None:
        """Read until there is nothing to stand by for."""
        consumer = AIOKafkaConsumer(
            **self._host.client_options,
            group_id=None,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_bytes=FETCH_ALL_BYTES,
            fetch_min_bytes=GATHERED_BYTES,
            fetch_max_wait_ms=GATHER_MS,
        )
        try:
            await consumer.start()
            # Lets the consumer's own tasks begin: stopped before they have, it raises their CancelledError.
            await asyncio.sleep(0)
            while self.units:
                if self._changed.is_set():
                    self._changed.clear()
                    await self._assign(consumer)
                await self._read(consumer)
        finally:
            await consumer.stop()

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        """Have the consumer read what is stood by for now, each from where its state is; opens those that are not open."""
        standbys = list(self.units.values())
        places = [standby.changelog for standby in standbys]
        consumer.assign(places)
        for standby in standbys:
            consumer.seek(standby.changelog, standby.position)
        consumer.pause(*places)
        begins = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        for standby in standbys:
            where = standby.changelog
            if standby.phase in (Phase.OPENING, Phase.DROPPED) and self._may_open(standby.unit):
                self._try(standby, partial(standby.open, begins[where], ends[where]))
            if standby.phase is Phase.FOLLOWING:
                consumer.seek(where, standby.position)
                consumer.resume(where)
            # RocksDB takes its time to open: others go between.
            await asyncio.sleep(0)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        """Take one slice of what has come, and apply it."""
        try:
            fetched = await consumer.getmany(timeout_ms=GATHER_MS, max_records=SLICE_RECORDS)
        except OffsetOutOfRangeError as error:
            # The broker has deleted what comes next: nothing but the beginning is left to go on from.
            for standby in list(self.units.values()):
                if standby.changelog in error.args[0]:
                    consumer.pause(standby.changelog)
                    self._drop(standby, error)
            return
        spent_s = 0.0
        for standby in list(self.units.values()):
            where = standby.changelog
            if where not in consumer.assignment():
                continue
            position = await consumer.position(where)
            if standby.phase is not Phase.FOLLOWING:
                consumer.pause(where)
                continue
            began_s = time.perf_counter()
            records = [(record.key, record.value) for record in fetched.get(where, ())]
            end = consumer.last_stable_offset(where)
            self._try(standby, partial(standby.apply, records, position, end))
            if records:
                self._failures.pop(standby.unit, None)
            spent_s += time.perf_counter() - began_s
        self._look_whether_warm()
        await asyncio.sleep(spent_s)

    def _look_whether_warm(self) -> None:
        now_s = time.monotonic()
        if not self._warming or now_s - self._asked_s < WARM_EVERY_S:
            return
        lags = [self.units[unit].lag for unit in self._warming if unit in self.units]
        if all(lag is not None and lag <= shares.SHORT_OFFSETS for lag in lags):
            self._warming, self._asked_s = frozenset(), now_s
            self._on_warm()

    def _may_open(self, unit: Unit) -> bool:
        return time.monotonic() >= self._retry_at_s.get(unit, 0.0)

    def _try(self, standby: Standby, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001  whatever it is, the standby is begun anew
            self._drop(standby, error)

    def _drop(self, standby: Standby, error: Exception) -> None:
        if standby.phase in (Phase.DROPPED, Phase.CLOSED):
            return
        log.warning("standby of %r is dropped, and begun anew: %r", standby, error)
        standby.drop()
        failures = self._failures.get(standby.unit, 0)
        self._failures[standby.unit] = failures + 1
        wait_s = RETRY_AFTER_S[min(failures, len(RETRY_AFTER_S) - 1)]
        self._retry_at_s[standby.unit] = time.monotonic() + wait_s
        asyncio.get_running_loop().call_later(wait_s, self._changed.set)
