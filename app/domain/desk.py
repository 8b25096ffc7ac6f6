"""A pool's desk: who is transferred to its coaches today, and who waits (contract 6.1, and 8, "Desk").

It hears of requests and withdrawals through internal topics, and answers through another; members do the rest. Whoever
waits does so because no slot is free: every change that frees one serves the waiting at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.crossings import TransferAnswer, TransferQueued, TransferWithdrawn
from app.domain.desk_state import Desk, DeskHead, Ticket
from app.domain.entity import NEVER_MS
from app.domain.events import PoolCapacity
from app.domain.pools import PoolSettings
from app.domain.recent_ids import HASH_BYTES, REMEMBERED, hash_id
from app.domain.reengager import Reengager
from app.domain.timers import arm, cancel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.domain.playbook_set import PlaybookSet
    from app.domain.sink import Sink

RESET_TIMER = "reset"
CAPACITY_FULL = "capacity_full"


class DeskCore:
    """Satisfies `entity.Core` for pools. Holds settings and nothing else; one serves any number of engines.

    A pool has the settings of the managed re-engagers whose `transfer.pool` it is; they agree, or the loader refuses
    them. Any other pool, one that only a profile or a transfer names, has those of the first managed re-engager.
    """

    def __init__(self, playbooks: PlaybookSet) -> None:
        self.playbooks_hash = playbooks.hash
        self._settings: dict[str, PoolSettings] = {}
        for playbook in playbooks.playbooks:
            if isinstance(playbook, Reengager) and playbook.transfer.managed:
                self._settings.setdefault(playbook.transfer.pool, playbook.transfer.settings)
        self._others = next(iter(self._settings.values()), PoolSettings())

    def settings(self, pool: str) -> PoolSettings:
        """What holds for a pool."""
        return self._settings.get(pool, self._others)

    def new(self, key: str) -> Desk:
        """The desk of a pool nobody has asked anything of."""
        return Desk(key, DeskHead(self.playbooks_hash))

    def apply(self, entity: Desk, record: object, sink: Sink) -> bool:
        """Apply one capacity record, request or withdrawal; False for a repeated one.

        Reset, capacity and request of one instant are taken in that order: a reset due by then fires first, and the
        topics' ranks, in `simulate` the world, put capacity before requests.
        """
        match record:
            case PoolCapacity():
                return self._hear_capacity(entity, record, sink)
            case TransferQueued():
                return self._hear_request(entity, record, sink)
            case TransferWithdrawn():
                return self._hear_withdrawal(entity, record, sink)
            case _:
                raise TypeError(f"no record of a desk: {record!r}")

    def fire(self, entity: Desk, until_ms: int, sink: Sink) -> None:
        """Fire the resets due by then, each day's by itself."""
        head = entity.head
        while head.timers and head.timers[0][0] <= until_ms:
            due_ms = head.timers.pop(0)[0]
            head.now_ms = max(head.now_ms, due_ms)
            self._reset(entity, sink)

    def rearm(self, entity: Desk, sink: Sink) -> None:
        """Take over the settings of today: time of the reset, and slots where no capacity record has said how many."""
        entity.armed_for = self.playbooks_hash
        if self._settings:
            # Where no re-engager is managed any more, whoever waits is about to withdraw: a slot would go to nobody.
            self._serve(entity, f"playbooks:{self.playbooks_hash}", sink)
        cancel(entity.head.timers, RESET_TIMER)
        self._arm_reset(entity)

    def next_due_ms(self, entity: Desk) -> int:
        """Due time of the next reset."""
        timers = entity.head.timers
        return timers[0][0] if timers else NEVER_MS

    def load(self, key: str, read: Callable[[int], bytes | None]) -> Desk | None:
        """See `desk_state.Desk.load`."""
        return Desk.load(key, read)

    def dump(self, entity: Desk) -> Iterable[tuple[int, bytes | None]]:
        """See `desk_state.Desk.dump`."""
        return entity.dump()

    def _hear_capacity(self, desk: Desk, record: PoolCapacity, sink: Sink) -> bool:
        """The newest word on the slots counts; free ones serve the waiting at once, who keep their count otherwise."""
        head, id_hash = desk.head, hash_id(record.event_id)
        if id_hash in _hashes(head.recent):
            return False
        self._move(desk, record.occurred_at, sink)
        head.recent = (head.recent + id_hash)[-REMEMBERED * HASH_BYTES :]
        if record.occurred_at >= head.slots_told_ms:
            head.slots, head.slots_told_ms = record.slots_per_day, record.occurred_at
            self._serve(desk, record.event_id, sink)
        return True

    def _hear_request(self, desk: Desk, record: TransferQueued, sink: Sink) -> bool:
        """A slot is free: transferred at once. Else a first attempt has failed, and the member waits."""
        number = _number_of(record.request_id)
        known = desk.tickets.get((record.member_id, record.playbook))
        if known is not None and known.number >= number:
            return False
        self._move(desk, record.occurred_at, sink)
        ticket = Ticket(record.member_id, record.playbook, number, record.occurred_at, record.attempt - 1)
        desk.put(ticket)
        if self._free(desk) > 0:
            self._transfer(desk, ticket, record.cause, sink)
        else:
            self._fail(
                desk, ticket, self.settings(desk.key).next_reset_ms(desk.head.now_ms), record.cause, sink
            )
        self._arm_reset(desk)
        return True

    def _hear_withdrawal(self, desk: Desk, record: TransferWithdrawn, sink: Sink) -> bool:
        """The member does not wait any more. One that was served already has had its slot: nobody gets it back.

        A withdrawal may come before its request, for they lie in two topics; what is left behind refuses that then.
        """
        number = _number_of(record.request_id)
        known = desk.tickets.get((record.member_id, record.playbook))
        if known is not None and (known.number, known.left_ms is not None) > (number, False):
            return False
        self._move(desk, record.occurred_at, sink)
        left_ms = desk.head.now_ms
        desk.put(Ticket(record.member_id, record.playbook, number, record.occurred_at, left_ms=left_ms))
        self._arm_reset(desk)
        return True

    def _move(self, desk: Desk, at_ms: int, sink: Sink) -> None:
        """The desk's now reaches a record: resets due by then come first."""
        self.fire(desk, at_ms, sink)
        desk.head.now_ms = max(desk.head.now_ms, at_ms)

    def _reset(self, desk: Desk, sink: Sink) -> None:
        """A new day: the waiting are served in their order, each who is not has one more attempt failed."""
        head, cause = desk.head, f"timer:{RESET_TIMER}"
        desk.drop_left_before(head.reset_ms)
        head.reset_ms, head.used = head.now_ms, 0
        next_reset_ms = self.settings(desk.key).next_reset_ms(head.now_ms)
        for ticket in desk.waiting():
            if self._free(desk) > 0:
                self._transfer(desk, ticket, cause, sink)
            else:
                self._fail(desk, ticket, next_reset_ms, cause, sink)
        self._arm_reset(desk)

    def _serve(self, desk: Desk, cause: str, sink: Sink) -> None:
        """Give the slots that are free to those waiting, in their order."""
        free = self._free(desk)
        if free > 0:
            for ticket in desk.waiting()[:free]:
                self._transfer(desk, ticket, cause, sink)

    def _free(self, desk: Desk) -> int:
        """Slots left until the reset; below 0 after more were given than there now are."""
        slots = desk.head.slots
        return (self.settings(desk.key).slots_per_day if slots is None else slots) - desk.head.used

    def _transfer(self, desk: Desk, ticket: Ticket, cause: str, sink: Sink) -> None:
        desk.head.used += 1
        _leave(desk, ticket)
        sink.emit(_answer(desk, ticket, cause, "TRANSFERRED"))

    def _fail(self, desk: Desk, ticket: Ticket, next_reset_ms: int, cause: str, sink: Sink) -> None:
        ticket.attempts += 1
        final = ticket.attempts >= self.settings(desk.key).max_attempts
        desk.changed(ticket)
        if final:
            _leave(desk, ticket)
        sink.emit(
            _answer(
                desk,
                ticket,
                cause,
                "ATTEMPT_FAILED",
                final=final,
                next_attempt_at=None if final else next_reset_ms,
                reason=CAPACITY_FULL,
            )
        )

    def _arm_reset(self, desk: Desk) -> None:
        """While slots are used or tickets held, a reset is to come; else a new day would change nothing."""
        head = desk.head
        if not head.timers and (head.used or desk.tickets):
            arm(head.timers, self.settings(desk.key).next_reset_ms(head.now_ms), RESET_TIMER)


