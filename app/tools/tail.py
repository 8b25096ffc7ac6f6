"""`reengage tail`: records as JSON lines, in `simulate`'s form (contract 7)."""

import asyncio
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from aiokafka import TopicPartition

from app.domain.errors import UserError, UserErrors
from app.domain.outputs import DeadLetter, MemberSnapshot
from app.service.client import broker_errors, make_codec, partition_counts
from app.service.settings import Settings
from app.tools.committed import CommittedReader, Record, committed_reader
from app.tools.merged_inputs import MergedInputs, input_line
from app.wire.bad_record import BadRecord
from app.wire.codec import Codec
from app.wire.lines import format_raw, format_record
from app.wire.topics import JOURNAL, RANK, Topic, load_topics

_INPUT, _DEAD_LETTER, _OUTPUT, _SNAPSHOT = range(4)


def run(
    settings: Settings,
    topics: Sequence[str],
    *,
    from_beginning: bool = False,
    until_end: bool = False,
    inputs: bool = False,
) -> int:
    """Print records to standard output until the end or until interrupted; 0 at the end.

    Args:
        settings: name a broker.
        topics: inputs and outputs by the contract's names; empty: all outputs.
        from_beginning: start with the oldest record; else with the next one committed.
        until_end: print what is there, from the oldest record, ordered as `simulate` does: dead letters by their
            place, then outputs by (occurred_at, member_id, sequence), then the latest snapshot of each member.
        inputs: instead of topics, the inputs in merged order; see `MergedInputs`.

    Raises:
        UserErrors: `unknown-topic`, `missing-topic`. UserError: `tail-what`, and what `broker_errors` raises.
    """
    if inputs and topics:
        raise UserError(
            "tail-what", "--inputs", "prints all inputs and takes no topic", "leave one of both out"
        )
    chosen = _input_sources() if inputs else _chosen(topics)
    with broker_errors(settings):
        asyncio.run(
            _tail(
                settings,
                chosen,
                from_beginning=from_beginning or until_end,
                until_end=until_end,
                inputs=inputs,
            )
        )
    return 0


def _input_sources() -> list[Topic]:
    declared = load_topics()
    return [declared[name] for name in (*RANK, JOURNAL)]


def _chosen(names: Sequence[str]) -> list[Topic]:
    known = {name: topic for name, topic in load_topics().items() if topic.role != "internal"}
    errors = []
    for name in names:
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(known)}"
            errors.append(UserError("unknown-topic", name, "is no input or output topic", hint))
    if errors:
        raise UserErrors(errors)
    return [known[name] for name in dict.fromkeys(names)] or [t for t in known.values() if t.role == "output"]


async def _tail(
    settings: Settings, topics: Sequence[Topic], *, from_beginning: bool, until_end: bool, inputs: bool
) -> None:
    prefix = settings.topic_prefix
    counts = await partition_counts(settings, [topic.name for topic in topics])
    places = [
        TopicPartition(prefix + topic, number) for topic, count in counts.items() for number in range(count)
    ]
    codec = make_codec(settings)
    async with committed_reader(
        settings, places, from_beginning=from_beginning, until_end=until_end
    ) as reader:
        if not until_end:
            _tell(f"following {len(counts)} topics, Ctrl-C ends")
        if inputs:
            async for line in MergedInputs(reader, codec, prefix, counts).lines():
                print(line, flush=not until_end)
        elif until_end:
            await _print_sorted(reader, codec, prefix)
        else:
            await _follow(reader, codec, prefix)
        for place in reader.withheld:
            _tell(f"{place.topic} {place.partition}: left out what a transaction still open holds back")


async def _follow(reader: CommittedReader, codec: Codec, prefix: str) -> None:
    while True:
        await reader.pump(reader.buffers)
        for buffer in reader.buffers.values():
            while buffer:
                entry = _entry(buffer.popleft(), codec, prefix)
                if entry is not None:
                    print(entry[1])
        sys.stdout.flush()


async def _print_sorted(reader: CommittedReader, codec: Codec, prefix: str) -> None:
    entries: list[tuple[tuple[Any, ...], str]] = []
    snapshots: dict[bytes | None, tuple[tuple[Any, ...], str] | None] = {}
    async for record in reader.each():
        entry = _entry(record, codec, prefix)
        if record.topic == prefix + MemberSnapshot.topic:
            snapshots[record.key] = entry
        elif entry is not None:
            entries.append(entry)
    entries += [entry for entry in snapshots.values() if entry is not None]
    entries.sort()
    for _, line in entries:
        print(line)


def _entry(record: Record, codec: Codec, prefix: str) -> tuple[tuple[Any, ...], str] | None:
    """A record's place in the order and its line; None for the deletion of a forgotten member's snapshot."""
    topic = record.topic.removeprefix(prefix)
    arrival = (_INPUT, record.timestamp, RANK.get(topic, -1), record.partition, record.offset)
    place = {"arrived_at": record.timestamp, "partition": record.partition, "offset": record.offset}
    if topic in RANK:
        return arrival, input_line(codec, topic, record.key, record.value, **place)
    if record.value is None and topic == MemberSnapshot.topic:
        return None
    try:
        output = codec.decode(topic, record.key, record.value, record.timestamp)
    except BadRecord:
        # No worker wrote this; it is shown, so that it can be found.
        return arrival, format_raw(topic, record.key, record.value, **place)
    return _output_order(output), format_record(topic, output)


def _output_order(output: Any) -> tuple[Any, ...]:
    if isinstance(output, DeadLetter):
        return _DEAD_LETTER, output.source_topic, output.source_partition or 0, output.source_offset or 0
    if isinstance(output, MemberSnapshot):
        return _SNAPSHOT, output.member_id
    return _OUTPUT, output.occurred_at, output.member_id, output.sequence


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
