"""Funnel reactivation: a past campaign response is made active again when a lead shows interest (contract 6.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace

from app.domain.events import MemberProfile
from app.domain.nudge_state import Message
from app.domain.nudges import plan_nudge
from app.domain.outputs import Reactivation as ReactivationRecord
from app.domain.reactivation_choice import (
    MARKING,
    NONE_FOUND,
    choose,
    is_eligible,
    latest_active,
    latest_eligible,
)
from app.domain.reactivation_triggers import LeadChange, ScoreTrigger
from app.domain.responses import Crowd, Response, ResponseChange, change_responses, responses_of
from app.domain.state import ReactivationState
from app.domain.timers import arm
from app.domain.workflow import is_open, open_workflow, resolve_workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from app.domain.playbook import Interest
    from app.domain.reactivation_choice import Choice, ChoiceRules
    from app.domain.reactivation_triggers import Trigger
    from app.domain.timers import Timer
    from app.domain.turn import Turn

WAIT_TIMER = "wait"
TEMPLATE = "reactivated"


@dataclass(frozen=True, kw_only=True)
class Reactivation:
    """One compiled `kind = "reactivation"` playbook. Satisfies `playbook.Playbook`.

    Attributes:
        name, version: see `playbook.Playbook`.
        trigger: what sets it off,
        wait_ms: and how long after that it decides, with what is known then.
        rules: which response it chooses.
        active_status: the status the chosen response takes.
        inactive_statuses: of leads: one that turns inactive ends the work.
        sync_fields: what others are to set in their systems.
        assign_to: who is to take the lead; None: nobody in particular.
        notify: roles that get a nudge.
    """

    kind: ClassVar[str] = "reactivation"

    name: str
    version: str
    trigger: Trigger
    wait_ms: int
    rules: ChoiceRules
    active_status: str
    inactive_statuses: frozenset[str] = frozenset()
    sync_fields: Mapping[str, str] = field(default_factory=dict)
    assign_to: str | None = None
    notify: tuple[str, ...] = ("OWNER",)

    def reactions(self) -> Iterable[tuple[Interest, Callable[[Turn, Any], None]]]:
        """Its trigger, changes of responses, and of the lead where it knows inactive ones."""
        for interest in self.trigger.interests():
            yield interest, self._hear
        yield (ResponseChange, None), self._response_changed
        yield (Crowd, None), self._tell_needs
        if self.inactive_statuses:
            yield (MemberProfile, None), self._profile_told

    @property
    def edges(self) -> set[int]:
        """Where, among the values of the score it listens to, it begins to be concerned; see `ScoreIndex`."""
        return {self.trigger.threshold} if isinstance(self.trigger, ScoreTrigger) else set()

    def is_concerned(self, before: int | None, after: int | None) -> bool:
        """Whether a change of the score it listens to sets it off; None stands for empty."""
        return isinstance(self.trigger, ScoreTrigger) and self.trigger.is_crossed(before, after)

    def fire(self, turn: Turn, timer: Timer) -> None:  # noqa: ARG002  it has one timer only
        """The wait is over: choose, with what is known now."""
        state = self._state(turn)
        triggered_ms, prompt = state.triggered_ms, state.prompt
        state.triggered_ms = state.prompt = None
        if triggered_ms is None:
            return
        responses = responses_of(turn.member)
        choice = choose(self.rules, responses, triggered_ms, prompt)
        if choice is None:
            return
        if choice.action == NONE_FOUND:
            turn.emit(ReactivationRecord, self, scenario=self.trigger.scenario, action=NONE_FOUND)
        else:
            self._activate(turn, state, responses, choice)

    def rearm(self, turn: Turn) -> None:
        """Time a wait by today's setting, and judge response and lead by today's statuses; nothing is set off."""
        hot = turn.hot
        state = hot.states.get(self.name)
        if not isinstance(state, ReactivationState):
            if self.inactive_statuses and hot.has_cold and self.is_lead_inactive(turn):
                self._state(turn).lead_inactive = True
            return
        if state.triggered_ms is not None:
            arm(hot.timers, state.triggered_ms + self.wait_ms, WAIT_TIMER, self.name)
        was_inactive, state.lead_inactive = state.lead_inactive, self.is_lead_inactive(turn)
        if is_open(turn, self.name):
            response = responses_of(turn.member).get(state.response or "")
            if response is not None and response.status not in self.rules.active_statuses:
                resolve_workflow(turn, self, self.name, "response_closed")
            elif state.lead_inactive and not was_inactive:
                resolve_workflow(turn, self, self.name, "lead_inactive")

    def _hear(self, turn: Turn, event: Any) -> None:
        """If it is the trigger, the wait begins, at the event's own instant; during a wait it does nothing."""
        if not self.trigger.is_met(event):
            return
        state = self._state(turn)
        if state.triggered_ms is None:
            state.triggered_ms = turn.at_ms
            state.prompt = event.response_id if isinstance(event, ResponseChange) else None
            arm(turn.hot.timers, turn.at_ms + self.wait_ms, WAIT_TIMER, self.name)

    def _response_changed(self, turn: Turn, change: ResponseChange) -> None:
        """The response that is being worked on may be closed; a new one may be a prompt."""
        if change.after.status not in self.rules.active_statuses and is_open(turn, self.name):
            state = turn.hot.states.get(self.name)
            if isinstance(state, ReactivationState) and state.response == change.response_id:
                resolve_workflow(turn, self, self.name, "response_closed")
        self._hear(turn, change)

    def _profile_told(self, turn: Turn, profile: MemberProfile) -> None:
        """The lead may have turned inactive, or active again."""
        if profile.lead_status is None:
            return
        known = turn.hot.states.get(self.name)
        was_inactive = isinstance(known, ReactivationState) and known.lead_inactive
        change = LeadChange(was_inactive, self.is_lead_inactive(turn))
        if change.is_inactive != was_inactive:
            self._state(turn).lead_inactive = change.is_inactive
            if change.is_inactive and is_open(turn, self.name):
                resolve_workflow(turn, self, self.name, "lead_inactive")
            self._hear(turn, change)

    def _activate(
        self, turn: Turn, state: ReactivationState, responses: dict[str, Response], choice: Choice
    ) -> None:
        """The chosen response, or a new one, becomes active; somebody is to look after it."""
        response_id, response = self._active(turn, responses, choice)
        turn.emit(
            ReactivationRecord,
            self,
            scenario=self.trigger.scenario,
            action=choice.action,
            response_id=response_id,
            campaign_id=response.campaign_id,
            status=response.status,
            sync_fields=dict(self.sync_fields),
            assign_to=self.assign_to,
        )
        context = {
            "action": choice.action,
            "response_id": response_id,
            "campaign_id": response.campaign_id,
        }
        if choice.default is not None and choice.default.status is not None:
            context["inserted_status"] = choice.default.status
        state.response = response_id
        change_responses(turn, responses, {response_id: response})
        if not is_open(turn, self.name):
            open_workflow(turn, self, self.name, "reactivated", context)
        for role in self.notify:
            plan_nudge(turn, self, Message(role, TEMPLATE, context=context), stem=self.name)

    def _active(self, turn: Turn, responses: Mapping[str, Response], choice: Choice) -> tuple[str, Response]:
        """The response in the active status, under its id."""
        hot, default = turn.hot, choice.default
        if default is None:
            response = responses[choice.response_id]
            marked = response.reactivated or choice.action in MARKING
            return choice.response_id, replace(
                response, status=self.active_status, told_ms=hot.now_ms, reactivated=marked
            )
        if hot.inserted is None:
            hot.inserted = {}
        number = hot.inserted[self.name] = hot.inserted.get(self.name, 0) + 1
        response_id = f"default:{self.name}:{turn.member.key}:{number}"
        # Somebody may have told of it before: then this is an update, which keeps what was first (contract 3).
        known = responses.get(response_id)
        return response_id, Response(
            campaign_id=default.campaign_id,
            is_response=True,
            status=self.active_status,
            occurred_ms=hot.now_ms if known is None else min(known.occurred_ms, hot.now_ms),
            told_ms=hot.now_ms,
            reactivated=known is not None and known.reactivated,
        )

    def _tell_needs(self, turn: Turn, crowd: Crowd) -> None:
        """Vital: what a decision of now would rest on. Needed: what one could, and prompts, to know them again."""
        rules, responses = self.rules, crowd.responses
        state = turn.hot.states.get(self.name)
        known = state if isinstance(state, ReactivationState) else ReactivationState()
        as_of_ms = turn.hot.now_ms if known.triggered_ms is None else known.triggered_ms
        vital = {
            known.prompt,
            known.response if is_open(turn, self.name) else None,
            latest_active(rules, responses),
            latest_eligible(rules, responses, as_of_ms, is_response=True),
            latest_eligible(rules, responses, as_of_ms, is_response=False)
            if rules.takes_non_responses
            else None,
        }
        crowd.vital.update(response_id for response_id in vital if response_id is not None)
        crowd.needed.update(
            response_id
            for response_id, response in responses.items()
            if response.campaign_id in rules.prompt_campaigns
            or (rules.skips_active and response.status in rules.active_statuses)
            or (
                (response.is_response or rules.takes_non_responses) and is_eligible(rules, response, as_of_ms)
            )
        )

    def is_lead_inactive(self, turn: Turn) -> bool:
        """Whether the lead's status, as known now, is an inactive one."""
        return turn.member.cold().profile.lead_status in self.inactive_statuses

    def _state(self, turn: Turn) -> ReactivationState:
        state = turn.hot.states.get(self.name)
        if not isinstance(state, ReactivationState):
            state = turn.hot.states[self.name] = ReactivationState()
        return state
