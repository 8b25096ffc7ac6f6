"""Talking to a live worker: events sent evenly, answers read as they are committed, both on one clock.

Over librdkafka, whoever is measured: what measures shares the machine with what is measured, and a client in Python would
take nearly as much of it at 1,000 events a second as a worker.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from app.wire.codec import Codec, encode_key
from app.wire.partitioner import murmur2_partition
from bench.site import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from confluent_kafka import KafkaError, Message

    from app.domain.events import Input
    from bench.process import Contender
    from bench.site import Site

_STOP_S = 30.0
_POLL_S = 0.2


class Line:
    """A line to a worker; times are `time.perf_counter` seconds. See `opened_line`."""

    def __init__(
        self, site: Site, running: Contender, hear: Callable[[Any, float], None], partitions: int
    ) -> None:
        self._partitions = partitions
        self._site = site
        self._running = running
        self._hear = hear
        self._codec = Codec()
        self._producer = Producer({**_client(site), "acks": "all", "linger.ms": 0})
        self._refused: list[KafkaError] = []
        self._heard_more = asyncio.Event()
        self._stopped = threading.Event()
        self._reading: asyncio.Future[None] | None = None

    def open(self, topics: Sequence[str]) -> None:
        """Begin to read these topics."""
        loop = asyncio.get_running_loop()
        self._reading = loop.run_in_executor(None, self._read, topics, loop)

    async def close(self) -> None:
        """Stop reading; raises what ended it before."""
        self._stopped.set()
        if self._reading is not None:
            await self._reading
        await asyncio.to_thread(self._producer.flush, _STOP_S)

    def send(self, record: Input) -> float:
        """Send one record without waiting for its acknowledgement; returns when that began."""
        key, value = encode_key(getattr(record, record.key_field)), self._codec.encode(record)
        partition = murmur2_partition(key, self._partitions)
        sent_s = time.perf_counter()
        topic = f"{self._site.prefix}{record.topic}"
        self._producer.produce(topic, value, key, partition, on_delivery=self._delivered)
        self._producer.poll(0)
        return sent_s

    async def send_evenly(self, make: Iterable[Callable[[], Input]], rate_per_s: float) -> list[float]:
        """Make and send records, so many a second; one that is late is sent at once. Returns when each was."""
        sent_s: list[float] = []
        started_s = time.perf_counter()
        for number, made in enumerate(make):
            ahead_s = started_s + number / rate_per_s - time.perf_counter()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            sent_s.append(self.send(made()))
        return sent_s

    async def until(self, heard: Callable[[], bool], timeout_s: float, missing: Callable[[], str]) -> None:
        """Until what was read makes `heard` true. Raises UserError `contender-failed`, saying what is missing."""
        deadline_s = time.monotonic() + timeout_s
        while not heard():
            self._running.check()
            self._producer.poll(0)
            if self._refused:
                raise KafkaException(self._refused[0])
            if self._reading is not None and self._reading.done():
                self._reading.result()
            if time.monotonic() > deadline_s:
                raise self._running.failed(f"{missing()} in {timeout_s:.0f} s")
            self._heard_more.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._heard_more.wait(), 1)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._refused.append(error)

    def _read(self, topics: Sequence[str], loop: asyncio.AbstractEventLoop) -> None:
        """Read until closed, in a thread: a loop that sends would note late what has come in time."""
        codec, prefix = Codec(), self._site.prefix
        # librdkafka wants the name of a group also where none is joined.
        reader = Consumer(
            {
                **_client(self._site),
                "group.id": "bench",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        try:
            reader.assign(
                [
                    TopicPartition(f"{prefix}{topic}", n, OFFSET_BEGINNING)
                    for topic in topics
                    for n in range(self._partitions)
                ]
            )
            while not self._stopped.is_set():
                message = reader.poll(_POLL_S)
                if message is None:
                    continue
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                read_s, topic = time.perf_counter(), message.topic().removeprefix(prefix)
                record = codec.decode(topic, message.key(), message.value(), message.timestamp()[1])
                loop.call_soon_threadsafe(self._note, record, read_s)
        finally:
            reader.close()

    def _note(self, record: Any, read_s: float) -> None:
        self._hear(record, read_s)
        self._heard_more.set()


@asynccontextmanager
async def opened_line(
    site: Site,
    running: Contender,
    topics: Sequence[str],
    hear: Callable[[Any, float], None],
    partitions: int = PARTITIONS,
) -> AsyncIterator[Line]:
    """A line that reads these output topics, read_committed and from their beginning.

    `hear` is called by the loop with every output, decoded, and when it was read.
    """
    line = Line(site, running, hear, partitions)
    line.open(topics)
    try:
        yield line
    finally:
        await line.close()


def _client(site: Site) -> dict[str, Any]:
    return {"bootstrap.servers": site.broker, "socket.nagle.disable": True}


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
