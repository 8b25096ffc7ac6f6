"""Where journal and outputs of the live topics end at one moment, while workers go on writing both."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from app.domain.outputs import OUTPUTS
from app.tools.replay.offsets import Ends, asking, ends_of
from app.wire.topics import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.runtime.processor import Host

APART_S = 0.004
"""Between two looks: markers of one transaction reach its partitions within less."""

MOST_LOOKS = 500


async def one_moment(host: Host, prefix: str) -> Ends:
    """Offsets behind the last committed record of journal and outputs, such that the outputs are the journal's commits.

    A worker's transaction writes to topics of one partition number (but for owners' digests, which are few), so each number
    is looked at until nothing has moved between two looks. One that never stands still is taken as it was last seen.
    """
    places = _places(host, prefix, (JOURNAL, *OUTPUTS))
    async with asking(host.client_options, places) as consumer:
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
    return ends


async def output_ends(host: Host, prefix: str) -> Ends:
    """Where the outputs under a prefix end now."""
    return await ends_of(host.client_options, _places(host, prefix, OUTPUTS))


def _places(host: Host, prefix: str, topics: Iterable[str]) -> list[TopicPartition]:
    return [
        TopicPartition(prefix + topic, number) for topic in topics for number in range(host.partitions[topic])
    ]
