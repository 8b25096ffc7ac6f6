"""Talking to a live worker: events sent evenly, answers read as they are committed, both on one clock."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from app.wire.codec import Codec, encode_key
from app.wire.partitioner import murmur2_partition
from bench.site import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from app.domain.events import Input
    from bench.process import Contender
    from bench.site import Site

_STOP_S = 30.0


class Line:
    """A line to a worker; times are `time.perf_counter` seconds.

    Args:
        hear: called with every output read, decoded, and when it was read.
    """

    def __init__(
        self,
        site: Site,
        running: Contender,
        producer: AIOKafkaProducer,
        consumer: AIOKafkaConsumer,
        hear: Callable[[Any, float], None],
        partitions: int = PARTITIONS,
    ) -> None:
        self._partitions = partitions
        self._prefix = site.prefix
        self._running = running
        self._producer = producer
        self._consumer = consumer
        self._hear = hear
        self._codec = Codec()
        self._heard_more = asyncio.Event()

    async def send(self, record: Input) -> float:
        """Send one record without waiting for its acknowledgement; returns when that began."""
        key, value = encode_key(getattr(record, record.key_field)), self._codec.encode(record)
        partition = murmur2_partition(key, self._partitions)
        sent_s = time.perf_counter()
        await self._producer.send(f"{self._prefix}{record.topic}", value, key=key, partition=partition)
        return sent_s

    async def send_evenly(self, make: Iterable[Callable[[], Input]], rate_per_s: float) -> list[float]:
        """Make and send records, so many a second; one that is late is sent at once. Returns when each was."""
        sent_s: list[float] = []
        started_s = time.perf_counter()
        for number, made in enumerate(make):
            ahead_s = started_s + number / rate_per_s - time.perf_counter()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            sent_s.append(await self.send(made()))
        return sent_s

    async def until(self, heard: Callable[[], bool], timeout_s: float, missing: Callable[[], str]) -> None:
        """Until what was read makes `heard` true. Raises UserError `contender-failed`, saying what is missing."""
        deadline_s = time.monotonic() + timeout_s
        while not heard():
            self._running.check()
            if time.monotonic() > deadline_s:
                raise self._running.failed(f"{missing()} in {timeout_s:.0f} s")
            self._heard_more.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._heard_more.wait(), 1)

    async def read(self) -> None:
        """Read until cancelled."""
        cut = len(self._prefix)
        while True:
            found = await self._consumer.getmany(timeout_ms=1_000)
            read_s = time.perf_counter()
            for place, records in found.items():
                topic = place.topic[cut:]
                for record in records:
                    self._hear(self._codec.decode(topic, record.key, record.value, record.timestamp), read_s)
            self._heard_more.set()


@asynccontextmanager
async def opened_line(
    site: Site,
    running: Contender,
    topics: Sequence[str],
    hear: Callable[[Any, float], None],
    partitions: int = PARTITIONS,
) -> AsyncIterator[Line]:
    """A line that reads these output topics, read_committed and from their beginning."""
    options = site.settings.client_options()
    producer = AIOKafkaProducer(**options, acks="all", linger_ms=0)
    consumer = AIOKafkaConsumer(
        **options, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await asyncio.gather(producer.start(), consumer.start())
    consumer.assign(
        [TopicPartition(f"{site.prefix}{topic}", n) for topic in topics for n in range(partitions)]
    )
    line = Line(site, running, producer, consumer, hear, partitions)
    reading = asyncio.create_task(line.read())
    try:
        yield line
        if reading.done():
            reading.result()
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        async with asyncio.timeout(_STOP_S):
            await asyncio.gather(producer.stop(), consumer.stop())


class Waits:
    """How long answers took, in milliseconds, sorted."""

    def __init__(self, waits_ms: Iterable[float]) -> None:
        self._waits_ms = sorted(waits_ms)

    def __len__(self) -> int:
        return len(self._waits_ms)

    @classmethod
    def between(cls, sent_s: Iterable[float], read_s: Iterable[float]) -> Self:
        """Of pairs of instants."""
        return cls((read - sent) * 1000 for sent, read in zip(sent_s, read_s, strict=True))

    def share(self, percent: int) -> float:
        """So many percent took no longer; 0 where there are none."""
        waits_ms = self._waits_ms
        return waits_ms[min(len(waits_ms) - 1, len(waits_ms) * percent // 100)] if waits_ms else 0.0
