"""Why a re-engager did what it did (contract 6.1): tag and workflow; what follows the set-up, `transfer.py` explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.crossings import MemberMoved, TransferAnswer
from app.domain.events import Activity, TransferEvent
from app.domain.explain import transfer
from app.domain.explain.considered import Condition, Considered, Due, Outcome, Seen, is_among, span_text
from app.domain.explain.transfer import state_of
from app.domain.explain.workflows import none_open
from app.domain.inactivity import Verdict, judge
from app.domain.instants import iso_instant
from app.domain.outputs import (
    Nudge,
    NudgeSuppressed,
    TagChanged,
    TransferFailed,
    TransferRequested,
    WorkflowOpened,
    WorkflowResolved,
)
from app.domain.reengager import INACTIVE_TIMER, Reengager
from app.domain.state import ReengagerState
from app.domain.tags import carries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.member import Member
    from app.domain.timers import Timer
    from app.domain.turn import Turn

OPENS = Outcome("a workflow opens", WorkflowOpened.topic)

_KEYS = {
    WorkflowOpened.topic: "inactivity.activities",
    TransferRequested.topic: "setup.completed_by",
    TransferFailed.topic: "transfer.max_attempts",
    WorkflowResolved.topic: "transfer",
    Nudge.topic: "transfer.max_lag",
    NudgeSuppressed.topic: "transfer.max_lag",
}


class ReengagerExplainer:
    """Satisfies `registry.Explainer`."""

    def consider(self, playbook: Reengager, turn: Turn, event: Any) -> Iterator[Considered]:
        """What the playbook is about to look at; see `registry.Explainer`."""
        match event:
            case Seen(record=MemberMoved()):
                # The history of the other decides, when it is taken over.
                return
            case Seen():
                yield self._first_seen(playbook)
            case Activity():
                yield from self._activity(playbook, turn, event)
            case TransferEvent():
                yield from transfer.on_event(playbook, turn, event)
            case TransferAnswer():
                yield from transfer.on_answer(playbook, turn, event)
            case Due(name=name):
                yield (self._silence if name == INACTIVE_TIMER else transfer.on_overdue)(playbook, turn)
            case _:
                return

    def standing(self, playbook: Reengager, turn: Turn) -> Iterator[Considered]:
        """What it waits for: silence, a return, the end of the set-up."""
        yield self._silence(playbook, turn)
        types, channels = sorted(playbook.activities), sorted(playbook.channels)
        event = Condition(
            name="activity",
            holds=False,
            says=f"waits for one of {', '.join(types)} on {' or '.join(channels)}",
            needed=types,
            key="inactivity.activities",
        )
        yield Considered(
            playbook.name,
            OPENS,
            [_inactive(playbook, turn), none_open(turn, playbook.name), event],
        )
        yield transfer.waiting_for_setup(playbook, turn)

    def awaits(self, playbook: Reengager, timer: Timer, member: Member) -> str:
        """What one of its timers is for."""
        if timer[1] == INACTIVE_TIMER:
            return f'adds tag "{playbook.tag}", unless there is a qualifying activity before'
        state = member.hot.states.get(playbook.name)
        asked = state.transfer if isinstance(state, ReengagerState) else None
        pool = "" if asked is None else f" of pool {asked.pool}"
        return f"tells the operators that nobody has answered the transfer request{pool}"

    def decided_by(self, playbook: Reengager, output: Any) -> str:  # noqa: ARG002  its keys are always the same
        """The key behind an output."""
        if isinstance(output, TagChanged):
            return "inactivity.after" if output.reason == "inactive" else "inactivity.tag"
        return _KEYS.get(output.topic, "")

    def _first_seen(self, playbook: Reengager) -> Considered:
        first = Condition(
            name="first_seen",
            holds=True,
            says="first record of the member, who has never been active",
            key="inactivity.tag",
        )
        fields = {"tag": playbook.tag, "action": "ADDED"}
        return Considered(
            playbook.name, Outcome(f'tag "{playbook.tag}" is added', TagChanged.topic, fields), [first]
        )

    def _activity(self, playbook: Reengager, turn: Turn, activity: Activity) -> Iterator[Considered]:
        completes = activity.type in playbook.setup.completed_by
        if completes:
            yield transfer.on_setup_completed(playbook, turn, activity)
        of_setup = completes or activity.type in playbook.setup.steps
        if of_setup and activity.type not in playbook.activities:
            return
        qualifies = [
            is_among("type", activity.type, playbook.activities, "inactivity.activities"),
            is_among("channel", activity.channel, playbook.channels, "inactivity.channels"),
        ]
        tagged = carries(turn, playbook.tag)
        conditions = [*qualifies, _inactive(playbook, turn)]
        if tagged:
            verdict = _verdict(playbook, turn)
            fields = {"tag": playbook.tag, "action": "REMOVED"}
            removed = Outcome(f'tag "{playbook.tag}" is removed', TagChanged.topic, fields)
            holds = verdict is not Verdict.KEEP_TAG
            yield Considered(
                playbook.name, removed, [*conditions, _return(playbook, turn, verdict, holds=holds)]
            )
            holds = verdict is Verdict.RETURN
            conditions.append(_return(playbook, turn, verdict, holds=holds))
        yield Considered(playbook.name, OPENS, [*conditions, none_open(turn, playbook.name)])

    def _silence(self, playbook: Reengager, turn: Turn) -> Considered:
        state = state_of(playbook, turn)
        last_ms = None if state is None else state.last_ms
        since_ms = None if last_ms is None else turn.at_ms - last_ms
        silent = Condition(
            name="silence",
            holds=since_ms is None or since_ms >= playbook.after_ms,
            says="never active"
            if since_ms is None
            else f"last activity {span_text(since_ms)} ago, needs {span_text(playbook.after_ms)}",
            value=since_ms,
            needed=playbook.after_ms,
            key="inactivity.after",
        )
        since_tag_ms = (turn.hot.tags or {}).get(playbook.tag)
        untagged = Condition(
            name="tag",
            holds=since_tag_ms is None,
            says=f'does not carry tag "{playbook.tag}"'
            if since_tag_ms is None
            else f'carries tag "{playbook.tag}" already, since {iso_instant(since_tag_ms)}',
            value=since_tag_ms,
            key="inactivity.tag",
        )
        fields = {"tag": playbook.tag, "action": "ADDED"}
        added = Outcome(f'tag "{playbook.tag}" is added', TagChanged.topic, fields)
        return Considered(playbook.name, added, [untagged, silent])


def _verdict(playbook: Reengager, turn: Turn) -> Verdict:
    state = state_of(playbook, turn)
    last_ms = None if state is None else state.last_ms
    return judge(turn.at_ms, turn.hot.now_ms, late=turn.late, last_ms=last_ms, after_ms=playbook.after_ms)


def _inactive(playbook: Reengager, turn: Turn) -> Condition:
    state = state_of(playbook, turn)
    holds = carries(turn, playbook.tag)
    if holds:
        says = (
            f'inactive: carries tag "{playbook.tag}" since {iso_instant((turn.hot.tags or {})[playbook.tag])}'
        )
        value = None
    else:
        last_ms = None if state is None else state.last_ms
        value = None if last_ms is None else turn.at_ms - last_ms
        says = f'not inactive: does not carry tag "{playbook.tag}"'
        if value is not None and value >= 0:
            says = f"not inactive: last activity {span_text(value)} ago, needs {span_text(playbook.after_ms)}"
        elif value is not None:
            says = f"not inactive: there was activity {span_text(-value)} later"
    return Condition(
        name="inactive",
        holds=holds,
        says=says,
        value=value,
        needed=playbook.after_ms,
        key="inactivity.after",
    )


def _return(playbook: Reengager, turn: Turn, verdict: Verdict, *, holds: bool) -> Condition:
    """What is made of an activity that may have come late (contract 5, "Late")."""
    state = state_of(playbook, turn)
    last_ms = None if state is None else state.last_ms
    if not turn.late:
        says = "the activity came in time"
    elif last_ms is None:
        says = "late, and there was none before it"
    else:
        gap, limit = span_text(turn.at_ms - last_ms), span_text(playbook.after_ms)
        says = {
            Verdict.RETURN: f"late, and the gap before it, {gap}, reaches {limit}",
            Verdict.RETRACT: f"late, and the gap before it, {gap}, is under {limit}: the tag was wrong",
            Verdict.KEEP_TAG: f"late, {gap} after the last known activity: says nothing of the tag of now",
        }[verdict]
    return Condition(name="return", holds=holds, says=says, value=verdict.value, key="inactivity.after")
