"""What every stateful thing the service keeps has in common: a key, parts that are stored, one deadline.

An entity is a member, a pool's desk, a company or a digest. Its rules live in a `Core`; when they run, and in which
order, is `engine.Engine`'s business; where the bytes go is the store's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.domain.sink import Sink

NEVER_MS = (1 << 63) - 1
"""A due time that never comes: the entity waits for nothing."""


class StoreError(Exception):
    """The disk does not give or take what an entity is stored as: neither a bug of the rules nor the fault of a record.

    Raised by `Entities` and through what they hand out; whoever calls the rules lets it pass. `damaged`: what lies there
    is not what was written, or not of this place, and must be thrown away; else the disk is full or out of reach.
    """

    def __init__(self, problem: str, *, damaged: bool) -> None:
        super().__init__(problem)
        self.damaged = damaged


class Entity:
    """Base of every entity held by an engine.

    `key` is the entity's id. `indexed_due_ms` is the due time under which the deadline index holds this entity
    (`NEVER_MS`: it holds none); it is never later than the entity's earliest timer, but may be earlier, since a
    deadline that moves later is not re-indexed until the old one is reached. `armed_for` is the hash of the playbooks
    its timers were armed for. `applied` holds, where a batch may come again after it has been stored (at least once),
    the next offset by input topic: what lies before has been seen, applied or not; else None. `settles`: more records may
    come that the store applies without the rules (`runtime/repeating.py`).
    """

    __slots__ = ("applied", "armed_for", "indexed_due_ms", "key", "settles")

    def __init__(self, key: str, armed_for: str) -> None:
        self.key = key
        self.armed_for = armed_for
        self.applied: dict[str, int] | None = None
        self.indexed_due_ms = NEVER_MS
        self.settles = False


E = TypeVar("E", bound=Entity)


class Core(Protocol[E]):
    """The rules of one kind of entity. Pure: time comes with the record or the timer, nothing is read or awaited."""

    playbooks_hash: str

    def new(self, key: str) -> E:
        """An entity nobody has heard of yet. It is kept only when `apply` then returns True."""

    def apply(self, entity: E, record: object, sink: Sink) -> bool:
        """Take one input record (contract 5): fire the entity's timers due <= its occurred_at, then apply it.

        Returns False when the record changed nothing that is kept (a duplicate, a refused record): the caller then
        neither stores the entity nor, if it was new, remembers it. Raises only on a bug; the entity must then be
        considered spoilt and be read again from the store.
        """

    def fire(self, entity: E, until_ms: int, sink: Sink) -> None:
        """Fire the entity's timers due <= until_ms in order of (due, name, playbook, ref), also those armed meanwhile.

        Each is stamped with the later of its due time and the entity's now.
        """

    def rearm(self, entity: E, sink: Sink) -> None:
        """Bring an entity armed for other playbooks under the current ones (contract 5, "Changed playbooks").

        Sets `armed_for`. Timers get the due times the current settings give; workflows of playbooks that are gone
        resolve `playbook_removed`, at the entity's now.
        """

    def next_due_ms(self, entity: E) -> int:
        """Due time of the entity's earliest timer, `NEVER_MS` when it has none."""

    def load(self, key: str, read: Callable[[int], bytes | None]) -> E | None:
        """The entity as stored, or None when part 0 was never written. Further parts may be read later, on demand."""

    def dump(self, entity: E) -> Iterable[tuple[int, bytes | None]]:
        """The parts that changed since the last load or dump, as (part number, bytes; None deletes the part)."""


class Entities(Protocol[E]):
    """Where an engine finds its entities: in memory for `simulate`, over RocksDB in a worker."""

    def get(self, key: str) -> E | None:
        """The entity, or None when it was never kept. May read the local disk, never the network. Raises StoreError."""

    def keep(self, entity: E) -> None:
        """The entity is new or has changed, and is to be stored with the batch under way. Idempotent."""


class Deadlines(Protocol):
    """An ordered set of (due_ms, key): which entity wants waking when. One engine's only."""

    def first(self) -> tuple[int, str] | None:
        """The earliest entry, or None. Cheap when called again and again."""

    def pop(self) -> None:
        """Remove the entry `first` returned."""

    def skip(self) -> None:
        """Pass over the entry `first` returned: it stays, and is met again when the partition is next opened."""

    def put(self, due_ms: int, key: str) -> None:
        """Add an entry; one that is there already stays as it is."""
