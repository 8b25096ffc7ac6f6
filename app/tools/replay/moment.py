"""Where journal and outputs of the live topics end at one moment, while workers go on writing both."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.domain.outputs import OUTPUTS
from app.wire.topics import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.runtime.processor import Host

APART_S = 0.004
"""Between two looks: markers of one transaction reach its partitions within less."""

MOST_LOOKS = 500

Ends = dict[TopicPartition, int]


async def one_moment(host: Host, prefix: str) -> Ends:
    """Offsets behind the last committed record of journal and outputs, such that the outputs are the journal's commits.

    A worker's transaction writes to topics of one partition number, so each number is looked at until nothing has
    moved between two looks. One that never stands still is taken as it was last seen.
    """
    consumer = AIOKafkaConsumer(**host.client_options, isolation_level="read_committed")
    await consumer.start()
    try:
        places = _places(host, prefix, (JOURNAL, *OUTPUTS))
        consumer.assign(places)
        consumer.pause(*places)
        ends: Ends = await consumer.end_offsets(places)
        moving = {place.partition for place in places}
        for _ in range(MOST_LOOKS):
            await asyncio.sleep(APART_S)
            looked_at = [place for place in places if place.partition in moving]
            now: Ends = await consumer.end_offsets(looked_at)
            moving = {place.partition for place, end in now.items() if ends[place] != end}
            ends |= now
            if not moving:
                break
    finally:
        await consumer.stop()
    return ends


async def output_ends(host: Host, prefix: str) -> Ends:
    """Where the outputs under a prefix end now."""
    consumer = AIOKafkaConsumer(**host.client_options, isolation_level="read_committed")
    await consumer.start()
    try:
        places = _places(host, prefix, OUTPUTS)
        consumer.assign(places)
        consumer.pause(*places)
        ends: Ends = await consumer.end_offsets(places)
    finally:
        await consumer.stop()
    return ends


def _places(host: Host, prefix: str, topics: Iterable[str]) -> list[TopicPartition]:
    return [
        TopicPartition(prefix + topic, number) for topic in topics for number in range(host.partitions[topic])
    ]
