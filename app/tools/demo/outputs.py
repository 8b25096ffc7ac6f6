"""The outputs of a demo as they are committed, and whether they are the right ones."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from app.domain.outputs import DeadLetter, MemberSnapshot
from app.service.client import make_codec, partition_counts
from app.tools.committed import committed_reader
from app.wire.topics import load_topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from app.domain.outputs import AnyOutput, Output
    from app.service.settings import Settings
    from app.tools.committed import CommittedReader
    from app.tools.simulate import Simulated


class Follower:
    """Reads the outputs as they are committed; `came` holds them."""

    def __init__(self, reader: CommittedReader, settings: Settings) -> None:
        self.came: list[AnyOutput] = []
        self._reader = reader
        self._settings = settings
        self._codec = make_codec(settings)
        self._ends: dict[TopicPartition, int] | None = None

    async def follow(self, show: Callable[[AnyOutput], None]) -> None:
        """Take outputs and show each, until the end that `stop_at_end` has found; without it, on and on."""
        while self._ends is None or not self._reached(self._ends):
            await self._reader.pump(self._reader.buffers)
            for output in sorted(self._buffered(), key=_place):
                self.came.append(output)
                show(output)

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
