"""Stored parts as bytes: a version, then the body; and the entities that keep many things of one kind in several parts.

The first byte of a part is its version. What an older one means is the business of whoever reads it (`stored.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from app.domain.entity import Entity
from app.domain.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

HEAD_PART = 0

_encode = msgspec.msgpack.Encoder().encode


def write_part(version: int, body: object) -> bytes:
    """A part of that version."""
    return bytes([version]) + _encode(body)


def body_of(part: bytes, version: int, whose: str) -> memoryview:
    """The body of a part, which is of that version. Raises UserError `state-too-new`."""
    if part[0] != version:
        raise too_new(part, whose, f"reads {version}")
    return memoryview(part)[1:]


def too_new(part: bytes, whose: str, reads: str) -> UserError:
    """A newer Reengage has written the part. `reads` says what this one does."""
    return UserError(
        "state-too-new",
        "state folder",
        f"a part of {whose} is of version {part[0]}, this Reengage {reads}",
        "run the Reengage that wrote it, or a newer one",
    )


class Head(Protocol):
    """What part 0 of a bucketed entity holds besides its own: `buckets` says, as bits, which buckets hold anything."""

    armed_for: str
    buckets: int


H = TypeVar("H", bound=Head)
K = TypeVar("K")
T = TypeVar("T")


class Bucketed(Entity, ABC, Generic[H, K, T]):
    """An entity that holds things by key, spread over buckets, each a part of its own: what changes rewrites one of them.

    All are in memory; of a thing what was changed counts after `changed`. Which bucket a thing is in must never change:
    it is stored.

    Attributes:
        WHOSE: what an error calls the entity. VERSION: of its parts. BUCKETS: parts 1 to this one hold things.
        HEADS, THINGS: read part 0, and the list of things of another.
        head: may be changed freely.
        held: the things, by key.
    """

    WHOSE: ClassVar[str]
    VERSION: ClassVar[int]
    BUCKETS: ClassVar[int]
    HEADS: ClassVar[msgspec.msgpack.Decoder[Any]]
    THINGS: ClassVar[msgspec.msgpack.Decoder[Any]]

    __slots__ = ("_changed", "head", "held")

    def __init__(self, key: str, head: H) -> None:
        super().__init__(key, head.armed_for)
        self.head = head
        self.held: dict[K, T] = {}
        self._changed: set[int] = set()

    @staticmethod
    @abstractmethod
    def key_of(thing: T) -> K:
        """Under which key it is held."""

    @staticmethod
    @abstractmethod
    def bucket_of(thing: T) -> int:
        """In which bucket it is stored, from 0 up to but not BUCKETS."""

    @classmethod
    def load(cls, key: str, read: Callable[[int], bytes | None]) -> Self | None:
        """The stored entity with all it holds, or None when there is none; see `entity.Core.load`."""
        part = read(HEAD_PART)
        if part is None:
            return None
        entity = cls(key, cls.HEADS.decode(body_of(part, cls.VERSION, cls.WHOSE)))
        for bucket in range(cls.BUCKETS):
            if entity.head.buckets >> bucket & 1 and (stored := read(bucket + 1)) is not None:
                for thing in cls.THINGS.decode(body_of(stored, cls.VERSION, cls.WHOSE)):
                    entity.held[cls.key_of(thing)] = thing
        return entity

    def dump(self) -> Iterator[tuple[int, bytes | None]]:
        """The head, after the buckets that changed since the last call; see `entity.Core.dump`."""
        changed: dict[int, list[T]] = {bucket: [] for bucket in sorted(self._changed)}
        if changed:
            self._changed.clear()
            for thing in self.held.values():
                if (found := changed.get(self.bucket_of(thing))) is not None:
                    found.append(thing)
        for bucket, found in changed.items():
            self.head.buckets = self.head.buckets & ~(1 << bucket) | bool(found) << bucket
        self.head.armed_for = self.armed_for
        for bucket, found in changed.items():
            yield bucket + 1, write_part(self.VERSION, found) if found else None
        yield HEAD_PART, write_part(self.VERSION, self.head)

    def changed(self, thing: T) -> None:
        """The thing was changed, added or let go of, and is to be written."""
        self._changed.add(self.bucket_of(thing))
