"""What is stored of a pool's desk: part 0, the head, and the tickets in as many parts as it takes.

Tickets are spread over buckets by member, so that a pool with a hundred thousand waiting still writes records Kafka
takes, and a request rewrites one bucket only. The first byte of a part is its version; see `stored.py`.
"""

from __future__ import annotations

from binascii import crc32

import msgspec

from app.domain.parts import Bucketed
from app.domain.timers import Timer  # noqa: TC001  msgspec resolves the annotation when it builds its codec


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


class Desk(Bucketed[DeskHead, Holder, Ticket]):
    """One pool's desk, its tickets by holder."""

    WHOSE, VERSION, BUCKETS = "a desk", 1, 64
    HEADS = msgspec.msgpack.Decoder(DeskHead)
    THINGS = msgspec.msgpack.Decoder(list[Ticket])

    __slots__ = ()

    @staticmethod
    def key_of(thing: Ticket) -> Holder:
        """The holder."""
        return thing.member_id, thing.playbook

    @staticmethod
    def bucket_of(thing: Ticket) -> int:
        """By member."""
        return crc32(thing.member_id.encode()) % Desk.BUCKETS

    @property
    def tickets(self) -> dict[Holder, Ticket]:
        """All tickets, by holder."""
        return self.held

    def waiting(self) -> list[Ticket]:
        """The tickets that wait, in the order in which they are served (contract 6.1)."""
        return sorted(
            (ticket for ticket in self.tickets.values() if ticket.left_ms is None),
            key=lambda ticket: (ticket.requested_ms, ticket.member_id, ticket.playbook),
        )

    def put(self, ticket: Ticket) -> None:
        """Hold this ticket, in place of its holder's earlier one."""
        self.tickets[ticket.member_id, ticket.playbook] = ticket
        self.changed(ticket)

    def drop_left_before(self, instant_ms: int) -> None:
        """Let go of the tickets that left before an instant."""
        for holder, ticket in list(self.tickets.items()):
            if ticket.left_ms is not None and ticket.left_ms < instant_ms:
                del self.tickets[holder]
                self.changed(ticket)
