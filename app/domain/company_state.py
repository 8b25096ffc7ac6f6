"""What is stored of a company: part 0, the head, and those who wait for it in as many parts as it takes.

Waiting members are spread over buckets by their rank, which is also the order in which they are released: a wait
rewrites one bucket, a release none; a bucket is written once more when everybody in it has been released. The first byte
of a part is its version; see `stored.py`.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from app.domain.entity import Entity
from app.domain.parts import HEAD_PART, body_of, write_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUCKETS = 250
"""Parts 1 to 250. A member's bucket must never change: it is stored."""

_RANKS = 1 << 64
_VERSION = 1
_WHOSE = "a company"


def rank_of(member_id: str) -> int:
    """Where a member stands among all, from 0 up to but not 2^64: the same for every company and playbook."""
    return int.from_bytes(blake2b(member_id.encode(), digest_size=8, person=b"release").digest(), "big")


def bucket_of(rank: int) -> int:
    """The bucket of a rank, from 0; higher ranks never lie in lower buckets."""
    return rank * BUCKETS >> 64


def first_rank(bucket: int) -> int:
    """The lowest rank of a bucket."""
    return -(-(bucket << 64) // BUCKETS)


def offset_ms(rank: int, release_ms: int) -> int:
    """The member's offset in [0, release_ms); of a higher rank never a smaller one."""
    return rank * release_ms // _RANKS


class Wait(msgspec.Struct, array_like=True, gc=False):
    """One member that waits; of a member and playbook there is one.

    Attributes:
        member_id, playbook: who waits, and by which playbook.
        workflow: number of the workflow that waits,
        number: and the how manyth time it does; of two waits of one playbook the later has more of the first, else
            of the second.
        since_ms: when the member saw the maintenance page.
        ended_ms: when that session ended.
    """

    member_id: str
    playbook: str
    workflow: int
    number: int
    since_ms: int
    ended_ms: int


class Up(msgspec.Struct, array_like=True, gc=False):
    """One time the company was OPERATIONAL: when, and by which record."""

    at_ms: int
    event_id: str


class Release(msgspec.Struct, array_like=True):
    """Those who wait by one playbook being told that the company works again, in the order of their ranks.

    Attributes:
        playbook: theirs.
        up_ms: when the company was OPERATIONAL.
        after_ms: theirs are the waits with `since_ms` in (after_ms, up_ms].
        event_id: of the record that said so.
        bucket: the one being worked off; -1: none yet.
        rank, member_id: the last one released.
    """

    playbook: str
    up_ms: int
    after_ms: int
    event_id: str
    bucket: int = -1
    rank: int = -1
    member_id: str = ""

    def owns(self, wait: Wait) -> bool:
        """Whether the wait is ended by this release."""
        return wait.playbook == self.playbook and self.after_ms < wait.since_ms <= self.up_ms


class CompanyHead(msgspec.Struct, array_like=True):
    """Part 0.

    Attributes:
        armed_for: hash of the playbooks it was brought under last.
        now_ms: the company's now (contract 5).
        recent: hashes of the event ids of its last records, 8 bytes each, oldest first.
        ups: when it was OPERATIONAL, the earliest first; see `companies.MOST_UPS`.
        releases: those under way, the earliest first.
        newest: by playbook, the latest `since_ms` of any wait.
        held: which buckets hold waits, a bit each.
        not_before_ms: nobody is released before this instant; a slice has been, and others have their turn.
    """

    armed_for: str
    now_ms: int = 0
    recent: bytes = b""
    ups: list[Up] = msgspec.field(default_factory=list)
    releases: list[Release] = msgspec.field(default_factory=list)
    newest: dict[str, int] = msgspec.field(default_factory=dict)
    held: bytes = bytes(-(-BUCKETS // 8))
    not_before_ms: int = 0


Holder = tuple[str, str]
"""(member_id, playbook)."""


class Company(Entity):
    """One company; its buckets are read when they are needed. `head` may be changed freely."""

    __slots__ = ("_buckets", "_changed", "_read", "ahead", "head")

    def __init__(
        self, key: str, head: CompanyHead, read: Callable[[int], bytes | None] | None = None
    ) -> None:
        super().__init__(key, head.armed_for)
        self.head = head
        self.ahead: dict[tuple[str, int], list[tuple[int, Wait]]] = {}
        """What is left of the bucket each release works off, by (playbook, up_ms): the next one last. Not stored."""
        self._read = read
        self._buckets: dict[int, dict[Holder, Wait]] = {}
        self._changed: set[int] = set()

    @classmethod
    def load(cls, key: str, read: Callable[[int], bytes | None]) -> Company | None:
        """The stored company, or None when there is none; see `entity.Core.load`."""
        part = read(HEAD_PART)
        return None if part is None else cls(key, _decode_head(body_of(part, _VERSION, _WHOSE)), read)

    def dump(self) -> Iterator[tuple[int, bytes | None]]:
        """The head, and the buckets that changed since the last call; see `entity.Core.dump`."""
        self.head.armed_for = self.armed_for
        yield HEAD_PART, write_part(_VERSION, self.head)
        for bucket in sorted(self._changed):
            held = self._buckets[bucket]
            yield bucket + 1, write_part(_VERSION, list(held.values())) if held else None
        self._changed.clear()

    def holds(self, bucket: int) -> bool:
        """Whether anybody waits in a bucket."""
        return bool(self.head.held[bucket >> 3] >> (bucket & 7) & 1)

    def bucket(self, number: int) -> dict[Holder, Wait]:
        """The waits of a bucket. May read the store once. What was changed counts after `bucket_changed`."""
        found = self._buckets.get(number)
        if found is None:
            part = self._read(number + 1) if self._read is not None and self.holds(number) else None
            waits = [] if part is None else _decode_waits(body_of(part, _VERSION, _WHOSE))
            found = self._buckets[number] = {(wait.member_id, wait.playbook): wait for wait in waits}
        return found

    def bucket_changed(self, number: int) -> None:
        """The bucket was changed, and is to be written."""
        self._changed.add(number)
        held = bytearray(self.head.held)
        bit = 1 << (number & 7)
        held[number >> 3] = held[number >> 3] & ~bit | (bit if self._buckets[number] else 0)
        self.head.held = bytes(held)


_decode_head = msgspec.msgpack.Decoder(CompanyHead).decode
_decode_waits = msgspec.msgpack.Decoder(list[Wait]).decode
