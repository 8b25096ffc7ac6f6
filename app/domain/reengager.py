"""The member re-engager: who went quiet, who came back, and who is ready for a coach (contract 6.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from app.domain.crossings import MemberMoved, TransferAnswer
from app.domain.events import Activity, TransferEvent
from app.domain.inactivity import Verdict, judge
from app.domain.instants import DAY_MS, iso_instant
from app.domain.playbook import FirstSeen, Interest, Leaving
from app.domain.setup import SetUpRules, note_completed, note_step, start_over
from app.domain.state import ReengagerState
from app.domain.tags import add_tag, carries, remove_tag
from app.domain.timers import arm
from app.domain.transfer import (
    OVERDUE_TIMER,
    TransferRules,
    assign,
    cancel_transfer,
    finish,
    hear_attempt_failed,
    hear_desk,
    rearm_transfer,
    request,
    tell_overdue,
    withdraw,
)
from app.domain.transfer_state import SetUp, Transfer
from app.domain.workflow import is_open, open_workflow, resolve_workflow, was_open, workflow_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from app.domain.timers import Timer
    from app.domain.turn import Turn

INACTIVE_TIMER = "inactive"


@dataclass(frozen=True, kw_only=True)
class Reengager:
    """One compiled `kind = "reengager"` playbook. Satisfies `playbook.Playbook`.

    Attributes:
        name, version: see `playbook.Playbook`.
        tag: the tag of inactive members; no other re-engager has the same.
        after_ms: without qualifying activity for this long, a member is inactive.
        activities: the types that qualify,
        channels: on these channels; WEB is never one of them.
        setup: which activities are the set-up.
        transfer: how members who completed it go to a coach.
    """

    kind: ClassVar[str] = "reengager"

    name: str
    version: str
    tag: str
    after_ms: int
    activities: frozenset[str]
    channels: frozenset[str]
    setup: SetUpRules = field(default_factory=SetUpRules)
    transfer: TransferRules = field(default_factory=TransferRules)

    def reactions(self) -> Iterable[tuple[Interest, Callable[[Turn, Any], None]]]:
        """First sight, each activity type that qualifies or is of the set-up, transfers, merges, and the end."""
        yield (FirstSeen, None), self._first_seen
        for activity_type in self.activities:
            yield (Activity, activity_type), self._active
        for activity_type in self.setup.steps:
            yield (Activity, activity_type), self._step_done
        for activity_type in self.setup.completed_by:
            yield (Activity, activity_type), self._set_up
        yield (TransferEvent, None), self._hear_transfer
        yield (TransferAnswer, None), self._hear_desk
        yield (MemberMoved, None), self._merged
        yield (Leaving, None), self._leave

    def fire(self, turn: Turn, timer: Timer) -> None:
        """`after` has passed since the last qualifying activity; or `max_lag` since a request without an answer."""
        if timer[1] == OVERDUE_TIMER:
            tell_overdue(turn, self, self._transfer_of(turn))
        else:
            add_tag(turn, self, self.tag, "inactive")

    def rearm(self, turn: Turn) -> None:
        """Keep what is known of the member's activity, and judge it by today's `after` and tag.

        For a member met before this playbook was, its latest activity in the app, of whatever type, stands in.
        """
        hot = turn.hot
        state = self._state(turn) if self.name in hot.states else None
        if state is None:
            known_ms = hot.last_in_app_ms if "APP" in self.channels else None
            state = hot.states[self.name] = ReengagerState(self.tag, known_ms)
            turn.page_urgent = True  # a transfer is pending now
        self._judge_tag(turn, state, "playbook_changed")
        if state.transfer is not None:
            rearm_transfer(turn, self, self.transfer, state.transfer)

    def _judge_tag(self, turn: Turn, state: ReengagerState, reason: str) -> None:
        """Bring tag and timer in line with the last activity known, without a record that would open a workflow."""
        hot = turn.hot
        if state.last_ms is None:
            add_tag(turn, self, self.tag, "never_active")
            return
        due_ms = state.last_ms + self.after_ms
        if due_ms > hot.now_ms:
            remove_tag(turn, self, self.tag, reason)
        if not carries(turn, self.tag):
            arm(hot.timers, due_ms, INACTIVE_TIMER, self.name)

    def _first_seen(self, turn: Turn, record: object) -> None:
        """A member first seen has the tag at once, whatever the first record; a merged history is judged with it."""
        turn.hot.states[self.name] = ReengagerState(self.tag)
        if type(record) is not MemberMoved:
            add_tag(turn, self, self.tag, "never_active")

    def _active(self, turn: Turn, activity: Activity) -> None:
        """An activity of a listed type: on a listed channel it qualifies.

        The timer is armed exactly while the tag is not there; whether a workflow is open matters to neither.
        """
        if activity.channel not in self.channels:
            return
        hot, at_ms = turn.hot, turn.at_ms
        state: ReengagerState = hot.states[self.name]  # type: ignore[assignment]
        last_ms = state.last_ms
        state.last_ms = latest_ms = at_ms if last_ms is None or at_ms > last_ms else last_ms
        if hot.tags is not None and self.tag in hot.tags:
            verdict = judge(at_ms, hot.now_ms, late=turn.late, last_ms=last_ms, after_ms=self.after_ms)
            if verdict is Verdict.KEEP_TAG:
                return
            if verdict is Verdict.RETRACT:
                remove_tag(turn, self, self.tag, "late_activity")
            else:
                self._welcome(turn, activity, last_ms)
        arm(hot.timers, latest_ms + self.after_ms, INACTIVE_TIMER, self.name)

    def _welcome(self, turn: Turn, activity: Activity, last_ms: int | None) -> None:
        """The member is back, or here for the first time: the tag goes and, unless one is open, a workflow opens."""
        since_ms = remove_tag(turn, self, self.tag, "activity")
        if since_ms is None or is_open(turn, self.name):
            return
        context = {"activity": activity.type, "inactive_since": iso_instant(since_ms)}
        if last_ms is None:
            open_workflow(turn, self, self.name, "first_activity", context)
        else:
            context["inactive_days"] = str((turn.at_ms - last_ms) // DAY_MS)
            open_workflow(turn, self, self.name, "returned", context)

    def _step_done(self, turn: Turn, activity: Activity) -> None:
        """One step of the set-up, on any channel; one from before the program was assigned counts no more."""
        if turn.at_ms >= self._transfer_of(turn).assigned_ms:
            note_step(turn, self._setup_of(turn), activity)

    def _set_up(self, turn: Turn, _activity: Activity) -> None:
        """The set-up is completed, on any channel: the transfer is asked for if one is pending."""
        transfer = self._transfer_of(turn)
        if turn.at_ms >= transfer.assigned_ms:
            note_completed(turn, self._setup_of(turn))
            request(turn, self, self.transfer, transfer)

    def _hear_transfer(self, turn: Turn, event: TransferEvent) -> None:
        """A word on the transfer, from outside."""
        transfer = self._transfer_of(turn)
        match event.type:
            case "PROGRAM_ASSIGNED":
                if assign(turn, self, transfer, event):
                    setup = self._setup_of(turn)
                    start_over(setup, turn.at_ms)
                    if setup.completed_ms is not None:
                        request(turn, self, self.transfer, transfer)
            case "CANCELLED":
                cancel_transfer(turn, self, transfer)
            case "TRANSFERRED":
                finish(turn, self, transfer)
                self._resolve(turn, "manually_transferred" if event.mode == "MANUAL" else "transferred")
            case "ATTEMPT_FAILED":
                hear_attempt_failed(turn, self, self.transfer, transfer)

    def _hear_desk(self, turn: Turn, answer: TransferAnswer) -> None:
        """The pool's desk has answered a request, of this playbook or of another."""
        if answer.playbook == self.name and hear_desk(turn, self, self._transfer_of(turn), answer):
            self._resolve(turn, "transferred")

    def _resolve(self, turn: Turn, resolution: str) -> None:
        """The member went to a coach: the open workflow has done its work, unless it was opened after that."""
        workflow = workflow_of(turn, self.name)
        if workflow is not None and was_open(workflow, turn.at_ms):
            resolve_workflow(turn, self, self.name, resolution)

    def _merged(self, turn: Turn, moved: MemberMoved) -> None:
        """The member gains the activity of one merged into it, which opens nothing; transfer and set-up stay its own."""
        state = self._state(turn)
        gained_ms = moved.last_activity.get(self.name)
        if gained_ms is not None and (state.last_ms is None or gained_ms > state.last_ms):
            state.last_ms = gained_ms
        self._judge_tag(turn, state, "merged")

    def _leave(self, turn: Turn, reason: str) -> None:
        """The member is forgotten or merged away: nobody need answer its request."""
        withdraw(turn, self.name, self._transfer_of(turn), reason)

    def _transfer_of(self, turn: Turn) -> Transfer:
        state = self._state(turn)
        if state.transfer is None:
            state.transfer = Transfer()
        return state.transfer

    def _setup_of(self, turn: Turn) -> SetUp:
        state = self._state(turn)
        if state.setup is None:
            state.setup = SetUp()
        return state.setup

    def _state(self, turn: Turn) -> ReengagerState:
        # What lies under a playbook's name is of its kind; a playbook of another kind has the old one's state retired.
        return turn.hot.states[self.name]  # type: ignore[return-value]


def change_tags(turn: Turn, playbooks: Sequence[Reengager]) -> None:
    """Those that were given another tag let go of the old one, unless it is another's by now; before any is re-armed."""
    kept = {playbook.tag for playbook in playbooks}
    for playbook in playbooks:
        state = turn.hot.states.get(playbook.name)
        if isinstance(state, ReengagerState) and state.tag != playbook.tag:
            if state.tag not in kept:
                remove_tag(turn, playbook, state.tag, "playbook_changed")
            state.tag = playbook.tag


def retire(turn: Turn, playbook: str, state: ReengagerState) -> None:
    """The playbook that kept this state is gone: so are its tag and its request, for nobody would take them back.

    Set-up and transfer are no longer on the page, or another re-engager's are.
    """
    turn.page_urgent = True
    remove_tag(turn, None, state.tag, "playbook_removed")
    if state.transfer is not None:
        withdraw(turn, playbook, state.transfer, "playbook_removed")
