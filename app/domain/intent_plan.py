"""The nudges that are to bring somebody back: one plan a workflow, timed anew at every unsuccessful end (contract 6.4).

What is planned lies with all other nudges, each under its step of the plan; what was sent or suppressed is not there
any more, so that each step has one outcome. While nothing times them, they have no timer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.instants import HOUR_MS
from app.domain.links import fill_link
from app.domain.nudge_state import Message, Pending
from app.domain.nudges import MOST_PENDING, nudge_due
from app.domain.pending import MEMBER, NUDGE_TIMER, RESOLVED, forget, keep, retime, suppress
from app.domain.policy import ATTRIBUTION_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.domain.intent_state import IntentHistory
    from app.domain.playbook import Playbook
    from app.domain.turn import Turn

SEGMENT_PLACEHOLDER = "{segment}"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One nudge of the plan; the defaults are contract 6.4's.

    Attributes:
        after_ms: how long after the unsuccessful end.
        template: name of the text, in which `{segment}` stands for the current segment.
        channels, incentive: see `nudge_state.Message`.
    """

    after_ms: int = HOUR_MS
    template: str = SEGMENT_PLACEHOLDER
    channels: tuple[str, ...] = ()
    incentive: str | None = None


def plan(turn: Turn, playbook: Playbook, steps: Sequence[Step], segment: str, workflow_id: str) -> None:
    """Plan every step for the workflow that was just opened; nothing times them yet."""
    for number, step in enumerate(steps):
        message = Message(MEMBER, _template(step, segment))
        nudge = Pending(message, playbook.name, playbook.name, workflow_id, turn.hot.now_ms, number)
        if turn.hot.pending < MOST_PENDING:
            keep(turn, nudge, turn.hot.now_ms)
        else:
            suppress(turn, playbook, nudge, "capped")
    pause(turn, playbook)


def pause(turn: Turn, playbook: Playbook) -> None:
    """Nothing is sent until the plan is timed again, not even what quiet hours hold."""
    timers = turn.hot.timers
    going = [timer for timer in timers if timer[1] != NUDGE_TIMER or timer[2] != playbook.name]
    if len(going) == len(timers):
        return
    timers[:] = going
    turn.page_changed = True
    for _, nudge in _planned(turn, playbook):
        if nudge.held:
            nudge.held = False
            turn.member.cold_changed()


def is_done(turn: Turn, playbook: Playbook) -> bool:
    """Whether no step is left to be sent."""
    return next(_planned(turn, playbook), None) is None


def address(
    turn: Turn, playbook: Playbook, steps: Sequence[Step], deep_link: str, history: IntentHistory
) -> None:
    """Write what is left of the plan for the current segment, and for the step the member is to go back to."""
    company_id = history.company_id
    values = {"step": history.step, "company_id": company_id, "member_id": turn.member.key}
    link = fill_link(deep_link, values)
    context = {"segment": history.segment, **context_of(history)}
    for _, nudge in _planned(turn, playbook):
        step = steps[nudge.step]
        nudge.message = Message(
            MEMBER,
            _template(step, history.segment),
            channels=step.channels,
            call_to_action=link,
            incentive=step.incentive,
            context=context,
        )
        turn.member.cold_changed()


def context_of(history: IntentHistory) -> dict[str, str]:
    """What the workflow and its nudges say of how it came; what is not known is left out."""
    known = {"page": history.page, "company_id": history.company_id, "step": history.step}
    found = {name: value for name, value in known.items() if value is not None}
    return {**found, "attempts": str(history.attempts)}


def time_from(turn: Turn, playbook: Playbook, steps: Sequence[Step], from_ms: int) -> None:
    """Have every step left judged its `after` from an instant on; what is due by now is judged now, in that order."""
    due: list[tuple[int, str]] = []
    for ref, nudge in _planned(turn, playbook):
        nudge.held = False
        due_ms = from_ms + steps[nudge.step].after_ms
        retime(turn, ref, nudge, due_ms)
        if due_ms <= turn.hot.now_ms:
            due.append((due_ms, ref))
    for due_ms, ref in sorted(due):
        nudge_due(turn, (due_ms, NUDGE_TIMER, playbook.name, ref))


def time_anew(turn: Turn, playbook: Playbook, steps: Sequence[Step], from_ms: int | None) -> None:
    """The playbook may have changed: steps it no longer has are dropped, the others timed by today's `after`.

    `from_ms`: see `IntentHistory`. What the policy holds is left to it.
    """
    for ref, nudge in list(_planned(turn, playbook)):
        if nudge.step >= len(steps):
            suppress(turn, playbook, nudge, RESOLVED)
            forget(turn, ref)
        elif from_ms is not None and not nudge.held:
            retime(turn, ref, nudge, from_ms + steps[nudge.step].after_ms)


def attributed_nudge(turn: Turn, workflow_id: str, at_ms: int) -> str | None:
    """The workflow's last nudge that was sent at most 7 d before a success at that instant; None for none."""
    for sent in reversed(turn.member.cold().sent):
        is_own = sent.nudge_id.startswith(f"{workflow_id}#")
        if is_own and at_ms - ATTRIBUTION_MS <= sent.at_ms <= at_ms:
            return sent.nudge_id
    return None


def _template(step: Step, segment: str) -> str:
    return step.template.replace(SEGMENT_PLACEHOLDER, segment)


def _planned(turn: Turn, playbook: Playbook) -> Iterator[tuple[str, Pending]]:
    """The steps without an outcome, in plan order, each with its timer's ref."""
    if turn.hot.pending:
        for ref, nudge in turn.member.cold().pending.items():
            if nudge.playbook == playbook.name:
                yield ref, nudge
