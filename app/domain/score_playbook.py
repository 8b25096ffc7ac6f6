"""Score playbooks: something happens when a score meets a condition (contract 6.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from app.domain.pending import retime
from app.domain.playbook import FirstSeen, Interest
from app.domain.score_actions import Action, Firing, NudgeAction
from app.domain.scores import ScoreChange
from app.domain.workflow import is_open, open_workflow, resolve_workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from app.domain.condition import Condition
    from app.domain.nudge_state import Pending
    from app.domain.timers import Timer
    from app.domain.turn import Turn


@dataclass(frozen=True, kw_only=True)
class ScorePlaybook:
    """One compiled `kind = "score"` playbook. Satisfies `playbook.Playbook`.

    Attributes:
        name, version: see `playbook.Playbook`.
        score: the score it listens to.
        condition: what that score has to meet.
        every_change: fire with every change after which the condition holds; else only when it did not before.
        new_members: fire also when a member is first seen, if an empty score meets the condition.
        opens_workflow: whether that is one of its actions; it comes first.
        at_once: the workflow is resolved as it is opened; else when the condition no longer holds.
        actions: the others, in order.
    """

    kind: ClassVar[str] = "score"

    name: str
    version: str
    score: str
    condition: Condition
    every_change: bool = False
    new_members: bool = False
    opens_workflow: bool = False
    at_once: bool = False
    actions: tuple[Action, ...] = ()

    def reactions(self) -> Iterable[tuple[Interest, Callable[[Turn, Any], None]]]:
        """Changes of its score, and first sight where that can meet the condition."""
        yield (ScoreChange, self.score), self._changed
        if self.new_members and self.condition.on_empty:
            yield (FirstSeen, None), self._first_seen

    def fire(self, turn: Turn, timer: Timer) -> None:
        """It has no timers but its nudges', which are `nudges.py`'s business."""

    def rearm(self, turn: Turn) -> None:
        """Resolve a workflow that today's condition would have resolved, and time the follow-ups by today's `after`.

        A planned nudge belongs to the action in its place if that has the same template and recipient; one whose
        action is no longer there stays as it was planned.
        """
        if is_open(turn, self.name):
            if self.at_once:
                resolve_workflow(turn, self, self.name, "at_once")
            elif not self.condition.holds((turn.hot.scores or {}).get(self.score)):
                resolve_workflow(turn, self, self.name, "condition_false")
        if turn.hot.pending:
            for ref, nudge in turn.member.cold().pending.items():
                action = self._action_of(nudge)
                if action is not None:
                    retime(turn, ref, nudge, nudge.planned_ms + action.after_ms)

    @property
    def edges(self) -> set[int]:
        """Where, among the values of the score, its condition begins or ceases to hold; see `ScoreIndex`."""
        return self.condition.edges

    def is_concerned(self, before: int | None, after: int | None) -> bool:
        """Whether a change could make it do anything: fire, or resolve, for an open workflow's condition held."""
        holds = self.condition.holds
        if holds(after):
            return self.every_change or not holds(before)
        return holds(before)

    def _first_seen(self, turn: Turn, _record: object) -> None:
        self._act(turn, ScoreChange(self.score, None, None, 0))

    def _changed(self, turn: Turn, change: ScoreChange) -> None:
        holds = self.condition.holds
        if not holds(change.after):
            if is_open(turn, self.name):
                resolve_workflow(turn, self, self.name, "condition_false")
        elif self.every_change or not holds(change.before):
            self._act(turn, change)

    def _act(self, turn: Turn, change: ScoreChange) -> None:
        context = {"score": self.score, "when": self.condition.shown}
        if change.before is not None:
            context["before"] = str(change.before)
        if change.after is not None:
            context["after"] = str(change.after)
        stem = ""
        if self.opens_workflow:
            if not is_open(turn, self.name):
                open_workflow(turn, self, self.name, "score_condition", context)
                if self.at_once:
                    resolve_workflow(turn, self, self.name, "at_once")
            stem = "" if self.at_once else self.name
        firing = Firing(context, stem, change.depth)
        for action in self.actions:
            action.take(turn, self, firing)

    def _action_of(self, nudge: Pending) -> NudgeAction | None:
        """The action that planned a nudge which waits for its `after`; None for any other nudge."""
        if nudge.playbook != self.name or nudge.held:
            return None
        for action in self.actions:
            if (
                isinstance(action, NudgeAction)
                and action.step == nudge.step
                and (action.role, action.template) == (nudge.message.role, nudge.message.template)
            ):
                return action
        return None
