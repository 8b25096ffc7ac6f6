"""Whether a workflow is open, as a condition of what happens next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.explain.considered import Condition
from app.domain.instants import iso_instant
from app.domain.workflow import workflow_id, workflow_of

if TYPE_CHECKING:
    from app.domain.turn import Turn


def open_id(turn: Turn, workflow_stem: str) -> str | None:
    """The id of the open workflow of the stem; None: none is open."""
    workflow = workflow_of(turn, workflow_stem)
    return None if workflow is None else workflow_id(workflow_stem, turn.member.key, workflow.number)


def is_open(turn: Turn, workflow_stem: str) -> Condition:
    """A workflow is open."""
    name = open_id(turn, workflow_stem)
    says = "no workflow is open" if name is None else f"workflow {name} is open"
    return Condition(name="open", holds=name is not None, says=says, value=name)


def not_open(turn: Turn, workflow_stem: str) -> Condition:
    """No workflow is open, told as `is_open` tells it."""
    found = is_open(turn, workflow_stem)
    return Condition(name="none_open", holds=not found.holds, says=found.says, value=found.value)


def none_open(turn: Turn, workflow_stem: str) -> Condition:
    """No workflow is open; of one that is, since when."""
    workflow = workflow_of(turn, workflow_stem)
    if workflow is None:
        return Condition(name="none_open", holds=True, says="no workflow is open")
    name = open_id(turn, workflow_stem)
    says = f"workflow {name} is open already, since {iso_instant(workflow.opened_ms)}"
    return Condition(name="none_open", holds=False, says=says, value=name)
