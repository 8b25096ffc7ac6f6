"""Filling the spool: every input record there is, read once, at the place its occurred_at gives it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from app.tools.replay.reading import open_log
from app.tools.replay.sweep import sweep
from app.wire.bad_record import BadRecord
from app.wire.peek import peeker
from app.wire.topics import INPUTS_IN_ORDER

if TYPE_CHECKING:
    from app.runtime.hosting.record_batch import ReadRow
    from app.runtime.processor import Host
    from app.tools.replay.meter import Meter
    from app.tools.replay.sorted_run import Spooled
    from app.tools.replay.spool import Spool

BEFORE_ALL_MS = 0
"""Where a record that is no valid one has its place, if its first fields do not give it one: it moves nothing anywhere."""

RUN_RECORDS = 100_000
RUN_BYTES = 32 << 20
"""A run is sorted and written when it holds so many records, or so much of keys and values: that is held in memory."""

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
    placing = {topic: _Placing(host, topic, until_ms) for topic in ends}
    run: list[Spooled] = []
    run_bytes = 0

    async with aclosing(sweep(host.client_options, starts, stops)) as swept:
        async for place, rows, reached in swept:
            topic, number = place.topic.removeprefix(prefix), place.partition
            placing[topic].add(run, number, rows)
            run_bytes += sum([len(key or b"") + len(value or b"") for _, _, key, value in rows])
            of_topic = offsets.setdefault(topic, {})
            meter.done(reached - of_topic.get(number, 0))
            of_topic[number] = reached
            if len(run) >= RUN_RECORDS or run_bytes >= RUN_BYTES:
                # Beside the loop, so that the next fetches are under way meanwhile.
                await asyncio.to_thread(spool.add, run, offsets)
                run, run_bytes = [], 0
    if run:
        await asyncio.to_thread(spool.add, run, offsets)
    meter.end()
    while spool.crowded:
        meter.begin("merging", spool.state().count)
        for records in spool.thin_out():
            meter.done(records)
            await asyncio.sleep(0)
        meter.end()


class _Placing:
    """The places of one topic's records."""

    def __init__(self, host: Host, topic: str, until_ms: int | None) -> None:
        self._topic = topic
        self._rank = host.ranks[topic]
        self._decode = host.codec.decode
        self._peek = peeker(topic)
        self._until_ms = until_ms

    def add(self, run: list[Spooled], number: int, rows: list[ReadRow]) -> None:
        """Add to a run those of a partition's rows that are not left out."""
        peek, rank, until_ms, append = self._peek, self._rank, self._until_ms, run.append
        for offset, appended_ms, key, value in rows:
            place_ms = peek(value, appended_ms)
            if place_ms is None or (until_ms is not None and place_ms > until_ms):
                place_ms = self._read(appended_ms, key, value)
                if place_ms is None:
                    continue
            append((place_ms, rank, appended_ms, number, offset, key, value))

    def _read(self, appended_ms: int, key: bytes | None, value: bytes | None) -> int | None:
        """The place of a record whose first fields do not settle it; None: it is later than the end of the window."""
        occurred_ms: int | None
        try:
            occurred_ms = self._decode(self._topic, key, value, appended_ms).occurred_at
            place_ms = occurred_ms or BEFORE_ALL_MS
        except BadRecord as bad:
            occurred_ms = None if bad.error == "in_the_future" else bad.occurred_at
            place_ms = BEFORE_ALL_MS
        if self._until_ms is not None and occurred_ms is not None and occurred_ms > self._until_ms:
            return None
        return place_ms
