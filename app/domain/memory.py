"""Entities and deadlines held in memory: the store of `simulate` and of the core's tests."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

from app.domain.entity import Entity

E = TypeVar("E", bound=Entity)


class MemoryEntities(Generic[E]):
    """Keeps every entity as an object, for ever. Satisfies `entity.Entities`."""

    def __init__(self) -> None:
        self.by_key: dict[str, E] = {}

    def get(self, key: str) -> E | None:
        """The entity, or None when it was never kept."""
        return self.by_key.get(key)

    def keep(self, entity: E) -> None:
        """Remember the entity."""
        self.by_key[entity.key] = entity


class MemoryDeadlines:
    """A heap without repeats. Satisfies `entity.Deadlines`."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._known: set[tuple[int, str]] = set()

    def first(self) -> tuple[int, str] | None:
        """The earliest entry, or None."""
        return self._heap[0] if self._heap else None

    def pop(self) -> None:
        """Remove the earliest entry."""
        self._known.discard(heapq.heappop(self._heap))

    def skip(self) -> None:
        """Pass over the earliest entry; nothing here is ever opened again."""
        self.pop()

    def put(self, due_ms: int, key: str) -> None:
        """Add an entry; one that is there already stays."""
        entry = (due_ms, key)
        if entry not in self._known:
            self._known.add(entry)
            heapq.heappush(self._heap, entry)
