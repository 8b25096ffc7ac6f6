"""Reading topics from one end to the other, as fast as the consumer can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from app.runtime.hosting.fetching import Fetching
from app.tools.replay.offsets import begins_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from aiokafka import TopicPartition

    from app.runtime.hosting.record_batch import ReadRow

_WAIT_S = 0.5


class Swept(NamedTuple):
    """Some records of a partition, and the offset reached with them."""

    place: TopicPartition
    rows: list[ReadRow]
    reached: int


async def sweep(
    client_options: dict[str, Any],
    starts: Mapping[TopicPartition, int],
    stops: Mapping[TopicPartition, int],
) -> AsyncGenerator[Swept, None]:
    """Every committed record from `starts` to before `stops`, those of a partition in their order.

    Of a partition that has lost its beginning, what it still has.
    """
    begins = await begins_of(client_options, list(starts))
    left = {place: max(start, begins[place]) for place, start in starts.items() if start < stops[place]}
    left = {place: start for place, start in left.items() if start < stops[place]}
    if not left:
        return
    fetching = Fetching(client_options, None, None)
    await fetching.start_alone(left)
    for place, offset in left.items():
        fetching.read(place, offset)
    try:
        while left:
            await fetching.wait(_WAIT_S)
            for place, fetched in fetching.take().items():
                stop = stops[place]
                reached = min(fetching.position(place), stop)
                if reached >= stop and left.pop(place, None) is not None:
                    fetching.pause(place)
                yield Swept(place, [row for row in fetched.rows if row[0] < stop], reached)
    finally:
        await fetching.stop()
