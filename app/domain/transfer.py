"""The transfer to a coach, as a table of legal moves, and what each of them puts out (contract 6.1).

A transfer is pending for every new member, and again after each PROGRAM_ASSIGNED. It is asked for when the member's
set-up is completed. Who answers is a matter of the playbook: the pool's desk (`desk.py`), or another system.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.domain.crossings import TransferQueued, TransferWithdrawn
from app.domain.instants import CLOCKS_APART_MS, MINUTE_MS, iso_instant
from app.domain.lifecycle import Move
from app.domain.nudge_state import Message
from app.domain.nudges import plan_nudge
from app.domain.outputs import TransferFailed, TransferRequested
from app.domain.pending import OPERATOR
from app.domain.pools import PoolSettings
from app.domain.timers import arm, cancel
from app.domain.workflow import is_open

if TYPE_CHECKING:
    from app.domain.crossings import TransferAnswer
    from app.domain.events import TransferEvent
    from app.domain.playbook import Playbook
    from app.domain.transfer_state import Transfer
    from app.domain.turn import Turn

NONE, PENDING, WAITING, FAILED, DONE = "NONE", "PENDING", "WAITING", "FAILED", "DONE"

OVERDUE_TIMER = "overdue"
OVERDUE_TEMPLATE = "transfer_overdue"

MOVES = (
    Move(PENDING, "requested", WAITING, "the set-up is completed"),
    Move(WAITING, "attempt_failed", WAITING, "no slot is free, or ATTEMPT_FAILED of the other system"),
    Move(WAITING, "failed_finally", FAILED, "as many attempts have failed as there may be"),
    Move(NONE, "transferred", DONE, "TRANSFERRED on transfer"),
    Move(PENDING, "transferred", DONE, "TRANSFERRED on transfer"),
    Move(WAITING, "transferred", DONE, "the desk had a slot, or TRANSFERRED on transfer"),
    Move(FAILED, "transferred", DONE, "TRANSFERRED on transfer"),
    Move(PENDING, "cancelled", NONE, "CANCELLED on transfer"),
    Move(WAITING, "cancelled", NONE, "CANCELLED on transfer"),
    Move(FAILED, "cancelled", NONE, "CANCELLED on transfer"),
    Move(DONE, "cancelled", NONE, "CANCELLED on transfer"),
    Move(NONE, "assigned", PENDING, "PROGRAM_ASSIGNED on transfer"),
    Move(PENDING, "assigned", PENDING, "PROGRAM_ASSIGNED on transfer"),
    Move(WAITING, "assigned", PENDING, "PROGRAM_ASSIGNED on transfer"),
    Move(FAILED, "assigned", PENDING, "PROGRAM_ASSIGNED on transfer"),
    Move(DONE, "assigned", PENDING, "PROGRAM_ASSIGNED on transfer"),
)
"""Every legal move; the documents' diagram is drawn from this table. What is not in it, such as a second completion of
the set-up, an answer nobody asked for or a second transfer by hand, changes nothing."""

_AFTER = {(move.before, move.name): move.after for move in MOVES}


@dataclass(frozen=True, kw_only=True)
class TransferRules:
    """A playbook's settings of the transfer; the defaults are contract 6.1's.

    Attributes:
        managed: whether the pool's desk answers; else another system does, on `transfer`.
        pool: for members of whom neither transfer nor profile names one.
        settings: of that pool's desk; of an unmanaged playbook only `max_attempts` counts.
        max_lag_ms: unmanaged: how long an answer may take before the operators are told.
    """

    managed: bool = True
    pool: str = "default"
    settings: PoolSettings = field(default_factory=PoolSettings)
    max_lag_ms: int = 30 * MINUTE_MS


def request(turn: Turn, playbook: Playbook, rules: TransferRules, transfer: Transfer) -> None:
    """The set-up is completed: ask for the transfer, if one is pending."""
    if _move(turn, transfer, "requested"):
        profile = turn.member.cold().profile
        transfer.pool = transfer.pool or profile.pool or rules.pool
        transfer.program = transfer.program or profile.program
        transfer.attempts = 0
        _ask(turn, playbook, rules, transfer)


def assign(turn: Turn, playbook: Playbook, transfer: Transfer, event: TransferEvent) -> bool:
    """PROGRAM_ASSIGNED: a transfer is pending, to the event's pool and program; False for what is no news."""
    if turn.at_ms < transfer.told_ms:
        return False
    withdraw(turn, playbook.name, transfer, "assigned")
    _move(turn, transfer, "assigned")
    transfer.told_ms = transfer.assigned_ms = turn.at_ms
    transfer.pool, transfer.program = event.pool, event.program
    transfer.attempts = transfer.request = transfer.requested_ms = 0
    return True


