"""The deadline index of one partition: a sorted window of it in memory, the rest in RocksDB.

Entries beyond the window's horizon are only written; they are read, a slice at a time, when everything before them
is gone. Two batches may be unwritten at once (one being decided, one being committed), so a slice read from RocksDB is
corrected by their changes.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Protocol

from app.runtime.layout import DEADLINE_END, deadline_key, split_deadline_key

if TYPE_CHECKING:
    from collections.abc import Iterator

SLICE = 2_000
"""Entries read at once."""

WINDOW = 5 * SLICE
"""Entries held in memory, at most: a partition may have millions of entities, each with a deadline."""

Entry = tuple[int, str]
BEFORE_ALL: Entry = (-1, "")


class DeadlineSource(Protocol):
    """Where written entries are read from."""

    def scan(self, start: bytes, end: bytes) -> Iterator[bytes]:
        """Keys in [start, end), in order. Reads the local disk."""


class DeadlineIndex:
    """Satisfies `app.domain.entity.Deadlines` over a sorted key space.

    `changes` are those of the batch being decided: True adds the entry, False removes it. `seal` hands them over to be
    written with that batch; until `written` says so they are still taken into account when reading.
    """

    def __init__(self, source: DeadlineSource) -> None:
        self._source = source
        self.changes: dict[Entry, bool] = {}
        self._sealed: deque[dict[Entry, bool]] = deque()
        self._heap: list[Entry] = []
        self._live: set[Entry] = set()
        self._skipped: set[Entry] = set()
        self._horizon: Entry | None = BEFORE_ALL

    def first(self) -> Entry | None:
        """The earliest entry, or None when there is none at all."""
        while not self._heap:
            if self._horizon is None:
                return None
            self._read_slice()
        return self._heap[0]

    def pop(self) -> None:
        """Remove the entry `first` returned."""
        entry = heapq.heappop(self._heap)
        self._live.discard(entry)
        self.changes[entry] = False

    def skip(self) -> None:
        """Pass over the entry `first` returned: it stays written, and is met again by whoever opens the index anew."""
        entry = heapq.heappop(self._heap)
        self._live.discard(entry)
        self._skipped.add(entry)

    def put(self, due_ms: int, key: str) -> None:
        """Add an entry; one that is there already stays."""
        entry = (due_ms, key)
        self.changes[entry] = True
        if (self._horizon is None or entry <= self._horizon) and entry not in self._live:
            self._live.add(entry)
            heapq.heappush(self._heap, entry)
            if len(self._heap) > WINDOW:
                self._narrow()

    def seal(self) -> dict[Entry, bool]:
        """The batch is decided: its changes, to be written when it is committed, in the order of sealing."""
        sealed, self.changes = self.changes, {}
        self._sealed.append(sealed)
        return sealed

    def written(self) -> None:
        """The changes sealed first are in RocksDB now."""
        self._sealed.popleft()

    def forget(self) -> None:
        """Drop the changes of the batch being decided, as if it had never begun."""
        self.changes = {}
        self._heap.clear()
        self._live.clear()
        self._horizon = BEFORE_ALL

    def _narrow(self) -> None:
        """Let go of all but the earliest slice; the others are written, or among the changes to be."""
        self._heap.sort()
        del self._heap[SLICE:]
        self._live = set(self._heap)
        self._horizon = self._heap[-1]

    def _read_slice(self) -> None:
        """Move the horizon forward by one slice of written entries, and take in what is not written yet."""
        after = self._horizon or BEFORE_ALL
        start = deadline_key(after[0], after[1]) + b"\0" if after != BEFORE_ALL else deadline_key(0, "")
        entries: list[Entry] = []
        horizon: Entry | None = None
        for key in self._source.scan(start, DEADLINE_END):
            entry = split_deadline_key(key)
            entries.append(entry)
            if len(entries) == SLICE:
                horizon = entry
                break
        self._horizon = horizon
        found = set(entries)
        for unwritten in (*self._sealed, self.changes):
            for entry, present in unwritten.items():
                if entry > after and (horizon is None or entry <= horizon):
                    if present:
                        found.add(entry)
                    else:
                        found.discard(entry)
        found -= self._skipped
        self._heap = sorted(found)
        self._live = found
