"""What is stored of an owner's digest: part 0, the head, and the items in as many parts as it takes.

Items are spread over buckets by engagement, so that an owner of very many engagements still has records Kafka takes,
and one item rewrites one bucket only. The first byte of a part is its version; see `stored.py`.
"""

from __future__ import annotations

from binascii import crc32
from typing import TYPE_CHECKING

import msgspec

from app.domain.entity import Entity
from app.domain.errors import UserError
from app.domain.timers import Timer  # noqa: TC001  msgspec resolves the annotation when it builds its codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD_PART = 0
BUCKETS = 64
"""Parts 1 to 64. An item's bucket must never change: it is stored."""

_VERSION = 1


class Item(msgspec.Struct, array_like=True, gc=False):
    """One engagement off track, until it is listed or withdrawn, and for a day after: a repeated record finds it done.

    Attributes:
        playbook, member_id, engagement_id: which it is; of these together there is one item.
        told_ms: the owner's now when it was last heard of.
        heard: hashes of the event ids heard of it, 8 bytes each, oldest first.
        waits: it is to be listed.
    """

    playbook: str
    member_id: str
    engagement_id: str
    told_ms: int = 0
    heard: bytes = b""
    waits: bool = False


class DigestHead(msgspec.Struct, array_like=True):
    """Part 0.

    Attributes:
        armed_for: hash of the playbooks the timers were armed for.
        now_ms: the owner's now (contract 5).
        sequence: the sequence of the owner's last output, 0 before the first.
        timers: see `timers.py`.
        nudges: number of digests so far, by playbook.
        began_ms: when the digest that collects now began, by playbook.
        buckets: which buckets hold items, as bits.
    """

    armed_for: str
    now_ms: int = 0
    sequence: int = 0
    timers: list[Timer] = msgspec.field(default_factory=list)
    nudges: dict[str, int] = msgspec.field(default_factory=dict)
    began_ms: dict[str, int] = msgspec.field(default_factory=dict)
    buckets: int = 0


ItemKey = tuple[str, str, str]
"""(playbook, member_id, engagement_id)."""


class Digest(Entity):
    """One owner's digest, its items by key. Of an item what was changed counts after `item_changed`."""

    __slots__ = ("_changed", "head", "items")

    def __init__(self, key: str, head: DigestHead) -> None:
        super().__init__(key, head.armed_for)
        self.head = head
        self.items: dict[ItemKey, Item] = {}
        self._changed: set[int] = set()

    @classmethod
    def load(cls, key: str, read: Callable[[int], bytes | None]) -> Digest | None:
        """The stored digest with all its items, or None when there is none; see `entity.Core.load`."""
        part = read(HEAD_PART)
        if part is None:
            return None
        digest = cls(key, _decode_head(_body(part)))
        for bucket in range(BUCKETS):
            if digest.head.buckets >> bucket & 1 and (stored := read(bucket + 1)) is not None:
                for item in _decode_items(_body(stored)):
                    digest.items[item.playbook, item.member_id, item.engagement_id] = item
        return digest

    def dump(self) -> Iterator[tuple[int, bytes | None]]:
        """The head, after the buckets that changed since the last call; see `entity.Core.dump`."""
        changed: dict[int, list[Item]] = {bucket: [] for bucket in sorted(self._changed)}
        if changed:
            self._changed.clear()
            for item in self.items.values():
                if (held := changed.get(_bucket_of(item))) is not None:
                    held.append(item)
        for bucket, held in changed.items():
            self.head.buckets = self.head.buckets & ~(1 << bucket) | bool(held) << bucket
        self.head.armed_for = self.armed_for
        for bucket, held in changed.items():
            yield bucket + 1, bytes([_VERSION]) + _encode(held) if held else None
        yield HEAD_PART, bytes([_VERSION]) + _encode(self.head)

    def item(self, key: ItemKey) -> Item:
        """The item of this key; a new one, of which nothing was heard, if there is none."""
        item = self.items.get(key)
        if item is None:
            item = self.items[key] = Item(*key)
        return item

    def waiting(self, playbook: str) -> list[Item]:
        """The items to be listed by a playbook, by engagement, then member."""
        return sorted(
            (item for item in self.items.values() if item.waits and item.playbook == playbook),
            key=lambda item: (item.engagement_id, item.member_id),
        )

    def drop(self, is_done: Callable[[Item], bool]) -> None:
        """Let go of the items that are done."""
        for key, item in list(self.items.items()):
            if is_done(item):
                del self.items[key]
                self.item_changed(item)

    def item_changed(self, item: Item) -> None:
        """The item was changed, added or let go of, and is to be written."""
        self._changed.add(_bucket_of(item))


def _bucket_of(item: Item) -> int:
    return crc32(item.engagement_id.encode()) % BUCKETS


_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(DigestHead).decode
_decode_items = msgspec.msgpack.Decoder(list[Item]).decode


def _body(part: bytes) -> memoryview:
    if part[0] != _VERSION:
        raise UserError(
            "state-too-new",
            "state folder",
            f"a part of a digest is of version {part[0]}, this Reengage reads {_VERSION}",
            "run the Reengage that wrote it, or a newer one",
        )
    return memoryview(part)[1:]
