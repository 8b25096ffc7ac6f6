"""The member re-engager: who went quiet, and who came back (contract 6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from app.domain.events import Activity, TransferEvent
from app.domain.inactivity import Verdict, judge
from app.domain.instants import DAY_MS, iso_instant
from app.domain.playbook import FirstSeen, Interest
from app.domain.state import ReengagerState
from app.domain.tags import add_tag, carries, remove_tag
from app.domain.timers import arm
from app.domain.workflow import is_open, open_workflow, resolve_workflow, workflow_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
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
    """

    kind: ClassVar[str] = "reengager"

    name: str
    version: str
    tag: str
    after_ms: int
    activities: frozenset[str]
    channels: frozenset[str]

    def reactions(self) -> Iterable[tuple[Interest, Callable[[Turn, Any], None]]]:
        """First sight, each activity type that may qualify, and transfers."""
        yield (FirstSeen, None), self._first_seen
        for activity_type in self.activities:
            yield (Activity, activity_type), self._active
        yield (TransferEvent, None), self._transferred

    def fire(self, turn: Turn, timer: Timer) -> None:  # noqa: ARG002  it has one timer only
        """`after` has passed since the last qualifying activity."""
        add_tag(turn, self, self.tag, "inactive")

    def rearm(self, turn: Turn) -> None:
        """Keep what is known of the member's activity, and judge it by today's `after` and tag.

        For a member met before this playbook was, its latest activity in the app, of whatever type, stands in.
        """
        hot = turn.hot
        state = hot.states.get(self.name)
        if state is None:
            known_ms = hot.last_in_app_ms if "APP" in self.channels else None
            state = hot.states[self.name] = ReengagerState(self.tag, known_ms)
        elif state.tag != self.tag:
            remove_tag(turn, self, state.tag, "playbook_changed")
            state.tag = self.tag
        if state.last_ms is None:
            add_tag(turn, self, self.tag, "never_active")
            return
        due_ms = state.last_ms + self.after_ms
        if due_ms > hot.now_ms:
            remove_tag(turn, self, self.tag, "playbook_changed")
        if not carries(turn, self.tag):
            arm(hot.timers, due_ms, INACTIVE_TIMER, self.name)

    def _first_seen(self, turn: Turn, _record: object) -> None:
        """A member first seen has the tag at once, whatever the first record."""
        turn.hot.states[self.name] = ReengagerState(self.tag)
        add_tag(turn, self, self.tag, "never_active")

    def _active(self, turn: Turn, activity: Activity) -> None:
        """An activity of a listed type: on a listed channel it qualifies.

        The timer is armed exactly while the tag is not there; whether a workflow is open matters to neither.
        """
        if activity.channel not in self.channels:
            return
        hot, at_ms = turn.hot, turn.at_ms
        state = hot.states[self.name]
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

    def _transferred(self, turn: Turn, event: TransferEvent) -> None:
        """The member went to a coach: the open workflow has done its work, unless it was opened after that."""
        if event.type != "TRANSFERRED":
            return
        workflow = workflow_of(turn, self.name)
        if workflow is not None and workflow.opened_ms <= turn.at_ms:
            by_hand = event.mode == "MANUAL"
            resolve_workflow(turn, self, self.name, "manually_transferred" if by_hand else "transferred")


def retire(turn: Turn, state: ReengagerState) -> None:
    """The playbook that kept this state is gone: so is its tag, for nobody would ever take it off."""
    remove_tag(turn, None, state.tag, "playbook_removed")
