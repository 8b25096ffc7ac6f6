"""Putting events into their topic before the clock runs: prebuilt batches, as full as a busy producer would make them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer

from app.wire.codec import Codec, encode_key
from app.wire.partitioner import murmur2_partition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.events import Input
    from bench.site import Site

BATCH_BYTES = 256 * 1024


async def load(site: Site, records: Iterable[Input], partitions: int) -> None:
    """Send records of any input topics, each topic's in the order given, and await every acknowledgement.

    Values are single-object Avro, keys the records' ids, partitions murmur2's.
    """
    producer = AIOKafkaProducer(
        **site.settings.client_options(), max_batch_size=BATCH_BYTES, acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        await _Loading(producer, site.prefix, partitions).run(records)
    finally:
        await producer.stop()


class _Loading:
    """The batches being filled, one for each topic and partition."""

    def __init__(self, producer: AIOKafkaProducer, prefix: str, partitions: int) -> None:
        self._producer = producer
        self._prefix = prefix
        self._partitions = partitions
        self._filling: dict[tuple[str, int], Any] = {}
        self._sent: list[asyncio.Future[Any]] = []

    async def run(self, records: Iterable[Input]) -> None:
        encode, filling, partitions = Codec().encode, self._filling, self._partitions
        for record in records:
            key = encode_key(getattr(record, record.key_field))
            place = (record.topic, murmur2_partition(key, partitions))
            value = encode(record)
            batch = filling.get(place)
            if batch is None or batch.append(key=key, value=value, timestamp=None) is None:
                if batch is not None:
                    await self._send(place)
                batch = filling[place] = self._producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        for place in list(filling):
            await self._send(place)
        await asyncio.gather(*self._sent)

    async def _send(self, place: tuple[str, int]) -> None:
        batch = self._filling.pop(place)
        batch.close()
        topic, partition = place
        self._sent.append(await self._producer.send_batch(batch, self._prefix + topic, partition=partition))
