"""Where topics begin and end now."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

Ends = dict[TopicPartition, int]
"""An offset by partition."""


@asynccontextmanager
async def asking(
    client_options: dict[str, Any], places: Collection[TopicPartition], *, committed: bool = True
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer to ask for offsets of these partitions; `committed`: the end is that of what is committed."""
    isolation = "read_committed" if committed else "read_uncommitted"
    consumer = AIOKafkaConsumer(**client_options, isolation_level=isolation)
    await consumer.start()
    try:
        # An assignment makes all topics known at once; see `committed.committed_reader`.
        consumer.assign(list(places))
        consumer.pause(*places)
        # Lets the consumer's own tasks begin: stopped before they have, it raises their CancelledError.
        await asyncio.sleep(0)
        yield consumer
    finally:
        await consumer.stop()


async def ends_of(
    client_options: dict[str, Any], places: Collection[TopicPartition], *, committed: bool = True
) -> Ends:
    """The offset behind the last record of each."""
    async with asking(client_options, places, committed=committed) as consumer:
        ends: Ends = await consumer.end_offsets(list(places))
        return ends


async def begins_of(client_options: dict[str, Any], places: Collection[TopicPartition]) -> Ends:
    """The offset of the first record of each."""
    async with asking(client_options, places) as consumer:
        begins: Ends = await consumer.beginning_offsets(list(places))
        return begins
