"""What a finished replay has to promote: for each partition of each processor its states and its position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from rocksdict import Rdict

from app.runtime.database import open_options
from app.runtime.layout import ENTITY, POSITION_KEY, split_part_key
from app.runtime.position import Position, load_position
from app.tools.replay.order import Order
from app.wire.partitioner import murmur2_partition
from app.wire.topics import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from app.runtime.processor import Processor
    from app.tools.replay.options import Run


class Promotable:
    """The states a replay has left in its folder.

    Args:
        folder: the replay's states.
        run: what it was.
        counts: partitions by topic.
    """

    def __init__(self, folder: Path, run: Run, counts: Mapping[str, int]) -> None:
        self._folder = folder
        self._run = run
        self._counts = counts

    def position(self, processor: Processor, number: int, internal_ends: Mapping[str, int]) -> Position:
        """Where the worker goes on.

        After a replay in event-time order internal topics count as read to `internal_ends`: what lies there is of the
        run that ends now, and the replay's own crossings have all arrived.
        """
        if self._run.order is Order.JOURNAL:
            return self._followed(processor, number)
        ends, time_ms = self._run.ends, self._run.ended_ms or 0
        return Position(
            offsets={
                topic: ends[topic].get(number, 0) if topic in ends else internal_ends.get(topic, 0)
                for topic in processor.inputs
            },
            time_ms=time_ms,
            mark=(time_ms + 1, ""),
            playbooks_hash=self._run.playbooks_hash,
        )

    def states(self, processor: Processor, number: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Every stored part of the partition's entities, as a changelog has them."""
        if self._run.order is Order.JOURNAL:
            yield from _parts(self._folder / processor.name / str(number))
            return
        partitions = self._counts[processor.changelog]
        for key, value in _parts(self._folder / processor.name):
            if murmur2_partition(split_part_key(key)[1].encode(), partitions) == number:
                yield key, value

    def _followed(self, processor: Processor, number: int) -> Position:
        database = _open(self._folder / processor.name / str(number))
        try:
            position = load_position(database.get(POSITION_KEY))
        finally:
            database.close()
        offsets = {topic: offset for topic, offset in position.offsets.items() if topic != JOURNAL}
        return replace(position, offsets=offsets)


def _open(folder: Path) -> Rdict:
    return Rdict(str(folder), options=open_options())


def _parts(folder: Path) -> Iterator[tuple[bytes, bytes]]:
    database = _open(folder)
    try:
        iterator = database.iter()
        iterator.seek(ENTITY)
        while iterator.valid() and (key := iterator.key())[:1] == ENTITY:
            yield key, iterator.value()
            iterator.next()
    finally:
        database.close()