def _leave(desk: Desk, ticket: Ticket) -> None:
    ticket.left_ms = desk.head.now_ms
    desk.changed(ticket)


def _answer(
    desk: Desk,
    ticket: Ticket,
    cause: str,
    outcome: str,
    *,
    final: bool = False,
    next_attempt_at: int | None = None,
    reason: str | None = None,
) -> TransferAnswer:
    """The answer to a ticket's request, at the desk's now."""
    request_id = f"{ticket.member_id}/{ticket.number}"
    attempts = ticket.attempts + (outcome == "TRANSFERRED")
    return TransferAnswer(
        event_id=f"{request_id}#{attempts}",
        occurred_at=desk.head.now_ms,
        cause=cause,
        member_id=ticket.member_id,
        pool=desk.key,
        playbook=ticket.playbook,
        request_id=request_id,
        type=outcome,
        attempts=attempts,
        final=final,
        next_attempt_at=next_attempt_at,
        reason=reason,
    )


def _number_of(request_id: str) -> int:
    """The sequence of the transfer-requested: of two requests of a member the later one has the higher."""
    return int(request_id.rpartition("/")[2])


def _hashes(recent: bytes) -> set[bytes]:
    return {recent[place : place + HASH_BYTES] for place in range(0, len(recent), HASH_BYTES)}
