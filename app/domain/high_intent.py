"""High intent: members who nearly converted, and how they are brought back (contract 6.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from app.domain import intent_plan, sessions
from app.domain.crossings import CompanyUp, CompanyWait
from app.domain.events import Activity
from app.domain.instants import DAY_MS, MINUTE_MS
from app.domain.intent_state import HighIntentState, IntentHistory
from app.domain.segments import KNOWN_ERROR, MAINTENANCE, SegmentRules, forget_ends
from app.domain.sessions import PAGE, RUNNING, START, SUCCEEDED, TIMEOUT, UNSUCCESSFUL, SessionRules
from app.domain.timers import arm, cancel
from app.domain.workflow import EXPIRE_TIMER, open_workflow, resolve_workflow, workflow_id, workflow_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from app.domain.intent_plan import Step
    from app.domain.intent_state import Session
    from app.domain.playbook import Interest
    from app.domain.state import Workflow
    from app.domain.timers import Timer
    from app.domain.turn import Turn

SESSION_TIMER = "session"


@dataclass(frozen=True, kw_only=True)
class HighIntent:
    """One compiled `kind = "high_intent"` playbook. Satisfies `playbook.Playbook`.

    Attributes:
        name, version: see `playbook.Playbook`.
        session: which activities are a session, and which of them a success.
        segments: why a session was none.
        steps: the nudges of the plan; empty: none are sent.
        deep_link: back to where the member was, with the values of `app.playbooks.words.DEEP_LINK_VALUES`.
        expires_ms: so long after its opening a workflow is resolved.
        release_ms: a company that works again releases the members who waited for it within this span.
    """

    kind: ClassVar[str] = "high_intent"

    name: str
    version: str
    session: SessionRules = field(default_factory=SessionRules)
    segments: SegmentRules = field(default_factory=SegmentRules)
    steps: tuple[Step, ...] = ()
    deep_link: str
    expires_ms: int = 14 * DAY_MS
    release_ms: int = 15 * MINUTE_MS

    def reactions(self) -> Iterable[tuple[Interest, Callable[[Turn, Any], None]]]:
        """The activities of a session, and companies that work again."""
        for activity in self.session.activities:
            yield (Activity, activity), self._hear
        yield (CompanyUp, None), self._company_up

    def fire(self, turn: Turn, timer: Timer) -> None:
        """The session is over without an end of its own, or the workflow has been open for `expires`."""
        if timer[1] == EXPIRE_TIMER:
            resolve_workflow(turn, self, self.name, "expired")
            return
        state = self._state(turn)
        if sessions.move(state, TIMEOUT, turn.at_ms, 0) == UNSUCCESSFUL and state.session is not None:
            self._end(turn, state, state.session, over_ms=state.session.last_ms)

    def rearm(self, turn: Turn) -> None:
        """Time session, expiry and plan by today's settings; steps the plan no longer has are dropped."""
        hot = turn.hot
        if self.name not in hot.states:
            return
        state = self._state(turn)
        if state.session is not None:
            arm(hot.timers, state.session.last_ms + self.session.timeout_ms, SESSION_TIMER, self.name)
        workflow = workflow_of(turn, self.name)
        if workflow is not None:
            arm(hot.timers, workflow.opened_ms + self.expires_ms, EXPIRE_TIMER, self.name)
            intent_plan.time_anew(turn, self, self.steps, self._history(turn).from_ms)

    def _hear(self, turn: Turn, activity: Activity) -> None:
        """An activity of a session."""
        rules, state = self.session, self._state(turn)
        name = rules.name_of(activity)
        after = sessions.move(state, name, turn.at_ms, rules.timeout_ms)
        if after == SUCCEEDED:
            self._succeed(turn, state)
            return
        if after == UNSUCCESSFUL and state.session is not None:
            self._end(turn, state, state.session, over_ms=turn.at_ms, goes_on=name == START)
        if after == RUNNING or (after == UNSUCCESSFUL and name == START):
            if state.session is None:
                self._pause(turn, state)
            session = sessions.note_event(state, turn.at_ms, is_start=name == START)
            if name == PAGE:
                sessions.note_page(session, rules, activity, turn.at_ms)
            arm(turn.hot.timers, session.last_ms + rules.timeout_ms, SESSION_TIMER, self.name)

    def _succeed(self, turn: Turn, state: HighIntentState) -> None:
        """The member has done it: an open workflow is converted at once, also by a success that comes late."""
        at_ms = turn.at_ms
        if sessions.covers(state, at_ms, self.session.timeout_ms):
            cancel(turn.hot.timers, SESSION_TIMER, self.name)
            sessions.end(state, at_ms)
        elif state.session is None:
            sessions.end(state, at_ms)
        if state.has_history:
            forget_ends(self._history(turn), at_ms)
            turn.member.cold_changed()
        workflow = workflow_of(turn, self.name)
        if workflow is not None:
            nudge_id = intent_plan.attributed_nudge(turn, self._workflow_id(turn, workflow), at_ms)
            resolve_workflow(turn, self, self.name, "converted", attributed_nudge=nudge_id)

    def _end(
        self, turn: Turn, state: HighIntentState, session: Session, *, over_ms: int, goes_on: bool = False
    ) -> None:
        """The session ended without success, at the turn's own instant; `goes_on`: another begins with that."""
        cancel(turn.hot.timers, SESSION_TIMER, self.name)
        sessions.end(state, over_ms)
        state.has_history = True
        history, workflow = self._history(turn), workflow_of(turn, self.name)
        history.attempts = self.count_end(history, workflow, turn.at_ms)
        turn.member.cold_changed()
        segment = self.segments.segment_of(session, history.attempts)
        if segment:
            history.segment, history.page, history.step = segment, session.page, session.step
            history.page_ms, history.company_id = session.page_ms, session.company_id or turn.hot.company_id
        if workflow is None:
            if not segment:
                return
            workflow = self._open(turn, history, segment)
        intent_plan.address(turn, self, self.steps, self.deep_link, history)
        self._time(turn, history, workflow, goes_on=goes_on)

    def count_end(self, history: IntentHistory, workflow: Workflow | None, at_ms: int) -> int:
        """Note an unsuccessful end; returns how many attempts it makes. `workflow`: the open one, if any."""
        if history.workflow != (0 if workflow is None else workflow.number):
            # The workflow has been resolved since: attempts start anew (contract 6.4).
            history.ends.clear()
            history.workflow = 0
        return self.segments.note_end(history, at_ms)

    def _open(self, turn: Turn, history: IntentHistory, segment: str) -> Workflow:
        open_workflow(turn, self, self.name, segment, intent_plan.context_of(history))
        workflow = (turn.hot.workflows or {})[self.name]
        arm(turn.hot.timers, workflow.opened_ms + self.expires_ms, EXPIRE_TIMER, self.name)
        history.workflow, history.waits = workflow.number, 0
        intent_plan.plan(turn, self, self.steps, segment, self._workflow_id(turn, workflow))
        return workflow

    def _time(self, turn: Turn, history: IntentHistory, workflow: Workflow, *, goes_on: bool) -> None:
        """Time what is left of the plan: from this end, or from when the company works again."""
        history.from_ms, history.is_waiting = None, False
        if goes_on:
            return
        company_id = history.company_id
        if history.segment == f"{KNOWN_ERROR}:{MAINTENANCE}" and company_id is not None:
            if not intent_plan.is_done(turn, self):
                self._wait(turn, history, company_id, self._workflow_id(turn, workflow))
            return
        history.from_ms = turn.at_ms
        intent_plan.time_from(turn, self, self.steps, turn.at_ms)

    def _wait(self, turn: Turn, history: IntentHistory, company_id: str, own_id: str) -> None:
        """Nothing is sent while the company does not work; it says when it does."""
        intent_plan.pause(turn, self)
        history.waits += 1
        history.is_waiting = True
        turn.sink.emit(
            CompanyWait(
                event_id=f"{own_id}/{history.waits}",
                occurred_at=turn.at_ms,
                cause=turn.cause,
                company_id=company_id,
                member_id=turn.member.key,
                playbook=self.name,
                workflow_id=own_id,
                since=history.page_ms,
            )
        )

    def _company_up(self, turn: Turn, up: CompanyUp) -> None:
        """The company works again, and it is the member's turn. Only the answer to the wait that goes on counts."""
        workflow = workflow_of(turn, self.name) if up.playbook == self.name else None
        if workflow is None:
            return
        history = self._history(turn)
        own_id = self._workflow_id(turn, workflow)
        if history.is_waiting and up.event_id == f"{own_id}/{history.waits}":
            history.is_waiting, history.from_ms = False, turn.at_ms
            turn.member.cold_changed()
            intent_plan.time_from(turn, self, self.steps, turn.at_ms)

    def _pause(self, turn: Turn, state: HighIntentState) -> None:
        """While a session runs nothing is sent (contract 6.4)."""
        if state.has_history and workflow_of(turn, self.name) is not None:
            intent_plan.pause(turn, self)
            history = self._history(turn)
            if history.is_waiting or history.from_ms is not None:
                history.is_waiting, history.from_ms = False, None
                turn.member.cold_changed()

    def _workflow_id(self, turn: Turn, workflow: Workflow) -> str:
        return workflow_id(self.name, turn.member.key, workflow.number)

    def _history(self, turn: Turn) -> IntentHistory:
        histories = turn.member.cold().intents
        found = histories.get(self.name)
        if found is None:
            found = histories[self.name] = IntentHistory()
        return found

    def _state(self, turn: Turn) -> HighIntentState:
        # What lies under a playbook's name is of its kind; a playbook of another kind has the old one's state retired.
        state = turn.hot.states.get(self.name)
        if state is None:
            state = turn.hot.states[self.name] = HighIntentState()
        return state  # type: ignore[return-value]


def retire(turn: Turn, playbook: str) -> None:
    """The playbook is gone: so is what the cold part knows of it."""
    if turn.member.cold().intents.pop(playbook, None) is not None:
        turn.member.cold_changed()
