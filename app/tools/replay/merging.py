"""Merging sorted runs into one order, a few blocks at a time."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING

from app.tools.replay.sorted_run import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.tools.replay.sorted_run import SortedRun, Spooled


def merged(runs: Sequence[SortedRun], place: bytes = b"") -> Iterator[list[Spooled]]:
    """The records behind a place (all, behind the empty one), in order, some at a time; no part is empty.

    Of each run that overlaps with where the merge is, one block is in memory.
    """
    waiting = sorted(
        (run for run in runs if run.contents.last > place),
        key=lambda run: run.contents.first,
        reverse=True,
    )
    reading: list[_Reading] = []
    while waiting or reading:
        if not reading:
            reading.append(_Reading(waiting.pop(), place))
        # Up to here nothing can come any more from the blocks behind those in memory.
        bound = min(each.last for each in reading)
        while waiting and waiting[-1].contents.first <= place_of(bound):
            opened = _Reading(waiting.pop(), place)
            reading.append(opened)
            bound = min(bound, opened.last)
        part: list[Spooled] = []
        for each in reading:
            part += each.up_to(bound)
        reading = [each for each in reading if each.records]
        # Made of pieces that are sorted, which is what this sort is fastest with.
        part.sort()
        yield part


def depth(runs: Sequence[SortedRun]) -> int:
    """How many runs overlap, at most: so many blocks `merged` holds."""
    deepest = 0
    lasts: list[bytes] = []
    for run in sorted(runs, key=attrgetter("contents.first")):
        lasts = [last for last in lasts if last >= run.contents.first]
        lasts.append(run.contents.last)
        deepest = max(deepest, len(lasts))
    return deepest


class _Reading:
    """A run and the block of it that is in memory; `records` is empty when it has been read to its end."""

    def __init__(self, run: SortedRun, place: bytes) -> None:
        self._blocks = run.blocks(place)
        self._next = 0
        self.records = [record for record in next(self._blocks) if place_of(record) > place]
        self.last = self.records[-1]

    def up_to(self, bound: Spooled) -> list[Spooled]:
        """The records up to a bound; at the block's end the next one is read."""
        records, start = self.records, self._next
        if self.last <= bound:
            found = records[start:] if start else records
            self._next = 0
            self.records = next(self._blocks, [])
            if self.records:
                self.last = self.records[-1]
            return found
        self._next = bisect_right(records, bound, start)
        return records[start : self._next]
