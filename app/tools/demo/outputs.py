"""The outputs of a demo as they are committed, and whether they are the right ones."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from app.domain.desk import RESET_TIMER
from app.domain.events import PoolCapacity
from app.domain.outputs import DeadLetter, MemberSnapshot, TransferRequested
from app.service.client import make_codec, partition_counts
from app.tools.committed import committed_reader
from app.wire.topics import load_topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from app.domain.outputs import AnyOutput, Output
    from app.service.settings import Settings
    from app.tools.committed import CommittedReader
    from app.tools.demo.script import Delivery
    from app.tools.simulate import Simulated


class Follower:
    """Reads the outputs as they are committed; `came` holds them."""

    def __init__(self, reader: CommittedReader, settings: Settings) -> None:
        self.came: list[AnyOutput] = []
        self._reader = reader
        self._settings = settings
        self._codec = make_codec(settings)
        self._ends: dict[TopicPartition, int] | None = None
        self._seen: set[str] = set()
        self._saw_more = asyncio.Event()

    async def follow(self, show: Callable[[AnyOutput], None]) -> None:
        """Take outputs and show each, until the end that `stop_at_end` has found; without it, on and on."""
        while self._ends is None or not self._reached(self._ends):
            await self._reader.pump(self._reader.buffers)
            for output in sorted(self._buffered(), key=_place):
                self.came.append(output)
                show(output)
                if not isinstance(output, DeadLetter | MemberSnapshot):
                    self._seen.add(output.event_id)
            self._saw_more.set()

    async def seen(self, event_ids: frozenset[str]) -> None:
        """Wait until `follow` has shown the outputs of these ids."""
        while not event_ids <= self._seen:
            self._saw_more.clear()
            await self._saw_more.wait()

    async def stop_at_end(self) -> None:
        """Let `follow` end when it has everything committed by now."""
        places = list(self._reader.buffers)
        async with committed_reader(self._settings, places, from_beginning=True, until_end=True) as probe:
            self._ends = probe.ends

    def go_on(self) -> None:
        """Let `follow` go on when called again."""
        self._ends = None

    def _reached(self, ends: dict[TopicPartition, int]) -> bool:
        return all(self._reader.positions[place] >= end for place, end in ends.items())

    def _buffered(self) -> list[AnyOutput]:
        taken = []
        for place, buffer in self._reader.buffers.items():
            topic = place.topic.removeprefix(self._settings.topic_prefix)
            while buffer:
                record = buffer.popleft()
                if record.value is not None:
                    taken.append(self._codec.decode(topic, record.key, record.value, record.timestamp))
        return taken


@asynccontextmanager
async def follower(settings: Settings) -> AsyncIterator[Follower]:
    """A follower of all outputs from the oldest on."""
    names = [topic.name for topic in load_topics().values() if topic.role == "output"]
    counts = await partition_counts(settings, names)
    places = [
        TopicPartition(settings.topic_prefix + name, number)
        for name, count in counts.items()
        for number in range(count)
    ]
    async with committed_reader(settings, places, from_beginning=True, until_end=False) as reader:
        yield Follower(reader, settings)


def _place(output: AnyOutput | Output) -> tuple[int, str, int]:
    """Where an output is shown among those that came together."""
    if isinstance(output, DeadLetter | MemberSnapshot):
        return output.occurred_at or 0, "", 0
    return output.occurred_at, output.member_id, output.sequence


def sequenced(came: Sequence[AnyOutput]) -> list[Output]:
    """The outputs that carry a sequence, in `simulate`'s order."""
    found: list[Output] = [output for output in came if not isinstance(output, DeadLetter | MemberSnapshot)]
    return sorted(found, key=_place)


def dead_letters(came: Sequence[AnyOutput]) -> list[DeadLetter]:
    """The dead letters, in the order in which they came."""
    return [output for output in came if isinstance(output, DeadLetter)]


def answers(expected: Simulated, sent: Sequence[Delivery]) -> dict[str, frozenset[str]]:
    """Which outputs come of what a desk says upon an event: their event_ids, by the event's.

    An answer of a desk takes a few milliseconds, which at the speed of a story may be hours. Who waits for these before
    sending on has every answer in its place, as in a life that is lived no faster than it passes.
    """
    asking = {output.cause for output in expected.outputs if isinstance(output, TransferRequested)}
    heard = [
        (delivery.arrived_ms, str(delivery.fields["event_id"]))
        for delivery in sent
        if delivery.topic == PoolCapacity.topic or delivery.fields["event_id"] in asking
    ]
    found: defaultdict[str, set[str]] = defaultdict(set)
    for output in expected.outputs:
        if output.cause == f"timer:{RESET_TIMER}":
            # A desk that nobody speaks to does not know, among old events, that its day is over.
            upon = next((event_id for at_ms, event_id in heard if at_ms > output.occurred_at), None)
        else:
            upon = next((event_id for _, event_id in heard if event_id == output.cause), None)
        if upon is not None:
            found[upon].add(output.event_id)
    return {event_id: frozenset(event_ids) for event_id, event_ids in found.items()}


def difference(expected: Simulated, came: Sequence[AnyOutput]) -> str | None:
    """What is not as expected, in words; None when all is.

    Outputs are compared field by field, dead letters by what is said of the record, for they lie elsewhere. Pages of
    members are not compared: how many are written depends on how the records were cut into batches.
    """
    outputs = sequenced(came)
    if outputs != expected.outputs:
        known = {output.event_id: output for output in expected.outputs}
        wrong = [output.event_id for output in outputs if known.pop(output.event_id, None) != output]
        return (
            f"differing or not expected: {', '.join(wrong) or 'none'}; missing: {', '.join(known) or 'none'}"
        )
    letters = sorted(map(_said, dead_letters(came)))
    if letters != sorted(map(_said, expected.dead_letters)):
        return f"{len(letters)} dead letters, {len(expected.dead_letters)} expected"
    return None


def _said(letter: DeadLetter) -> tuple[str, str, str, str]:
    return letter.source_topic, letter.key or "", letter.error, letter.message
