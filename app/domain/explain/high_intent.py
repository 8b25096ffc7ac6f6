"""Why somebody who nearly converted was, or was not, to be brought back (contract 6.4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from app.domain import sessions
from app.domain.crossings import CompanyUp
from app.domain.events import Activity
from app.domain.explain.considered import Condition, Considered, Due, Outcome, is_among, span_text
from app.domain.explain.nudges import conditions_of
from app.domain.instants import iso_instant, planned_instant
from app.domain.intent_plan import SEGMENT_PLACEHOLDER
from app.domain.intent_state import HighIntentState, IntentHistory
from app.domain.outputs import Nudge, NudgeSuppressed, WorkflowOpened, WorkflowResolved
from app.domain.sessions import RUNNING, SUCCEEDED, SUCCESS, TIMEOUT, UNSUCCESSFUL
from app.domain.workflow import EXPIRE_TIMER, workflow_id, workflow_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.high_intent import HighIntent
    from app.domain.member import Member
    from app.domain.timers import Timer
    from app.domain.turn import Turn

OPENS = Outcome("a workflow opens", WorkflowOpened.topic)
CONVERTS = Outcome("the workflow is converted", WorkflowResolved.topic, {"resolution": "converted"})
EXPIRES = Outcome("the workflow expires", WorkflowResolved.topic, {"resolution": "expired"})
TIMES = Outcome("what is left of the plan is timed")


class HighIntentExplainer:
    """Satisfies `registry.Explainer`."""

    def consider(self, playbook: HighIntent, turn: Turn, event: Any) -> Iterator[Considered]:
        """What the playbook is about to look at; see `registry.Explainer`."""
        match event:
            case Activity():
                if event.type in playbook.session.activities:
                    yield from self._activity(playbook, turn, event)
                else:
                    listed = is_among("type", event.type, playbook.session.activities, "session")
                    yield Considered(playbook.name, OPENS, [listed])
            case Due(name=name) if name == EXPIRE_TIMER:
                yield Considered(playbook.name, EXPIRES, [_open(playbook, turn, "expires")])
            case Due():
                yield from self._ending(playbook, turn, TIMEOUT)
            case CompanyUp():
                yield self._company_up(playbook, turn, event)
            case _:
                return

    def standing(self, playbook: HighIntent, turn: Turn) -> Iterator[Considered]:
        """Whether a session runs, and what holds the plan back."""
        session = _state(playbook, turn).session
        says = "no session runs"
        if session is not None:
            over_ms = session.last_ms + playbook.session.timeout_ms
            says = f"a session runs since {iso_instant(session.start_ms)}, until {planned_instant(over_ms)} at the latest"
        ended = Condition(name="ended", holds=False, says=says, key="session.timeout")
        yield Considered(playbook.name, OPENS, [ended, *self._opening(playbook, turn)])
        for nudge in turn.member.cold().pending.values():
            if nudge.playbook == playbook.name:
                would = Outcome(f'nudge "{nudge.message.template}" would be sent at once')
                yield Considered(playbook.name, would, [_timed(playbook, turn), *conditions_of(turn, nudge)])

    def awaits(self, playbook: HighIntent, timer: Timer, member: Member) -> str:  # noqa: ARG002  the timer tells all
        """What one of its timers is for."""
        if timer[1] == EXPIRE_TIMER:
            return "resolves the workflow `expired`, unless it is resolved before"
        return "ends the session without success, unless it goes on before"

    def decided_by(self, playbook: HighIntent, output: Any) -> str:
        """The key behind an output."""
        match output:
            case WorkflowOpened():
                return "precedence"
            case WorkflowResolved():
                return "expires" if output.resolution == "expired" else "success"
            case Nudge():
                segment = output.context.get("segment", "")
                templates = [step.template.replace(SEGMENT_PLACEHOLDER, segment) for step in playbook.steps]
                if templates.count(output.template) == 1:
                    return f"nudges[{templates.index(output.template)}]"
                return "nudges"
            case NudgeSuppressed():
                return "nudges"
        return ""

    def _activity(self, playbook: HighIntent, turn: Turn, activity: Activity) -> Iterator[Considered]:
        name = playbook.session.name_of(activity)
        success = _success(playbook, activity, name)
        yield Considered(playbook.name, CONVERTS, [success, _open(playbook, turn, "")])
        yield from self._ending(playbook, turn, name)

    def _ending(self, playbook: HighIntent, turn: Turn, name: str) -> Iterator[Considered]:
        """What a move of the session leads to: a workflow opens at an unsuccessful end, for a reason."""
        rules, state = playbook.session, _state(playbook, turn)
        after = sessions.move(state, name, turn.at_ms, rules.timeout_ms)
        ended = Condition(
            name="ended",
            holds=after == UNSUCCESSFUL and state.session is not None,
            says=_move_words(playbook, name, after, runs=state.session is not None),
            value=after,
            needed=UNSUCCESSFUL,
            key="session",
        )
        if not ended.holds:
            yield Considered(playbook.name, OPENS, [ended])
            return
        yield Considered(playbook.name, OPENS, [ended, *self._opening(playbook, turn)])

    def _opening(self, playbook: HighIntent, turn: Turn) -> Iterator[Condition]:
        """What has to hold once a session has ended without success."""
        session = _state(playbook, turn).session
        workflow = workflow_of(turn, playbook.name)
        if session is not None:
            history = _history(playbook, turn)
            attempts = playbook.count_end(replace(history, ends=list(history.ends)), workflow, turn.at_ms)
            segment = playbook.segments.segment_of(session, attempts)
            seen = (
                f"last page {session.page or 'none'}, {attempts} unsuccessful of {playbook.segments.attempts}"
            )
            late = "a late page seen" if session.is_late else "no late page seen"
            yield Condition(
                name="segment",
                holds=bool(segment),
                says=f"{f'segment {segment}' if segment else 'no segment applies'}: {seen}, {late}",
                value=segment or None,
                needed=list(playbook.segments.precedence),
                key="precedence",
            )
        name = None if workflow is None else workflow_id(playbook.name, turn.member.key, workflow.number)
        says = "no workflow is open" if name is None else f"workflow {name} is open, and goes on"
        yield Condition(name="none_open", holds=name is None, says=says, value=name)

    def _company_up(self, playbook: HighIntent, turn: Turn, up: CompanyUp) -> Considered:
        workflow, history = workflow_of(turn, playbook.name), _history(playbook, turn)
        number = 0 if workflow is None else workflow.number
        own = f"{workflow_id(playbook.name, turn.member.key, number)}/{history.waits}"
        mine = Condition(
            name="playbook",
            holds=up.playbook == playbook.name,
            says=f"{up.company_id} works again; answers a wait of {up.playbook}",
            value=up.playbook,
            needed=playbook.name,
        )
        waits = history.is_waiting and up.event_id == own
        asked = Condition(
            name="wait",
            holds=waits,
            says=f"wait {up.event_id} {'goes on' if waits else 'is over'}",
            value=up.event_id,
            needed=own,
        )
        return Considered(playbook.name, TIMES, [mine, _open(playbook, turn, ""), asked])


def _state(playbook: HighIntent, turn: Turn) -> HighIntentState:
    state = turn.hot.states.get(playbook.name)
    return state if isinstance(state, HighIntentState) else HighIntentState()


def _history(playbook: HighIntent, turn: Turn) -> IntentHistory:
    return turn.member.cold().intents.get(playbook.name) or IntentHistory()


def _success(playbook: HighIntent, activity: Activity, name: str) -> Condition:
    rules, holds = playbook.session, name == SUCCESS
    says = f"{activity.type} is {'a' if holds else 'no'} success"
    needed = {"name": rules.success_page, "state": rules.success_state}
    value: dict[str, Any] | None = None
    if activity.type == rules.page:
        value = {key: activity.attributes.get(key) for key in needed}
        shown, wanted = (json.dumps(each, ensure_ascii=False) for each in (value, needed))
        says = f"page {shown} is {'the' if holds else 'not the'} success{'' if holds else f', {wanted}'}"
    return Condition(name="success", holds=holds, says=says, value=value, needed=needed, key="success")


def _move_words(playbook: HighIntent, name: str, after: str | None, *, runs: bool) -> str:
    if after is None:
        return f"{name} says nothing of a session that runs"
    if name == TIMEOUT:
        return f"no event for {span_text(playbook.session.timeout_ms)}: the session ended"
    return {
        RUNNING: "the session goes on" if runs else "a session begins",
        SUCCEEDED: "the session ended with success",
        UNSUCCESSFUL: f"{name} ends the session without success",
    }[after]


def _open(playbook: HighIntent, turn: Turn, key: str) -> Condition:
    workflow = workflow_of(turn, playbook.name)
    if workflow is None:
        return Condition(name="open", holds=False, says="no workflow is open", key=key)
    name = workflow_id(playbook.name, turn.member.key, workflow.number)
    says = f"workflow {name} is open since {iso_instant(workflow.opened_ms)}"
    return Condition(name="open", holds=True, says=says, value=name, key=key)


def _timed(playbook: HighIntent, turn: Turn) -> Condition:
    """What holds the plan back; a step that is only not due yet has its timer."""
    history, state = _history(playbook, turn), _state(playbook, turn)
    timed = history.from_ms is not None
    says = (
        "nothing times the plan"
        if not timed
        else f"the plan is timed from {iso_instant(history.from_ms or 0)}"
    )
    if history.is_waiting:
        says = f"waits until {history.company_id} works again"
    elif state.session is not None:
        says = "nothing is sent while a session runs"
    return Condition(name="timed", holds=timed, says=says, value=history.from_ms, key="nudges")