def cancel_transfer(turn: Turn, playbook: Playbook, transfer: Transfer) -> None:
    """CANCELLED: nothing is pending until a program is assigned."""
    if turn.at_ms >= transfer.told_ms:
        withdraw(turn, playbook.name, transfer, "cancelled")
        _move(turn, transfer, "cancelled")
        transfer.told_ms = turn.at_ms
        transfer.pool = transfer.program = None
        transfer.attempts = transfer.request = transfer.requested_ms = 0


def finish(turn: Turn, playbook: Playbook, transfer: Transfer) -> None:
    """TRANSFERRED on `transfer`: by hand, or by another system; a desk of ours has nothing more to do."""
    if turn.at_ms >= transfer.told_ms:
        withdraw(turn, playbook.name, transfer, "transferred")
        _move(turn, transfer, "transferred")
        transfer.told_ms = turn.at_ms


def hear_attempt_failed(turn: Turn, playbook: Playbook, rules: TransferRules, transfer: Transfer) -> None:
    """ATTEMPT_FAILED on `transfer`, by the other system of an unmanaged playbook; the member counts them.

    One that was not asked for, or from before the request, says nothing of it.
    """
    if not rules.managed and turn.at_ms >= asked_from_ms(transfer):
        attempts = transfer.attempts + 1
        final = attempts >= rules.settings.max_attempts
        if _move(turn, transfer, "failed_finally" if final else "attempt_failed"):
            cancel(turn.hot.timers, OVERDUE_TIMER, playbook.name)
            _fail(turn, playbook, transfer, attempts, final=final, next_attempt_at=None)


def asked_from_ms(transfer: Transfer) -> int:
    """From when on an answer may be one to the request, whose own time a clock running ahead has set (contract 3)."""
    return max(transfer.assigned_ms, transfer.requested_ms - CLOCKS_APART_MS)


def hear_desk(turn: Turn, playbook: Playbook, transfer: Transfer, answer: TransferAnswer) -> bool:
    """The desk's answer; True when the member is transferred by it.

    Only the answer to the request that waits counts. One to a request withdrawn since comes too late.
    """
    if not is_asked_for(turn, transfer, answer):
        return False
    if answer.type == "TRANSFERRED":
        transfer.attempts = answer.attempts
        transfer.told_ms = max(transfer.told_ms, turn.at_ms)
        return _move(turn, transfer, "transferred")
    if answer.attempts > transfer.attempts and _move(
        turn, transfer, "failed_finally" if answer.final else "attempt_failed"
    ):
        _fail(
            turn,
            playbook,
            transfer,
            answer.attempts,
            final=answer.final,
            next_attempt_at=answer.next_attempt_at,
        )
    return False


def is_asked_for(turn: Turn, transfer: Transfer, answer: TransferAnswer) -> bool:
    """Whether it answers the request that waits."""
    return answer.request_id == _request_id(turn, transfer) and transfer.state == WAITING


