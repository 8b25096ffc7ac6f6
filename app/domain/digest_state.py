"""What is stored of an owner's digest: part 0, the head, and the items in as many parts as it takes.

Items are spread over buckets by engagement, so that an owner of very many engagements still has records Kafka takes,
and one item rewrites one bucket only. The first byte of a part is its version; see `stored.py`.
"""

from __future__ import annotations

from binascii import crc32
from typing import TYPE_CHECKING

import msgspec

from app.domain.parts import Bucketed
from app.domain.timers import Timer  # noqa: TC001  msgspec resolves the annotation when it builds its codec

if TYPE_CHECKING:
    from collections.abc import Callable


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


class Digest(Bucketed[DigestHead, ItemKey, Item]):
    """One owner's digest, its items by key."""

    WHOSE, VERSION, BUCKETS = "a digest", 1, 64
    HEADS = msgspec.msgpack.Decoder(DigestHead)
    THINGS = msgspec.msgpack.Decoder(list[Item])

    __slots__ = ()

    @staticmethod
    def key_of(thing: Item) -> ItemKey:
        """Playbook, member and engagement."""
        return thing.playbook, thing.member_id, thing.engagement_id

    @staticmethod
    def bucket_of(thing: Item) -> int:
        """By engagement."""
        return crc32(thing.engagement_id.encode()) % Digest.BUCKETS

    @property
    def items(self) -> dict[ItemKey, Item]:
        """All items, by key."""
        return self.held

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
                self.changed(item)
