"""Planned nudges and their outcomes: each is kept until it has exactly one, sent or suppressed (contract 4).

Who decides which outcome is `nudges.py`'s business; this is what the life of workflows needs of nudges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.nudge_state import Sent
from app.domain.outputs import Nudge, NudgeSuppressed
from app.domain.timers import arm, cancel

if TYPE_CHECKING:
    from app.domain.nudge_state import Pending
    from app.domain.playbook import Playbook
    from app.domain.turn import Turn

NUDGE_TIMER = "nudge"

MEMBER = "MEMBER"
COACH = "COACH"
OWNER = "OWNER"
OPERATOR = "OPERATOR"
OPERATORS = "operators"
"""Recipient of every OPERATOR nudge (contract 6.6)."""

RESOLVED = "workflow_resolved"


def recipient_of(turn: Turn, nudge: Pending) -> str | None:
    """Who the nudge is for, as the member's profile says now; None where that is not known."""
    message, hot = nudge.message, turn.hot
    if message.recipient_id is not None:
        return message.recipient_id
    match message.role:
        case "COACH":
            return hot.coach_id
        case "OWNER":
            return hot.owner_id
        case "OPERATOR":
            return OPERATORS
        case _:
            return turn.member.key


def keep(turn: Turn, nudge: Pending, due_ms: int) -> None:
    """Remember a planned nudge, and have the timer `nudge` fire when it is to be judged."""
    pending = turn.member.cold().pending
    last = next(reversed(pending), "#0").rpartition("#")[2]
    # Timers of one instant go by playbook, then by engagement, then in the order of planning (contract 5).
    ref = f"{nudge.stem.partition(':')[2]}#{int(last) + 1:06d}"
    pending[ref] = nudge
    _changed(turn)
    arm(turn.hot.timers, due_ms, NUDGE_TIMER, nudge.playbook, ref)


def retime(turn: Turn, ref: str, nudge: Pending, due_ms: int) -> None:
    """Have a planned nudge judged at another instant."""
    _changed(turn)
    arm(turn.hot.timers, due_ms, NUDGE_TIMER, nudge.playbook, ref)


def forget(turn: Turn, ref: str) -> None:
    """The nudge has its outcome."""
    nudge = turn.member.cold().pending.pop(ref)
    _changed(turn)
    cancel(turn.hot.timers, NUDGE_TIMER, nudge.playbook, ref)


def send(turn: Turn, playbook: Playbook | None, nudge: Pending, recipient_id: str, channel: str) -> None:
    """Outcome: one nudge. One to the member is remembered as long as caps and attribution need it."""
    message, now_ms = nudge.message, turn.hot.now_ms
    nudge_id = _count(turn, nudge)
    if message.role == MEMBER:
        cold = turn.member.cold()
        from_ms = now_ms - turn.playbooks.policy.remember_ms
        cold.sent = [sent for sent in cold.sent if sent.at_ms >= from_ms]
        cold.sent.append(Sent(nudge_id, now_ms, channel))
        turn.member.cold_changed()
    turn.emit(
        Nudge,
        playbook,
        nudge_id=nudge_id,
        workflow_id=nudge.workflow_id,
        recipient_role=message.role,
        recipient_id=recipient_id,
        channel=channel,
        template=message.template,
        call_to_action=message.call_to_action,
        incentive=message.incentive,
        context=message.context,
    )


def suppress(turn: Turn, playbook: Playbook | None, nudge: Pending, reason: str) -> None:
    """Outcome: one nudge-suppressed, with its reason (contract 4)."""
    turn.emit(
        NudgeSuppressed,
        playbook,
        nudge_id=_count(turn, nudge),
        workflow_id=nudge.workflow_id,
        recipient_role=nudge.message.role,
        recipient_id=recipient_of(turn, nudge),
        template=nudge.message.template,
        reason=reason,
    )


def drop_workflows_nudges(turn: Turn, playbook: Playbook | None, stem: str) -> None:
    """The stem's workflow is being resolved, and still counted as open: its nudges are dropped, in plan order."""
    if turn.hot.pending:
        for ref, nudge in list(turn.member.cold().pending.items()):
            if nudge.stem == stem:
                suppress(turn, playbook, nudge, RESOLVED)
                forget(turn, ref)


def drop_nudges(turn: Turn) -> None:
    """Drop all planned nudges, in plan order, of a member who is forgotten, or merged into another (contract 5)."""
    if turn.hot.pending:
        for ref, nudge in list(turn.member.cold().pending.items()):
            suppress(turn, turn.playbooks.by_name.get(nudge.playbook), nudge, RESOLVED)
            forget(turn, ref)


def _count(turn: Turn, nudge: Pending) -> str:
    """The nudge's id: it counts the outcomes of its workflow, else of its playbook (contract 4, nudge)."""
    hot = turn.hot
    workflow = (hot.workflows or {}).get(nudge.stem)
    if workflow is not None:
        workflow.nudges += 1
        return f"{nudge.workflow_id}#{workflow.nudges}"
    if hot.nudges is None:
        hot.nudges = {}
    number = hot.nudges[nudge.playbook] = hot.nudges.get(nudge.playbook, 0) + 1
    return f"{nudge.playbook}:{turn.member.key}#{number}"


def _changed(turn: Turn) -> None:
    member = turn.member
    member.cold_changed()
    turn.hot.pending = len(member.cold().pending)
    turn.page_changed = True
