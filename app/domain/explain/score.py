"""Why a score playbook acted on a change of its score, or did not (contract 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.explain.considered import Condition, Considered, Outcome, Seen
from app.domain.explain.nudges import conditions_of
from app.domain.explain.workflows import none_open
from app.domain.nudge_state import Message, Pending
from app.domain.outputs import (
    Nudge,
    NudgeSuppressed,
    ScoreChanged,
    TagChanged,
    WorkflowOpened,
    WorkflowResolved,
)
from app.domain.pending import MEMBER
from app.domain.score_actions import ModifyAction, NudgeAction, TagAction
from app.domain.scores import ScoreChange
from app.domain.workflow import workflow_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.member import Member
    from app.domain.score_actions import Action
    from app.domain.score_playbook import ScorePlaybook
    from app.domain.timers import Timer
    from app.domain.turn import Turn

OPENS = Outcome("a workflow opens", WorkflowOpened.topic)
RESOLVES = Outcome("the workflow is resolved", WorkflowResolved.topic, {"resolution": "condition_false"})
ACTS = Outcome("its actions are taken")


class ScoreExplainer:
    """Satisfies `registry.Explainer`."""

    def consider(self, playbook: ScorePlaybook, turn: Turn, event: Any) -> Iterator[Considered]:
        """What the playbook is about to look at; see `registry.Explainer`."""
        match event:
            case ScoreChange():
                if event.score == playbook.score:
                    yield from self._change(playbook, turn, event)
            case Seen():
                new = Condition(
                    name="new_members",
                    holds=playbook.new_members,
                    says="first record of the member",
                    value=playbook.new_members,
                    needed=True,
                    key="new_members",
                )
                yield from self._firing(playbook, turn, [new, _when(playbook, None)])
            case _:
                return

    def standing(self, playbook: ScorePlaybook, turn: Turn) -> Iterator[Considered]:
        """How the score stands to the condition."""
        value = (turn.hot.scores or {}).get(playbook.score)
        comes = Condition(
            name="change", holds=False, says=f"waits for the next change of {playbook.score}", key="score"
        )
        conditions = [_when(playbook, value)]
        if conditions[0].holds and not playbook.every_change:
            conditions.append(_crossing(playbook, value))
        yield from self._firing(playbook, turn, [*conditions, comes])
        for action in playbook.actions:
            if isinstance(action, NudgeAction) and action.role == MEMBER:
                message = Message(MEMBER, action.template, channels=action.channels)
                nudge = Pending(message, playbook.name, playbook.name, None, turn.hot.now_ms)
                would = Outcome(f'nudge "{action.template}" would be sent at once')
                yield Considered(playbook.name, would, conditions_of(turn, nudge))

    def awaits(self, playbook: ScorePlaybook, timer: Timer, member: Member) -> str:  # noqa: ARG002  it has none
        """It has no timers but its nudges'."""
        return ""

    def decided_by(self, playbook: ScorePlaybook, output: Any) -> str:
        """The key behind an output."""
        match output:
            case WorkflowOpened():
                return "when"
            case WorkflowResolved():
                return "resolve" if output.resolution == "at_once" else "when"
        for action in playbook.actions:
            if _made(action, output):
                return f"actions[{action.step}]"
        return "actions"

    def _change(self, playbook: ScorePlaybook, turn: Turn, change: ScoreChange) -> Iterator[Considered]:
        conditions = [_when(playbook, change.after)]
        if not playbook.every_change:
            conditions.append(_crossing(playbook, change.before))
        yield from self._firing(playbook, turn, conditions)
        workflow = workflow_of(turn, playbook.name)
        if workflow is not None:
            false = _when(playbook, change.after)
            false = Condition(
                name="when_false",
                holds=not false.holds,
                says=false.says,
                value=false.value,
                needed=false.needed,
                key="resolve",
            )
            yield Considered(playbook.name, RESOLVES, [false])

    def _firing(
        self, playbook: ScorePlaybook, turn: Turn, conditions: list[Condition]
    ) -> Iterator[Considered]:
        if playbook.opens_workflow:
            yield Considered(playbook.name, OPENS, [*conditions, none_open(turn, playbook.name)])
        if playbook.actions:
            yield Considered(playbook.name, ACTS, conditions)


def _when(playbook: ScorePlaybook, value: int | None) -> Condition:
    holds = playbook.condition.holds(value)
    shown = "empty" if value is None else str(value)
    says = f'{playbook.score} is {shown}, {"which meets" if holds else "needs"} "{playbook.condition.shown}"'
    return Condition(
        name="when", holds=holds, says=says, value=value, needed=playbook.condition.shown, key="when"
    )


def _crossing(playbook: ScorePlaybook, before: int | None) -> Condition:
    held = playbook.condition.holds(before)
    shown = "empty" if before is None else str(before)
    return Condition(
        name="crossing",
        holds=not held,
        says=f"{'met' if held else 'not met'} before, at {shown}; fires on crossing",
        value=before,
        needed=playbook.condition.shown,
        key="fire",
    )


def _made(action: Action, output: Any) -> bool:
    """Whether an action of this kind and content makes such an output."""
    match action:
        case NudgeAction():
            return isinstance(output, Nudge | NudgeSuppressed) and (action.template, action.role) == (
                output.template,
                output.recipient_role,
            )
        case TagAction():
            return isinstance(output, TagChanged) and action.tag == output.tag
        case ModifyAction():
            return isinstance(output, ScoreChanged) and (action.score, action.operation, action.points) == (
                output.score,
                output.operation,
                output.points,
            )
    return False