def withdraw(turn: Turn, playbook: str, transfer: Transfer, reason: str) -> None:
    """Whoever was asked need not answer any more. Before the move that says why; nothing, if nobody was asked."""
    if transfer.state != WAITING:
        return
    if not transfer.at_desk:
        cancel(turn.hot.timers, OVERDUE_TIMER, playbook)
        return
    request_id = _request_id(turn, transfer)
    turn.sink.emit(
        TransferWithdrawn(
            event_id=f"{request_id}/withdrawn",
            occurred_at=turn.hot.now_ms,
            cause=turn.cause,
            pool=transfer.pool or "",
            member_id=turn.member.key,
            request_id=request_id,
            playbook=playbook,
            reason=reason,
        )
    )


def tell_overdue(turn: Turn, playbook: Playbook, transfer: Transfer) -> None:
    """The timer `overdue`: nobody has answered within `max_lag`."""
    context = {"pool": transfer.pool or "", "requested_at": iso_instant(transfer.requested_ms)}
    if transfer.program is not None:
        context["program"] = transfer.program
    stem = playbook.name if is_open(turn, playbook.name) else ""
    plan_nudge(turn, playbook, Message(OPERATOR, OVERDUE_TEMPLATE, context=context), stem=stem)


def rearm_transfer(turn: Turn, playbook: Playbook, rules: TransferRules, transfer: Transfer) -> None:
    """The playbook may have changed: who answers, and how long that may take.

    A request that waits with the one who no longer answers is made anew, to the other.
    """
    if transfer.state != WAITING:
        return
    if transfer.at_desk != rules.managed:
        withdraw(turn, playbook.name, transfer, "playbook_changed")
        _ask(turn, playbook, rules, transfer)
    elif any(timer[1:3] == (OVERDUE_TIMER, playbook.name) for timer in turn.hot.timers):
        arm(turn.hot.timers, transfer.requested_ms + rules.max_lag_ms, OVERDUE_TIMER, playbook.name)


def _ask(turn: Turn, playbook: Playbook, rules: TransferRules, transfer: Transfer) -> None:
    """Put the request out, and have it answered."""
    hot = turn.hot
    turn.emit(
        TransferRequested,
        playbook,
        pool=transfer.pool,
        program=transfer.program,
        attempt=transfer.attempts + 1,
    )
    transfer.request, transfer.requested_ms = hot.sequence, hot.now_ms
    transfer.at_desk = rules.managed
    if not rules.managed:
        arm(hot.timers, hot.now_ms + rules.max_lag_ms, OVERDUE_TIMER, playbook.name)
        return
    request_id = _request_id(turn, transfer)
    turn.sink.emit(
        TransferQueued(
            event_id=request_id,
            occurred_at=hot.now_ms,
            cause=turn.cause,
            pool=transfer.pool or "",
            member_id=turn.member.key,
            request_id=request_id,
            program=transfer.program,
            attempt=transfer.attempts + 1,
            playbook=playbook.name,
        )
    )


def _fail(
    turn: Turn,
    playbook: Playbook,
    transfer: Transfer,
    attempts: int,
    *,
    final: bool,
    next_attempt_at: int | None,
) -> None:
    transfer.attempts = attempts
    turn.emit(
        TransferFailed,
        playbook,
        pool=transfer.pool,
        program=transfer.program,
        attempts=attempts,
        final=final,
        next_attempt_at=next_attempt_at,
    )


def may(transfer: Transfer, name: str) -> bool:
    """Whether a move is legal in the transfer's state."""
    return (transfer.state, name) in _AFTER


def _move(turn: Turn, transfer: Transfer, name: str) -> bool:
    """Make a move if it is legal in the transfer's state; else nothing changes."""
    after = _AFTER.get((transfer.state, name))
    if after is None:
        return False
    transfer.state = after
    turn.page_urgent = True
    return True


def _request_id(turn: Turn, transfer: Transfer) -> str:
    return f"{turn.member.key}/{transfer.request}"
