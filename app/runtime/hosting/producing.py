"""The inside of aiokafka's producer: how long it waits between transactions, and ending one that does not end."""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from typing import TYPE_CHECKING

import aiokafka.producer.sender

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import AIOKafkaProducer
    from aiokafka.producer.message_accumulator import BatchBuilder

BACKOFF_S = 0.002

_NO_HEADERS: list[tuple[str, bytes]] = []


def hasten_transactions() -> None:
    """Let transactions follow one another sooner, in this process.

    One that begins while the broker still writes the last one's markers is told to wait; aiokafka then waits 20 ms, the
    markers take about 2.
    """
    aiokafka.producer.sender.BACKOFF_OVERRIDE = BACKOFF_S


def fill(batch: BatchBuilder, rows: Sequence[tuple[bytes | None, bytes | None]], start: int) -> int:
    """Append rows to an empty batch, from `start` on, until it is full; returns the place of the first one left.

    What the batch's own `append` does, without its calls for each record: an event writes two or three. An empty batch
    takes its first row however large.
    """
    append, now_ms, count = batch._builder.append, time.time_ns() // 1_000_000, 0  # noqa: SLF001  this function's seams
    for key, value in islice(rows, start, None):
        if append(count, now_ms, key, value, _NO_HEADERS) is None:
            break
        count += 1
    batch._relative_offset = count  # noqa: SLF001
    return start + count


async def abandon(producer: AIOKafkaProducer) -> None:
    """End a producer whose `stop` was given up on: nothing it still holds is sent. `stop` does nothing a second time.

    Both at once, since the sender waits for answers that only a closed connection puts an end to. It may also wait for
    metadata that nobody fetches any more: the caller sets a limit. Connections whose closing was cut short the first time
    are cancelled futures, which say nothing of the caller's own task.
    """
    closing = producer._sender.close(), producer.client.close()  # noqa: SLF001  this function's seam
    await asyncio.gather(*closing, return_exceptions=True)


def hush(producer: AIOKafkaProducer) -> None:
    """Look at the errors that a fenced producer has left in places where nobody waits for them any more.

    The error itself has been raised; asyncio would print it again, with its traceback, for each of these.
    """
    held = producer._message_accumulator._batches.values()  # noqa: SLF001  this function's seams
    left = [batch._drain_waiter for batches in held for batch in batches]  # noqa: SLF001
    if producer._txn_manager is not None:  # noqa: SLF001
        left.append(producer._txn_manager._transaction_waiter)  # noqa: SLF001
    for future in left:
        if future is not None and future.done() and not future.cancelled():
            future.exception()
