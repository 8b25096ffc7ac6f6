"""What promoting a replay would do, for a person to look at before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from app.domain.instants import iso_instant
from app.domain.outputs import OUTPUTS
from app.tools.replay.offsets import begins_of, ends_of
from app.tools.reports.printing import print_table
from app.wire.topics import CROSSINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.runtime.processor import Host, Processor
    from app.tools.replay.options import Run
    from app.tools.replay.promotable import Promotable


async def print_plan(
    live: Host, run: Run, into: str, processors: Sequence[Processor], source: Promotable
) -> None:
    """Two tables: what would be exchanged, in offsets; and where each partition would go on, and how far behind it then is."""
    places = {
        prefix: {
            topic: [TopicPartition(prefix + topic, number) for number in range(live.partitions[topic])]
            for topic in OUTPUTS
        }
        for prefix in (run.source, into)
    }
    every = [place for topics in places.values() for each in topics.values() for place in each]
    begins = await begins_of(live.client_options, every)
    ends = await ends_of(live.client_options, every)
    sizes = {
        (prefix, topic): sum(ends[place] - begins[place] for place in each)
        for prefix, topics in places.items()
        for topic, each in topics.items()
    }
    rows = [[topic, f"{sizes[run.source, topic]:,}", f"{sizes[into, topic]:,}"] for topic in OUTPUTS]
    print_table(["output topic", "offsets deleted", "offsets appended"], rows)
    print_table(
        ["partition", "goes on at", "playbooks", "records to catch up with"],
        [
            await _unit(live, processor, number, source)
            for processor in processors
            for number in range(live.partitions[processor.changelog])
        ],
    )


async def _unit(live: Host, processor: Processor, number: int, source: Promotable) -> list[str]:
    inputs = {topic: TopicPartition(live.full_name(topic), number) for topic in processor.inputs}
    ends = await ends_of(live.client_options, list(inputs.values()))
    internal = {topic: ends[place] for topic, place in inputs.items() if topic in CROSSINGS}
    position = source.position(processor, number, internal)
    behind = sum(ends[place] - position.offsets.get(topic, 0) for topic, place in inputs.items())
    at = iso_instant(position.time_ms) if position.time_ms else "the beginning"
    return [f"{processor.name}-{number}", at, position.playbooks_hash, f"{behind:,}"]
