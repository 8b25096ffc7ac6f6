"""What is stored of a pool's desk: part 0, the head, and the tickets in as many parts as it takes.

Tickets are spread over buckets by member, so that a pool with a hundred thousand waiting still writes records Kafka
takes, and a request rewrites one bucket only. The first byte of a part is its version; see `stored.py`.
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
"""Parts 1 to 64. A ticket's bucket must never change: it is stored."""

_VERSION = 1


class Ticket(msgspec.Struct, array_like=True, gc=False):
    """One request, while it waits and for a day or two after it has left: a repeated record then finds it done.

    Attributes:
        member_id, playbook: who asks, and for which of its playbooks; of both together there is one ticket.
        number: the sequence of the transfer-requested; of two requests the later one has the higher.
        requested_ms: when it was asked, by the member's time.
        attempts: how many have failed.
        left_ms: when it was served, given up or withdrawn; None while it waits.
    """

    member_id: str
    playbook: str
    number: int
    requested_ms: int
    attempts: int = 0
    left_ms: int | None = None


class DeskHead(msgspec.Struct, array_like=True):
    """Part 0.

    Attributes:
        armed_for: hash of the playbooks the timers were armed for.
        now_ms: the desk's now (contract 5).
        timers: see `timers.py`.
        recent: hashes of the event ids of the pool's last capacity records, 8 bytes each, oldest first.
        slots: what the newest capacity record said; None: none came, the playbook's number holds.
        slots_told_ms: that record's occurred_at.
        used: automatic transfers since the last reset.
        reset_ms: the last reset; 0: none yet.
        buckets: which buckets hold tickets, as bits.
    """

    armed_for: str
    now_ms: int = 0
    timers: list[Timer] = msgspec.field(default_factory=list)
    recent: bytes = b""
    slots: int | None = None
    slots_told_ms: int = 0
    used: int = 0
    reset_ms: int = 0
    buckets: int = 0


Holder = tuple[str, str]
"""(member_id, playbook)."""


class Desk(Entity):
    """One pool's desk, its tickets by holder. Of a ticket what was changed counts after `ticket_changed`."""

    __slots__ = ("_changed", "head", "tickets")

    def __init__(self, key: str, head: DeskHead) -> None:
        super().__init__(key, head.armed_for)
        self.head = head
        self.tickets: dict[Holder, Ticket] = {}
        self._changed: set[int] = set()

    @classmethod
    def load(cls, key: str, read: Callable[[int], bytes | None]) -> Desk | None:
        """The stored desk with all its tickets, or None when there is none; see `entity.Core.load`."""
        part = read(HEAD_PART)
        if part is None:
            return None
        desk = cls(key, _decode_head(_body(part)))
        for bucket in range(BUCKETS):
            if desk.head.buckets >> bucket & 1 and (stored := read(bucket + 1)) is not None:
                for ticket in _decode_tickets(_body(stored)):
                    desk.tickets[ticket.member_id, ticket.playbook] = ticket
        return desk

    def dump(self) -> Iterator[tuple[int, bytes | None]]:
        """The head, after the buckets that changed since the last call; see `entity.Core.dump`."""
        changed: dict[int, list[Ticket]] = {bucket: [] for bucket in sorted(self._changed)}
        if changed:
            self._changed.clear()
            for ticket in self.tickets.values():
                if (held := changed.get(_bucket_of(ticket.member_id))) is not None:
                    held.append(ticket)
        for bucket, held in changed.items():
            self.head.buckets = self.head.buckets & ~(1 << bucket) | bool(held) << bucket
        self.head.armed_for = self.armed_for
        for bucket, held in changed.items():
            yield bucket + 1, bytes([_VERSION]) + _encode(held) if held else None
        yield HEAD_PART, bytes([_VERSION]) + _encode(self.head)

    def waiting(self) -> list[Ticket]:
        """The tickets that wait, in the order in which they are served (contract 6.1)."""
        return sorted(
            (ticket for ticket in self.tickets.values() if ticket.left_ms is None),
            key=lambda ticket: (ticket.requested_ms, ticket.member_id, ticket.playbook),
        )

    def put(self, ticket: Ticket) -> None:
        """Hold this ticket, in place of its holder's earlier one."""
        self.tickets[ticket.member_id, ticket.playbook] = ticket
        self.ticket_changed(ticket)

    def drop_left_before(self, instant_ms: int) -> None:
        """Let go of the tickets that left before an instant."""
        for holder, ticket in list(self.tickets.items()):
            if ticket.left_ms is not None and ticket.left_ms < instant_ms:
                del self.tickets[holder]
                self.ticket_changed(ticket)

    def ticket_changed(self, ticket: Ticket) -> None:
        """The ticket was changed, added or let go of, and is to be written."""
        self._changed.add(_bucket_of(ticket.member_id))


def _bucket_of(member_id: str) -> int:
    return crc32(member_id.encode()) % BUCKETS


_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(DeskHead).decode
_decode_tickets = msgspec.msgpack.Decoder(list[Ticket]).decode


def _body(part: bytes) -> memoryview:
    if part[0] != _VERSION:
        raise UserError(
            "state-too-new",
            "state folder",
            f"a part of a desk is of version {part[0]}, this Reengage reads {_VERSION}",
            "run the Reengage that wrote it, or a newer one",
        )
    return memoryview(part)[1:]
