"""Planning nudges, and judging each when its time comes: the gate every message to a member passes (contract 6.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.nudge_state import Pending
from app.domain.pending import (
    MEMBER,
    OPERATOR,
    forget,
    keep,
    recipient_of,
    retime,
    send,
    suppress,
)
from app.domain.workflow import workflow_id

if TYPE_CHECKING:
    from app.domain.nudge_state import Message
    from app.domain.playbook import Playbook
    from app.domain.timers import Timer
    from app.domain.turn import Turn

MOST_PENDING = 100
"""Planned nudges a member can have; one more is suppressed `capped` at once, so that a state stays writable."""


class Verdict(NamedTuple):
    """What is to become of a nudge to the member; exactly one of the three is given."""

    channel: str = ""
    suppressed: str = ""
    wait_until_ms: int = 0


def plan_nudge(
    turn: Turn, playbook: Playbook, message: Message, *, stem: str = "", after_ms: int = 0, step: int = 0
) -> None:
    """Plan one nudge, `after_ms` after the member's now; without that it is judged at once.

    Args:
        turn: of the member it is about.
        playbook: plans it.
        message: what is to be said to whom.
        stem: of the open workflow it belongs to, with which it is dropped; empty: it belongs to none.
        after_ms: 0 or more.
        step: which of the playbook's steps it is; see `Pending`.
    """
    nudge = _planned(turn, playbook, message, stem, step)
    if after_ms > 0:
        _wait(turn, playbook, nudge, None, turn.hot.now_ms + after_ms)
    else:
        _decide(turn, playbook, nudge, None)


def suppress_nudge(turn: Turn, playbook: Playbook, message: Message, reason: str, *, stem: str = "") -> None:
    """Plan one nudge that a rule of the playbook forbids: it is suppressed at once, before the policy is asked."""
    suppress(turn, playbook, _planned(turn, playbook, message, stem, 0), reason)


def nudge_due(turn: Turn, timer: Timer) -> None:
    """The timer `nudge`: a planned nudge's time has come, or what it was waiting for is over."""
    _, _, playbook, ref = timer
    nudge = turn.member.cold().pending[ref]
    _decide(turn, turn.playbooks.by_name[playbook], nudge, ref)


def retime_held_nudges(turn: Turn) -> None:
    """Zone, country or policy are different now: what waits, waits until it may be sent under what holds now."""
    if not turn.hot.pending:
        return
    profile, policy = turn.member.cold().profile, turn.playbooks.policy
    for ref, nudge in turn.member.cold().pending.items():
        if nudge.held:
            due_ms = policy.released_ms(turn.hot.now_ms, profile, turn.member.key)
            retime(turn, ref, nudge, due_ms)


def snooze_nudges(turn: Turn, stem: str | None, until_ms: int) -> None:
    """SNOOZE_NUDGES: from now until `until_ms` the workflow's nudges to the member are suppressed; None: all.

    The newest word counts, also one that ends an earlier snooze.
    """
    if stem is not None:
        workflow = (turn.hot.workflows or {})[stem]
        workflow.snoozed_until_ms = until_ms
    else:
        turn.member.cold().snoozed_until_ms = until_ms
        turn.member.cold_changed()


def judge(turn: Turn, nudge: Pending) -> Verdict:
    """Judge a nudge to the member at the member's now, in contract 6.6's order. Its workflow, if any, is open."""
    member, policy, now_ms = turn.member, turn.playbooks.policy, turn.hot.now_ms
    cold = member.cold()
    if policy.holds_out(nudge.playbook, member.key):
        return Verdict(suppressed="held_out")
    if now_ms < snoozed_until_ms(turn, nudge):
        return Verdict(suppressed="snoozed")
    channel, missing = policy.channel_for(cold.profile, nudge.message.channels)
    if missing:
        return Verdict(suppressed=missing)
    if policy.open_from_ms(now_ms, cold.profile) > now_ms:
        return Verdict(wait_until_ms=policy.released_ms(now_ms, cold.profile, member.key))
    if policy.is_capped(now_ms, cold.sent):
        return Verdict(suppressed="capped")
    return Verdict(channel=channel)


def snoozed_until_ms(turn: Turn, nudge: Pending) -> int:
    """Until when the nudge would be suppressed because the member, or its workflow, is snoozed; 0: never was."""
    workflow = (turn.hot.workflows or {}).get(nudge.stem)
    of_workflow = 0 if workflow is None else workflow.snoozed_until_ms
    return max(turn.member.cold().snoozed_until_ms, of_workflow)


def _planned(turn: Turn, playbook: Playbook, message: Message, stem: str, step: int) -> Pending:
    workflow = (turn.hot.workflows or {}).get(stem)
    of_workflow = None if workflow is None else workflow_id(stem, turn.member.key, workflow.number)
    return Pending(message, playbook.name, stem, of_workflow, turn.hot.now_ms, step)


def _decide(turn: Turn, playbook: Playbook, nudge: Pending, ref: str | None) -> None:
    """Give the nudge its outcome, or have it wait. `ref`: of its timer; None for one that is not kept yet."""
    if nudge.message.role != MEMBER:
        _pass(turn, playbook, nudge)
    else:
        verdict = turn.playbooks.judge(turn, nudge)
        if verdict.wait_until_ms:
            nudge.held = True
            _wait(turn, playbook, nudge, ref, verdict.wait_until_ms)
            return
        if verdict.suppressed:
            suppress(turn, playbook, nudge, verdict.suppressed)
        else:
            send(turn, playbook, nudge, turn.member.key, verdict.channel)
    if ref is not None:
        forget(turn, ref)


def _wait(turn: Turn, playbook: Playbook, nudge: Pending, ref: str | None, due_ms: int) -> None:
    if ref is not None:
        retime(turn, ref, nudge, due_ms)
    elif turn.hot.pending < MOST_PENDING:
        keep(turn, nudge, due_ms)
    else:
        suppress(turn, playbook, nudge, "capped")


def _pass(turn: Turn, playbook: Playbook, nudge: Pending) -> None:
    """COACH, OWNER and OPERATOR nudges go past the policy."""
    recipient_id = recipient_of(turn, nudge)
    if recipient_id is None:
        suppress(turn, playbook, nudge, "no_channel")
    else:
        send(turn, playbook, nudge, recipient_id, "IN_APP" if nudge.message.role == OPERATOR else "EMAIL")
