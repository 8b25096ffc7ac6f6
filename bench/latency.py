"""Latency: 1,000 events a second to a live worker, each answered by an output, from its sending to its being read.

One process sends and reads, so one clock measures. Every event is the first activity of a member of its own, so that
each opens a workflow, adds and removes a tag and writes a page; what is waited for is the workflow-opened it caused.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from app.domain.events import Activity
from app.domain.outputs import WorkflowOpened
from app.wire.codec import Codec, encode_key
from app.wire.partitioner import murmur2_partition
from bench.reengage import NAME, worker
from bench.site import PARTITIONS

if TYPE_CHECKING:
    from bench.process import Contender
    from bench.site import Site

OUTPUT = WorkflowOpened.topic
RATE_PER_S = 1_000
WARM_UP_S = 5
MEASURED_S = 20
READY_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Latency:
    """What one latency run came to; milliseconds from before `send` until a read_committed reader had the output.

    Attributes:
        system, guarantee: who answered.
        events: measured ones, warm-up aside.
        rate_per_s: at which they were really sent.
        p50_ms, p99_ms, max_ms: of the measured events.
        cores: processor seconds of the worker for each second meanwhile.
        peak_rss_mb: the most memory the worker held, in MiB.
        repeated: outputs that came more than once, in the whole run.
    """

    system: str
    guarantee: str
    events: int
    rate_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cores: float
    peak_rss_mb: float
    repeated: int

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def measure_latency(site: Site, seconds: int = MEASURED_S, rate_per_s: int = RATE_PER_S) -> Latency:
    """Start a worker, warm it up for 5 s at the full rate, then measure. Blocks: `seconds` and about 15 s more.

    Raises UserError `contender-failed` when the worker ends or an answer is missing.
    """
    with worker(site) as running:
        probe = asyncio.run(_run(site, running, seconds, rate_per_s))
        running.stop()
    first, last = probe.measured
    waits_ms = sorted((probe.read_s[n] - probe.sent_s[n]) * 1000 for n in range(first, last))
    sending_s = probe.sent_s[last - 1] - probe.sent_s[first]
    return Latency(
        system=NAME,
        guarantee=site.guarantee,
        events=len(waits_ms),
        rate_per_s=(len(waits_ms) - 1) / sending_s,
        p50_ms=waits_ms[len(waits_ms) // 2],
        p99_ms=waits_ms[len(waits_ms) * 99 // 100],
        max_ms=waits_ms[-1],
        cores=running.cpu_s(*probe.between_ms) / ((probe.between_ms[1] - probe.between_ms[0]) / 1000),
        peak_rss_mb=running.peak_rss_bytes / 2**20,
        repeated=probe.repeated,
    )


async def _run(site: Site, running: Contender, seconds: int, rate_per_s: int) -> _Probe:
    options = site.settings.client_options()
    producer = AIOKafkaProducer(**options, acks="all", linger_ms=0)
    consumer = AIOKafkaConsumer(
        **options, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await asyncio.gather(producer.start(), consumer.start())
    consumer.assign([TopicPartition(f"{site.prefix}{OUTPUT}", n) for n in range(PARTITIONS)])
    probe = _Probe(site, running, producer, consumer)
    reading = asyncio.create_task(probe.read())
    try:
        await probe.send(1, rate_per_s)
        await probe.answered(READY_TIMEOUT_S)
        await probe.send(WARM_UP_S * rate_per_s, rate_per_s)
        first, started_ms = len(probe.sent_s), time.time() * 1000
        await probe.send(seconds * rate_per_s, rate_per_s)
        probe.measured = (first, len(probe.sent_s))
        probe.between_ms = (started_ms, time.time() * 1000)
        await probe.answered(ANSWER_TIMEOUT_S)
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await asyncio.gather(producer.stop(), consumer.stop())
    return probe


class _Probe:
    """Sends numbered events and notes when the output of each is read.

    `sent_s` and `read_s` are by number, on one monotonic clock; `measured` is the range of numbers that counts and
    `between_ms` the instants (epoch) around its sending.
    """

    def __init__(
        self, site: Site, running: Contender, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer
    ) -> None:
        self.sent_s: list[float] = []
        self.read_s: dict[int, float] = {}
        self.repeated = 0
        self.measured = (0, 0)
        self.between_ms = (0.0, 0.0)
        self._topic = f"{site.prefix}activity"
        self._running = running
        self._producer = producer
        self._consumer = consumer
        self._codec = Codec()
        self._read_more = asyncio.Event()

    async def send(self, count: int, rate_per_s: int) -> None:
        """Send the next `count` events, evenly spread; one that is late is sent at once."""
        started_s = time.perf_counter()
        for number in range(count):
            ahead_s = started_s + number / rate_per_s - time.perf_counter()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            await self._send_next()

    async def _send_next(self) -> None:
        number = len(self.sent_s)
        activity = Activity(
            event_id=f"e{number}",
            member_id=f"m{number:07d}",
            occurred_at=time.time_ns() // 1_000_000,
            type="article.read",
            channel="APP",
        )
        key, value = encode_key(activity.member_id), self._codec.encode(activity)
        partition = murmur2_partition(key, PARTITIONS)
        self.sent_s.append(time.perf_counter())
        await self._producer.send(self._topic, value, key=key, partition=partition)

    async def read(self) -> None:
        """Note what is read until cancelled."""
        while True:
            found = await self._consumer.getmany(timeout_ms=1_000)
            read_s = time.perf_counter()
            for record in chain.from_iterable(found.values()):
                opened = self._codec.decode(OUTPUT, record.key, record.value, record.timestamp)
                number = int(opened.cause.removeprefix("e"))
                self.repeated += number in self.read_s
                self.read_s.setdefault(number, read_s)
            self._read_more.set()

    async def answered(self, timeout_s: float) -> None:
        """Until everything sent has been answered. Raises UserError `contender-failed`."""
        deadline_s = time.monotonic() + timeout_s
        while len(self.read_s) < len(self.sent_s):
            self._running.check()
            if time.monotonic() > deadline_s:
                missing = len(self.sent_s) - len(self.read_s)
                problem = f"{missing} of {len(self.sent_s)} events had no output in {timeout_s:.0f} s"
                raise self._running.failed(problem)
            self._read_more.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._read_more.wait(), 1)
