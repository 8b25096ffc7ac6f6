"""The states of all processors of a replay in event-time order: several stores that move together.

A batch is written down whole in one file, its redo, before it is committed; then to Kafka; then to each store. So
whatever a crash leaves, the redo of a committed batch brings every store to where Kafka is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from app.domain.errors import UserError
from app.runtime.store import Sealed, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rocksdict import Cache

    from app.domain.entity import Core, Deadlines, Entities

REDO = "redo"

MOST_PARTITIONS = 4
"""Beyond these, a store remembers no more entities: memory stays within what it is for a worker of as many."""


class _Batch(msgspec.Struct, array_like=True, frozen=True):
    """One sealed batch; `position` is where the replay stands after it."""

    position: bytes
    parts: dict[str, dict[bytes, bytes | None]]
    deadlines: dict[str, list[tuple[int, str, bool]]]


class HeldStates:
    """Stores by processor. `hold` is what a `World` takes; then `seal` and `write` in turn.

    Args:
        folder: of the stores.
        cache: of RocksDB's blocks, shared.
        committed: the position that the batch last committed left in Kafka; None: there is none.
        partitions: how many there are, for a worker of all remembers so many times more entities than of one.
    """

    def __init__(self, folder: Path, cache: Cache | None, committed: bytes | None, partitions: int) -> None:
        self._folder = folder
        self._cache = cache
        self._committed = committed
        self._partitions = min(partitions, MOST_PARTITIONS)
        redo = self._redo()
        self._unwritten = redo if redo is not None and redo.position == committed else None
        self._stores: dict[str, Store[Any]] = {}
        self._sealed: dict[str, Sealed] = {}

    def hold(self, processor: str, core: Core[Any]) -> tuple[Entities[Any], Deadlines]:
        """A processor's entities and deadlines on disk, brought to the batch last committed.

        Raises UserError `replay-folder` when the folder holds another place: it has lost something.
        """
        folder = self._folder / processor
        folder.mkdir(parents=True, exist_ok=True)
        store: Store[Any] = Store(folder, core, self._cache, logged=True, partitions=self._partitions)
        self._stores[processor] = store
        batch = self._unwritten
        if batch is not None:
            due = {(at, key): present for at, key, present in batch.deadlines.get(processor, [])}
            store.put(Sealed(batch.parts.get(processor, {}), due), batch.position, 0)
        if store.position() != self._committed:
            hint = "remove this folder and the topics under the prefix, or choose another prefix"
            raise UserError(
                "replay-folder", str(folder), "does not hold the states that were committed", hint
            )
        return store, store.deadlines

    def seal(self, position: bytes) -> None:
        """The batch is decided: write its redo. A crash right after leaves a redo nobody asks for."""
        parts: dict[str, dict[bytes, bytes | None]] = {}
        deadlines: dict[str, list[tuple[int, str, bool]]] = {}
        for processor, store in self._stores.items():
            store.encode()
            sealed = self._sealed[processor] = store.seal()
            parts[processor] = sealed.parts
            deadlines[processor] = [(*entry, present) for entry, present in sealed.deadlines.items()]
        temporary = self._folder / f"{REDO}.new"
        temporary.write_bytes(msgspec.msgpack.encode(_Batch(position, parts, deadlines)))
        temporary.replace(self._folder / REDO)

    def write(self, position: bytes) -> Iterator[str]:
        """The batch is committed: write it to one store after the other, each named when done; to be exhausted.

        A crash between two of them is made good from the redo.
        """
        for processor, store in self._stores.items():
            store.write(self._sealed[processor], position, 0)
            yield processor

    def close(self) -> None:
        """Flush and close all stores."""
        for store in self._stores.values():
            store.close()

    def _redo(self) -> _Batch | None:
        try:
            return msgspec.msgpack.decode((self._folder / REDO).read_bytes(), type=_Batch)
        except FileNotFoundError:
            return None
