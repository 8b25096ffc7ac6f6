"""Records that keep coming while a test does something to the workers or to the broker."""

import asyncio
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer

from tests.integration.deployment import Deployment, Sent
from tests.integration.history import History

SLICE = 20
"""Records sent at once."""

PACE_S = 0.1
"""Between two slices, at least."""

MOST_PACE_S = 1.0


def endless(seed: int, partitions: int) -> Iterator[Sent]:
    """A history as a load: more than any test sends, some 170 a day, so that what is sent takes weeks."""
    return iter(History(seed, records=100_000, members=100, days=600, partitions=partitions))


class Load:
    """Sends records in order, by a thread of its own, from the beginning of the block to its end or to `finish`.

    The producer is idempotent and patient: a broker that is away or frozen delays the records, it neither loses nor
    doubles one. How many are sent depends on how long that takes; there have to be enough of them.
    """

    def __init__(self, deployment: Deployment, records: Iterable[Sent]) -> None:
        self._deployment = deployment
        self._records = iter(records)
        self._enough = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load")

    def finish(self) -> None:
        """Send no more, and wait until what was sent is acknowledged; raises what sending raised."""
        self._enough.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        self._thread.join()
        if kind is None:
            self.finish()

    def _run(self) -> None:
        try:
            asyncio.run(self._send())
        except BaseException as error:  # noqa: BLE001  raised again by `finish`, in the test's own thread
            self._error = error

    async def _send(self) -> None:
        # Brokers are hurt for longer than its usual 40 s; whoever sends to them waits.
        producer = AIOKafkaProducer(
            bootstrap_servers=self._deployment.broker, enable_idempotence=True, request_timeout_ms=120_000
        )
        await producer.start()
        try:
            while not self._enough.is_set():
                slice_ = list(islice(self._records, SLICE))
                assert slice_, "the load ended before the test did"
                began_s = time.monotonic()
                await self._deployment.send(producer, slice_)
                # On a busy machine everything takes longer, and what is sent has to be worked off.
                pause_s = min(max(PACE_S, 3 * (time.monotonic() - began_s)), MOST_PACE_S)
                await asyncio.to_thread(self._enough.wait, pause_s)
        finally:
            await producer.stop()
