"""All records of a replay in event-time order, sorted on disk: memory stays flat however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from app.tools.replay.merging import depth, merged
from app.tools.replay.sorted_run import PLACE, SortedRun, Spooled, open_run, write_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_OVERLAPPING = 64
"""Runs that overlap are merged into larger ones until no more than so many do: of each, a block is held in memory."""

_SUFFIX = ".run"


class SpoolState(msgspec.Struct, array_like=True, frozen=True):
    """How far the inputs have been spooled.

    offsets: next offset by partition of each topic. count: records in the spool.
    """

    offsets: dict[str, dict[int, int]] = {}
    count: int = 0


class Spool:
    """Records on disk, by (occurred_at, topic rank, append time, partition, offset). One task's only.

    They lie in sorted runs, one after the other as they were read, each a file; a file's name says the numbers of the
    runs in it. One that an interruption left beside the file its records were merged into is dropped here.

    Args:
        folder: of its own.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        for unfinished in folder.glob("*.new"):
            unfinished.unlink()
        self._runs: list[SortedRun] = []
        paths = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: (_numbers(path)[0], -_numbers(path)[1]))
        for path in paths:
            if _numbers(path)[1] < self._next_number:
                path.unlink()
            else:
                self._runs.append(open_run(path))

    def state(self) -> SpoolState:
        """How far it is."""
        if not self._runs:
            return SpoolState()
        count = sum(run.contents.count for run in self._runs)
        return SpoolState(self._runs[-1].contents.offsets, count)

    def add(self, records: list[Spooled], offsets: dict[str, dict[int, int]]) -> None:
        """Sort records into a run, and note with it how far the inputs are read: together or not at all.

        Blocks until it is on the disk.
        """
        records.sort()
        path = self._path(self._next_number, self._next_number)
        for _ in write_run(path, [records], offsets):
            pass
        self._runs.append(open_run(path))

    @property
    def crowded(self) -> bool:
        """More runs overlap than should: `thin_out`, before they are read."""
        return depth(self._runs) > MOST_OVERLAPPING

    def thin_out(self) -> Iterator[int]:
        """Merge runs into larger ones, many into one; to be exhausted, and perhaps not enough.

        Gives after each step how many more records have been merged. What is merged once stays so, whatever happens.
        """
        runs, self._runs = self._runs, []
        for start in range(0, len(runs), MOST_OVERLAPPING):
            group = runs[start : start + MOST_OVERLAPPING]
            if len(group) == 1:
                self._runs += group
                continue
            path = self._path(_numbers(group[0].path)[0], _numbers(group[-1].path)[1])
            before = 0
            for count in write_run(path, merged(group), group[-1].contents.offsets):
                yield count - before
                before = count
            self._runs.append(open_run(path))
            for run in group:
                run.path.unlink()

    def after(self, place: bytes) -> Iterator[list[Spooled]]:
        """The records behind a place (see `sorted_run.place_of`), in order, some at a time; all behind the empty one."""
        return merged(self._runs, place)

    def at(self, place: bytes) -> Spooled | None:
        """The record at a place; None for the empty one."""
        if not place:
            return None
        number = int.from_bytes(place)
        # Before the very first place there is the empty one.
        before = (number - 1).to_bytes(PLACE.size) if number else b""
        return next(self.after(before))[0]

    @property
    def _next_number(self) -> int:
        return _numbers(self._runs[-1].path)[1] + 1 if self._runs else 0

    def _path(self, first: int, last: int) -> Path:
        return self._folder / f"{first:08}-{last:08}{_SUFFIX}"


def _numbers(path: Path) -> tuple[int, int]:
    """Of the first and the last run in a file."""
    first, last = path.stem.split("-")
    return int(first), int(last)
