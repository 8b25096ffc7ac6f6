"""The records of some topics from the first to the last committed by now, for a report."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from app.service.client import make_codec, partition_counts
from app.tools.committed import committed_reader
from app.wire.bad_record import BadRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from app.service.settings import Settings


async def committed_records(
    settings: Settings, topics: Sequence[str], is_wanted: Callable[[str, bytes], bool] = lambda *_: True
) -> AsyncIterator[Any]:
    """Every record of these topics that can be read, decoded; those of a partition in their order.

    Args:
        settings: name a broker.
        topics: by the contract's names.
        is_wanted: asked with a record's topic and value before it is decoded, which costs ten times as much.

    Raises what `broker_errors` turns into a UserError, and UserErrors for topics that are missing.
    """
    counts = await partition_counts(settings, list(topics))
    prefix, codec = settings.topic_prefix, make_codec(settings)
    places = [
        TopicPartition(prefix + topic, number) for topic, count in counts.items() for number in range(count)
    ]
    async with committed_reader(settings, places, from_beginning=True, until_end=True) as reader:
        async for record in reader.each():
            topic = record.topic.removeprefix(prefix)
            if record.value is None or not is_wanted(topic, record.value):
                continue
            try:
                yield codec.decode(topic, record.key, record.value, record.timestamp)
            except BadRecord:
                # The worker has made a dead letter of it; a report is of what counts.
                continue


async def latest_records(settings: Settings, topic: str) -> list[Any]:
    """The last record of each key of a compacted topic, decoded, by key; a deleted one is left out.

    Holds one record's bytes for each key. Raises as `committed_records` does.
    """
    counts = await partition_counts(settings, [topic])
    places = [TopicPartition(settings.topic_prefix + topic, number) for number in range(counts[topic])]
    latest: dict[bytes, bytes] = {}
    async with committed_reader(settings, places, from_beginning=True, until_end=True) as reader:
        async for record in reader.each():
            if record.key is not None and record.value is not None:
                latest[record.key] = record.value
            elif record.key is not None:
                latest.pop(record.key, None)
    codec, found = make_codec(settings), []
    for key, value in sorted(latest.items()):
        # What is no record was not written by a worker; a report is of what counts.
        with contextlib.suppress(BadRecord):
            found.append(codec.decode(topic, key, value, 0))
    return found
