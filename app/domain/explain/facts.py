"""What is told of records that do something whatever the playbooks are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.events import ScoreCommand
from app.domain.explain.considered import Condition, Considered, Outcome
from app.domain.outputs import ScoreChanged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.turn import Turn

CHANGES = Outcome("the score changes", ScoreChanged.topic)


def consider_facts(turn: Turn, record: object, outputs: list[Any]) -> Iterator[Considered]:
    """Called when the record's facts are applied, with what came out so far.

    A score command that changed nothing leaves no record (contract 6.2), so it is told here.
    """
    if not isinstance(record, ScoreCommand):
        return
    if any(isinstance(output, ScoreChanged) and output.playbook is None for output in outputs):
        return
    value = (turn.hot.scores or {}).get(record.score)
    shown = "empty" if value is None else str(value)
    asked = record.operation if record.points is None else f"{record.operation} {record.points}"
    clamp = turn.playbooks.clamp(record.score)
    bound = ", its ceiling" if value == clamp.ceiling else ", its floor" if value == clamp.floor else ""
    condition = Condition(
        name="change", holds=False, says=f"{asked} leaves {record.score} at {shown}{bound}", value=value
    )
    yield Considered(None, CHANGES, [condition], happened=False)
