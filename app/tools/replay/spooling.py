"""Filling the spool: every input record there is, read once, at the place its occurred_at gives it."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from app.runtime.merge import InputRecord
from app.tools.replay.reading import open_log
from app.tools.replay.spool import SpoolState
from app.tools.replay.sweep import sweep
from app.wire.bad_record import BadRecord
from app.wire.topics import INPUTS_IN_ORDER

if TYPE_CHECKING:
    from app.runtime.hosting.fetching import Row
    from app.runtime.processor import Host
    from app.tools.replay.meter import Meter
    from app.tools.replay.spool import Spool

BEFORE_ALL_MS = 0
"""Where a record that is no valid one has its place: it moves nothing, and its dead letter comes first (contract 8)."""

Ends = dict[str, dict[int, int]]
"""The offset behind the last record, by partition of each topic."""


async def input_ends(host: Host, prefix: str) -> Ends:
    """Where the input topics end now; a replay in event-time order takes what lies before, and no more."""
    log = await open_log(host, prefix, INPUTS_IN_ORDER)
    ends: Ends = {}
    for place, end in log.ends.items():
        ends.setdefault(place.topic.removeprefix(prefix), {})[place.partition] = end
    return ends


async def fill(spool: Spool, host: Host, prefix: str, ends: Ends, until_ms: int | None, meter: Meter) -> None:
    """Read the inputs up to `ends` into the spool; carries on where an earlier call stopped.

    Records later than `until_ms` are left out.
    """
    state = spool.state()
    starts, stops = {}, {}
    for topic, of_topic in ends.items():
        for number, end in of_topic.items():
            place = TopicPartition(prefix + topic, number)
            starts[place], stops[place] = state.offsets.get(topic, {}).get(number, 0), end
    meter.begin("sorting", sum(stops.values()), sum(starts.values()))
    offsets = {topic: dict(of_topic) for topic, of_topic in state.offsets.items()}
    count = state.count

    async with aclosing(sweep(host.client_options, starts, stops)) as swept:
        async for place, rows, reached in swept:
            topic, number = place.topic.removeprefix(prefix), place.partition
            spooled = _places(host, topic, number, rows, until_ms)
            count += len(spooled)
            of_topic = offsets.setdefault(topic, {})
            meter.done(reached - of_topic.get(number, 0))
            of_topic[number] = reached
            spool.write(spooled, SpoolState(offsets, count))
    meter.end()


def _places(
    host: Host, topic: str, number: int, rows: list[Row], until_ms: int | None
) -> list[tuple[int, int, InputRecord]]:
    """Each record with its place in time; bad ones come first."""
    decode, rank = host.codec.decode, host.ranks[topic]
    found = []
    for offset, appended_ms, key, value in rows:
        try:
            occurred_ms: int | None = decode(topic, key, value, appended_ms).occurred_at
            place_ms = occurred_ms or BEFORE_ALL_MS
        except BadRecord as bad:
            occurred_ms = None if bad.error == "in_the_future" else bad.occurred_at
            place_ms = BEFORE_ALL_MS
        if until_ms is None or occurred_ms is None or occurred_ms <= until_ms:
            found.append((place_ms, number, InputRecord(appended_ms, rank, offset, topic, key, value)))
    return found
