"""Why a reactivation waited, chose a response, or found none (contract 6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.events import Activity, MemberProfile
from app.domain.explain.considered import Condition, Considered, Due, Outcome, is_among, span_text
from app.domain.explain.workflows import is_open, not_open
from app.domain.instants import iso_instant
from app.domain.outputs import Nudge, NudgeSuppressed, WorkflowOpened, WorkflowResolved
from app.domain.outputs import Reactivation as ReactivationRecord
from app.domain.reactivation_choice import (
    DEFAULT_INSERTED,
    NON_RESPONSE_ACTIVATED,
    NONE_FOUND,
    PROMPT_KEPT,
    choose,
    is_eligible,
    latest_active,
)
from app.domain.reactivation_triggers import ActivityTrigger, LeadChange, PromptTrigger, ScoreTrigger
from app.domain.responses import Response, ResponseChange, responses_of
from app.domain.scores import ScoreChange
from app.domain.state import ReactivationState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.member import Member
    from app.domain.reactivation import Reactivation
    from app.domain.timers import Timer
    from app.domain.turn import Turn

WAITS = Outcome("a wait begins")
DECIDES = Outcome("a reactivation is decided", ReactivationRecord.topic)
OPENS = Outcome("a workflow opens", WorkflowOpened.topic)
CLOSED = Outcome("the workflow is resolved", WorkflowResolved.topic, {"resolution": "response_closed"})
LEAD_GONE = Outcome("the workflow is resolved", WorkflowResolved.topic, {"resolution": "lead_inactive"})

_ACTION_KEYS = {
    NON_RESPONSE_ACTIVATED: "non_responses",
    DEFAULT_INSERTED: "default_response",
    PROMPT_KEPT: "prompt_campaigns",
}
_MOST_TOLD = 5
"""Candidates of which it is told why they are not eligible; the newest ones."""


class ReactivationExplainer:
    """Satisfies `registry.Explainer`."""

    def consider(self, playbook: Reactivation, turn: Turn, event: Any) -> Iterator[Considered]:
        """What the playbook is about to look at; see `registry.Explainer`."""
        if isinstance(event, Due):
            yield from self._choice(playbook, turn, [])
            return
        if isinstance(event, ResponseChange):
            yield self._closing(playbook, turn, event)
        lead = None
        if isinstance(event, MemberProfile):
            if event.lead_status is None or not playbook.inactive_statuses:
                return
            lead = _lead_change(playbook, turn)
            yield self._lead_gone(playbook, turn, lead, event.lead_status)
        met = list(_trigger(playbook, event, lead))
        if met:
            yield Considered(playbook.name, WAITS, [*met, _not_waiting(playbook, turn)])

    def standing(self, playbook: Reactivation, turn: Turn) -> Iterator[Considered]:
        """What it waits for: its trigger, or the end of the wait."""
        triggered_ms = _state(playbook, turn).triggered_ms
        if triggered_ms is None:
            says, value = f"waits for its trigger: {_listens_to(playbook)}", None
        else:
            value = triggered_ms + playbook.wait_ms
            says = f"waits until {iso_instant(value)}, {span_text(playbook.wait_ms)} after its trigger"
        key = "listen" if triggered_ms is None else "wait"
        event = Condition(name="wait", holds=False, says=says, value=value, needed=playbook.wait_ms, key=key)
        yield from self._choice(playbook, turn, [event])

    def awaits(self, playbook: Reactivation, timer: Timer, member: Member) -> str:  # noqa: ARG002  one timer only
        """What its timer is for."""
        return "chooses which past response to make active, with what is known then"

    def decided_by(self, playbook: Reactivation, output: Any) -> str:  # noqa: ARG002  its keys are always the same
        """The key behind an output."""
        match output:
            case ReactivationRecord():
                return _ACTION_KEYS.get(output.action, "eligible")
            case WorkflowOpened():
                return "listen"
            case WorkflowResolved():
                return "inactive_statuses" if output.resolution == "lead_inactive" else "active_statuses"
            case Nudge() | NudgeSuppressed():
                return "notify"
        return ""

    def _choice(self, playbook: Reactivation, turn: Turn, before: list[Condition]) -> Iterator[Considered]:
        """What would be chosen with what is known now."""
        responses, state = responses_of(turn.member), _state(playbook, turn)
        rules = playbook.rules
        active = latest_active(rules, responses) if rules.skips_active else None
        says = "no response is in an active status"
        if active is not None:
            says = f"response {active} is active already, {responses[active].status}"
        elif not rules.skips_active:
            says = "an active response is no obstacle"
        skipped = Condition(
            name="active", holds=active is None, says=says, value=active, key="skip_if_active"
        )
        yield Considered(playbook.name, DECIDES, [*before, skipped])
        triggered_ms = turn.at_ms if state.triggered_ms is None else state.triggered_ms
        choice = choose(rules, responses, triggered_ms, state.prompt)
        if choice is None:
            return
        found = Condition(
            name="found",
            holds=choice.action != NONE_FOUND,
            says=_none_eligible(playbook, responses, triggered_ms)
            if choice.action == NONE_FOUND
            else f"{choice.action} {choice.response_id}".rstrip(),
            value=choice.response_id or None,
            key=_ACTION_KEYS.get(choice.action, "eligible"),
        )
        yield Considered(playbook.name, OPENS, [*before, skipped, found, not_open(turn, playbook.name)])

    def _closing(self, playbook: Reactivation, turn: Turn, change: ResponseChange) -> Considered:
        status, state = change.after.status, _state(playbook, turn)
        still = status in playbook.rules.active_statuses
        about = Condition(
            name="response",
            holds=state.response == change.response_id,
            says=f"response {change.response_id}, the workflow is about {state.response or 'none'}",
            value=change.response_id,
            needed=state.response,
        )
        closed = Condition(
            name="status",
            holds=not still,
            says=f"its status is {status}, {'an active one' if still else 'which is not an active one'}",
            value=status,
            needed=sorted(playbook.rules.active_statuses),
            key="active_statuses",
        )
        return Considered(playbook.name, CLOSED, [is_open(turn, playbook.name), about, closed])

    def _lead_gone(self, playbook: Reactivation, turn: Turn, lead: LeadChange, told: str) -> Considered:
        turned = Condition(
            name="lead_status",
            holds=lead.is_inactive and not lead.was_inactive,
            says=f"told {told}: the lead {_lead_words(lead)}",
            value=told,
            needed=sorted(playbook.inactive_statuses),
            key="inactive_statuses",
        )
        return Considered(playbook.name, LEAD_GONE, [turned, is_open(turn, playbook.name)])


def _state(playbook: Reactivation, turn: Turn) -> ReactivationState:
    state = turn.hot.states.get(playbook.name)
    return state if isinstance(state, ReactivationState) else ReactivationState()


def _lead_change(playbook: Reactivation, turn: Turn) -> LeadChange:
    return LeadChange(_state(playbook, turn).lead_inactive, playbook.is_lead_inactive(turn))


def _lead_words(lead: LeadChange) -> str:
    was, now = ("inactive" if each else "active" for each in lead)
    return f"stays {now}" if was == now else f"turns {now}"


def _trigger(playbook: Reactivation, event: Any, lead: LeadChange | None) -> Iterator[Condition]:
    """The conditions under which an event sets the playbook off; none: it is no event of that kind."""
    trigger = playbook.trigger
    met = trigger.is_met(event if lead is None else lead)
    if isinstance(trigger, ScoreTrigger) and isinstance(event, ScoreChange):
        if event.score == trigger.score:
            before = "empty" if event.before is None else event.before
            after = "empty" if event.after is None else event.after
            says = f"{event.score} goes from {before} to {after}, {'over' if met else 'not over'} {trigger.threshold}"
            yield Condition(
                name="threshold",
                holds=met,
                says=says,
                value=event.after,
                needed=trigger.threshold,
                key="threshold",
            )
    elif isinstance(trigger, PromptTrigger) and isinstance(event, ResponseChange):
        campaign = event.after.campaign_id
        says = f"response {event.response_id} is {'' if met else 'not '}the first of its in a prompt campaign ({campaign})"
        yield Condition(
            name="prompt",
            holds=met,
            says=says,
            value=campaign,
            needed=sorted(trigger.campaigns),
            key="prompt_campaigns",
        )
    elif isinstance(trigger, ActivityTrigger) and isinstance(event, Activity):
        yield is_among("type", event.type, trigger.activities, "on")
        needed = dict(trigger.where)
        says = f"attributes {dict(event.attributes)} {'have' if met else 'do not have'} {needed}"
        yield Condition(
            name="where",
            holds=met,
            says=says if needed else "whatever its attributes",
            value=dict(event.attributes),
            needed=needed,
            key="where",
        )
    elif lead is not None and trigger.scenario == "active_status":
        yield Condition(
            name="lead_status", holds=met, says=f"the lead {_lead_words(lead)}", key="inactive_statuses"
        )


def _listens_to(playbook: Reactivation) -> str:
    match playbook.trigger:
        case ScoreTrigger(score=score, threshold=threshold):
            return f"{score} crosses {threshold}"
        case PromptTrigger(campaigns=campaigns):
            return f"a first response in {' or '.join(sorted(campaigns))}"
        case ActivityTrigger(activities=activities):
            return " or ".join(sorted(activities))
    return f"the lead is no longer {' or '.join(sorted(playbook.inactive_statuses))}"


def _not_waiting(playbook: Reactivation, turn: Turn) -> Condition:
    since_ms = _state(playbook, turn).triggered_ms
    says = (
        "no wait is under way" if since_ms is None else f"a wait is under way since {iso_instant(since_ms)}"
    )
    return Condition(name="wait", holds=since_ms is None, says=says, value=since_ms, key="wait")


def _none_eligible(playbook: Reactivation, responses: dict[str, Response], triggered_ms: int) -> str:
    """Why each candidate is none."""
    told = sorted(responses.items(), key=lambda each: (each[1].occurred_ms, each[0]), reverse=True)
    reasons = [
        f"{response_id}: {_why_not(playbook, response, triggered_ms)}"
        for response_id, response in told[:_MOST_TOLD]
    ]
    return f"none of {len(told)} responses is eligible" + (f" ({'; '.join(reasons)})" if reasons else "")


def _why_not(playbook: Reactivation, response: Response, triggered_ms: int) -> str:
    rules = playbook.rules
    if response.campaign_id in rules.excluded_campaigns or response.campaign_id in rules.prompt_campaigns:
        return f"campaign {response.campaign_id} is excluded"
    if is_eligible(rules, response, triggered_ms):
        return "it is a non-response"
    missing = []
    if response.reactivated:
        missing.append("reactivated before")
    if response.status not in rules.eligible_statuses:
        missing.append(f"status {response.status}")
    age_ms = triggered_ms - response.occurred_ms
    if age_ms > rules.look_back_ms:
        missing.append(f"{span_text(age_ms)} old")
    return ", ".join(missing)
