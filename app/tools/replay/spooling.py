"""Filling the spool: every input record there is, read once, at the place its occurred_at gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from app.runtime.hosting.fetching import Fetching, Row
from app.runtime.merge import InputRecord
from app.tools.replay.reading import open_log
from app.tools.replay.spool import SpoolState
from app.wire.bad_record import BadRecord
from app.wire.topics import INPUTS_IN_ORDER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.runtime.processor import Host
    from app.tools.replay.meter import Meter
    from app.tools.replay.spool import Spool

BEFORE_ALL_MS = 0
"""Where a record that is no valid one has its place: it moves nothing, and its dead letter comes first (contract 8)."""

_WAIT_S = 0.5

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
    left = {place: start for place, start in starts.items() if start < stops[place]}
    if left:
        fetching = Fetching(host.client_options, None, None)
        await fetching.start_at(left)
        try:
            await _Filling(spool, host, prefix, fetching, stops, until_ms, meter).run(set(left))
        finally:
            await fetching.stop()
    meter.end()


class _Filling:
    """What `fill` does while the consumer runs."""

    def __init__(
        self,
        spool: Spool,
        host: Host,
        prefix: str,
        fetching: Fetching,
        stops: Mapping[TopicPartition, int],
        until_ms: int | None,
        meter: Meter,
    ) -> None:
        self._spool = spool
        self._host = host
        self._prefix = prefix
        self._fetching = fetching
        self._stops = stops
        self._until_ms = until_ms
        self._meter = meter
        state = spool.state()
        self._count = state.count
        self._offsets = {topic: dict(of_topic) for topic, of_topic in state.offsets.items()}

    async def run(self, left: set[TopicPartition]) -> None:
        while left:
            await self._fetching.wait(_WAIT_S)
            for place, fetched in self._fetching.take().items():
                self._keep(place, fetched.rows)
            for place in [place for place in left if self._fetching.position(place) >= self._stops[place]]:
                left.discard(place)
                self._fetching.consumer.pause(place)

    def _keep(self, place: TopicPartition, rows: list[Row]) -> None:
        topic, stop = place.topic.removeprefix(self._prefix), self._stops[place]
        of_topic = self._offsets.setdefault(topic, {})
        reached = min(self._fetching.position(place), stop)
        spooled = _places(
            self._host, topic, place.partition, [row for row in rows if row[0] < stop], self._until_ms
        )
        self._count += len(spooled)
        self._meter.done(reached - of_topic.get(place.partition, 0))
        of_topic[place.partition] = reached
        self._spool.write(spooled, SpoolState(self._offsets, self._count))


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
