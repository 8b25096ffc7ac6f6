"""The entities of one partition that are in memory, decoded or settled, and which of them the batch being decided has changed."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from app.domain.entity import Entity
from app.runtime.native import Settled

if TYPE_CHECKING:
    from collections.abc import Iterator

E = TypeVar("E", bound=Entity)

CACHED_ENTITIES = 50_000
"""Entities kept per partition across batches, at most; about 1.5 KB each."""


class Remembered(Generic[E]):
    """Entities by key, each in one of two forms: as the rules know it, or settled (see `repeating.py`).

    Two generations stand in for a list of recent use: what is not met again while one fills up is dropped.

    Attributes:
        young: those met lately; who finds one here need not say so.
        kept: those the batch being decided has kept; they are found even when dropped.
        changed: those of them that are not encoded yet.
    """

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._most = CACHED_ENTITIES * partitions
        self.young: dict[str, E | Settled] = {}
        self._old: dict[str, E | Settled] = {}
        self._gone: dict[str, E | Settled] = {}
        self.kept: dict[str, E | Settled] = {}
        self.changed: dict[str, E | Settled] = {}

    def limit(self, entities: int) -> None:
        """Keep no more than this across batches, nor than `CACHED_ENTITIES`; those too many go at once."""
        self._most = entities
        if len(self.young) + len(self._old) > entities:
            self._old, self._gone = {}, {}
            self.young = dict(islice(self.young.items(), max(0, len(self.young) - entities // 2), None))

    def holds(self, key: str) -> bool:
        """The entity is here: it has been read or made before."""
        return key in self.young or key in self._old

    def find(self, key: str) -> E | Settled | None:
        """The entity, in the form in which it is here. Where it is not `young`, whoever uses it says so with `meet`."""
        return self.young.get(key) or self._old.get(key) or self.kept.get(key)

    def meet(self, entity: E | Settled) -> None:
        """The entity is used.

        As many too many go one by one, as others come: 25,000 let go at once take longer than many an answer may.
        """
        if len(self.young) >= min(CACHED_ENTITIES * self._partitions, self._most) // 2:
            self._gone, self._old, self.young = self._old, self.young, {}
        self.young[entity.key] = entity
        if self._gone:
            self._gone.popitem()

    def meet_settled(self, key: str) -> bool:
        """Whether the entity was not used lately and is settled; it is used now."""
        entity = self._old.get(key)
        if not isinstance(entity, Settled) or key in self.young:
            return False
        self.meet(entity)
        return True

    def keep(self, entity: E) -> None:
        """The entity belongs to the batch being decided."""
        self.kept[entity.key] = self.changed[entity.key] = entity
        if entity.key not in self.young:
            self.meet(entity)

    def replace(self, entity: E | Settled) -> None:
        """The entity in its other form, wherever it is."""
        key = entity.key
        for held in (self.young, self._old, self.kept, self.changed):
            if key in held:
                held[key] = entity

    def take_changed(self) -> Iterator[E | Settled]:
        """Those kept since the last call, which are then encoded."""
        changed, self.changed = self.changed, {}
        return iter(changed.values())

    def seal(self) -> None:
        """The batch being decided has ended."""
        self.kept = {}

    def forget(self) -> None:
        """The batch being decided never was: entities it may have changed are read again when next needed."""
        for key in self.kept:
            self.young.pop(key, None)
            self._old.pop(key, None)
        self.kept, self.changed = {}, {}

    def drop(self, key: str) -> None:
        """Forget one entity, whose object a failed call may have spoilt."""
        for held in (self.kept, self.changed, self.young, self._old):
            held.pop(key, None)

    def clear(self) -> None:
        """Let go of everything."""
        self.young, self._old, self._gone = {}, {}, {}
        self.kept, self.changed = {}, {}
