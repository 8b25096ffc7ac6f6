"""Getting one decided batch into Kafka: outputs, states, position and journal, together or not at all.

One writer a partition. Its transactional id is the partition's name, so whoever opens the partition next fences the
one before (InitProducerId), and nothing a fenced writer has sent is ever seen by a read_committed reader.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError

from app.runtime.hosting.producing import abandon, fill, hasten_transactions, hush
from app.runtime.layout import POSITION_KEY
from app.runtime.refusals import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BATCH_BYTES = 1 << 20
"""Record batches are built to this size; Kafka's own default limit of a batch is a little larger."""

TRANSACTION_TIMEOUT_MS = 30_000

CLOSE_TIMEOUT_S = 3.0
"""How long a broker has for what would only be tidy: ending a transaction that has failed, taking leave."""

hasten_transactions()


Where = tuple[str, int]
"""(full topic name, partition)."""

Row = tuple["bytes | None", "bytes | None"]
"""(key, value) of one record to write."""


class Outgoing(NamedTuple):
    """What one batch writes besides its RocksDB batch.

    outputs: rows by where they go, each list in the order decided; the journal entry among them.
    states: changelog rows, without the position.
    """

    outputs: dict[Where, list[Row]]
    states: Iterable[Row]
    position: bytes


class Writer:
    """Writes batches of one partition. Exactly one commit may be under way.

    Args:
        client_options: how to reach the brokers, as every client here takes them.
        transactional_id: application, processor and partition; None writes at least once, without transactions.
        changelog, partition: where the states and the position go.
        timeout_ms: how long a transaction may take, and an acknowledgement. What a writer leaves open that is gone
            for good, readers wait for as long.
    """

    def __init__(
        self,
        client_options: dict[str, Any],
        transactional_id: str | None,
        changelog: str,
        partition: int,
        *,
        timeout_ms: int = TRANSACTION_TIMEOUT_MS,
    ) -> None:
        self._changelog: Where = (changelog, partition)
        self._transactional = transactional_id is not None
        options: dict[str, Any] = {
            **client_options,
            "max_batch_size": MAX_BATCH_BYTES,
            "retry_backoff_ms": 20,
            "request_timeout_ms": timeout_ms,
        }
        if transactional_id is None:
            options |= {"enable_idempotence": True, "acks": "all"}
        else:
            options |= {
                "transactional_id": transactional_id,
                "transaction_timeout_ms": timeout_ms,
            }
        self._producer = AIOKafkaProducer(**options)

    async def open(self) -> None:
        """Connect and, when transactional, fence whoever wrote this partition before."""
        await self._producer.start()

    async def close(self) -> None:
        """Let go of the connection; a transaction under way is left for the broker or the next owner to abort.

        What a broker that does not answer has not taken by then is dropped: sent later, it might follow upon what the
        next owner writes.
        """
        producer = self._producer
        hush(producer)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await producer.stop()
                return
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await abandon(producer)

    async def commit(self, outgoing: Outgoing) -> int:
        """Write one batch; returns the changelog offset after it. Raises what aiokafka raises; nothing is retried here.

        Exactly once (the numbers are those of `partition.Partition`, which names what a crash after each leaves):

        2. begin; send outputs, states, journal and, last, the position; await every acknowledgement;
        3. commit.

        At least once: the same records, in the order outputs, states, position, each acknowledged before the next; so
        a crash between them repeats outputs but never loses one.
        """
        if not self._transactional:
            return await self._commit_in_order(outgoing)
        producer = self._producer
        await producer.begin_transaction()  # 2
        sent: list[_Acknowledgement] = []
        try:
            for where, rows in outgoing.outputs.items():
                sent += await self._send(where, rows)
            states = await self._send(self._changelog, [*outgoing.states, (POSITION_KEY, outgoing.position)])
            for handed in sent:
                await handed
            end = self._end_of([await handed for handed in states])
            await producer.commit_transaction()  # 3
        except BaseException as error:
            with contextlib.suppress(BaseException):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await producer.abort_transaction()
            refusals = (why for each in sent if isinstance(why := each.failure, REFUSALS))
            if (refusal := next(refusals, None)) is not None:
                # The others fail with it, for the transaction is over; they say that it is.
                raise refusal from error
            if isinstance(error, IllegalOperation):
                # What was sent first has ended the transaction; that error, not this one, says why.
                raise next((why for each in sent if (why := each.failure)), KafkaError()) from error
            raise
        return end

    async def _commit_in_order(self, outgoing: Outgoing) -> int:
        for where, rows in outgoing.outputs.items():
            for handed in await self._send(where, rows):
                await handed
        for handed in await self._send(self._changelog, outgoing.states):
            await handed
        last = await self._send(self._changelog, [(POSITION_KEY, outgoing.position)])
        return self._end_of([await handed for handed in last])

    async def _send(self, where: Where, rows: Iterable[Row]) -> list[_Acknowledgement]:
        """Hand over prebuilt batches, as many as it takes, in the order given."""
        rows, sent, start = list(rows), [], 0
        while start < len(rows):
            batch = self._producer.create_batch()
            end = fill(batch, rows, start)
            sent.append(await self._hand_over(batch, where, end - start))
            start = end
        return sent

    async def _hand_over(self, batch: Any, where: Where, count: int) -> _Acknowledgement:
        batch.close()
        topic, partition = where
        return _Acknowledgement(await self._producer.send_batch(batch, topic, partition=partition), count)

    @staticmethod
    def _end_of(acknowledged: list[tuple[int, int]]) -> int:
        """The offset after the last acknowledged batch of the changelog."""
        return max(offset + count for offset, count in acknowledged)


class _Acknowledgement:
    """Awaited, gives (base offset, number of records) of one sent batch."""

    __slots__ = ("_count", "_future")

    def __init__(self, future: Any, count: int) -> None:
        self._future = future
        self._count = count
        # Of several that fail together the first is raised; asyncio would print each of the others with its traceback.
        future.add_done_callback(_look_at)

    @property
    def failure(self) -> BaseException | None:
        """Why it was not taken; None while that is not known, and if it was."""
        future = self._future
        failure: BaseException | None = (
            future.exception() if future.done() and not future.cancelled() else None
        )
        return failure

    def __await__(self) -> Any:
        metadata = yield from self._future.__await__()
        return metadata.offset, self._count


def _look_at(acknowledged: asyncio.Future[Any]) -> None:
    if not acknowledged.cancelled():
        acknowledged.exception()
