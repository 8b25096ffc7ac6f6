"""A member's set-up: which steps are done, and when it was completed (contract 6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.events import Activity
    from app.domain.transfer_state import SetUp
    from app.domain.turn import Turn

STEP_ATTRIBUTE = "step"
"""Attribute of an activity that names the step done; without it the activity's type does."""

MOST_STEPS = 100
LONGEST_STEP = 256
"""Steps kept of a member, and characters kept of a step's name: what exceeds them is not on the page."""


@dataclass(frozen=True, kw_only=True)
class SetUpRules:
    """The activity types, on any channel, that complete the set-up, and those that are steps of it."""

    completed_by: frozenset[str] = frozenset({"setup.completed"})
    steps: frozenset[str] = frozenset({"setup.step_completed"})


def note_step(turn: Turn, setup: SetUp, activity: Activity) -> None:
    """A step is done. Done again, the first time counts."""
    named = activity.attributes.get(STEP_ATTRIBUTE)
    step = (str(named) if named not in (None, "") else activity.type)[:LONGEST_STEP]
    known_ms = setup.steps.get(step)
    if (known_ms is None and len(setup.steps) < MOST_STEPS) or (
        known_ms is not None and turn.at_ms < known_ms
    ):
        setup.steps[step] = turn.at_ms
        turn.page_changed = True


def note_completed(turn: Turn, setup: SetUp) -> None:
    """The set-up is completed. Completed again, the first time counts."""
    if setup.completed_ms is None or turn.at_ms < setup.completed_ms:
        setup.completed_ms = turn.at_ms
        turn.page_changed = True


def start_over(setup: SetUp, from_ms: int) -> None:
    """A program was assigned: set-up up to that instant counts no more; what was done after it does."""
    setup.steps = {step: at_ms for step, at_ms in setup.steps.items() if at_ms > from_ms}
    if setup.completed_ms is not None and setup.completed_ms <= from_ms:
        setup.completed_ms = None


def steps_in_order(setup: SetUp) -> list[str]:
    """The steps done, the first one first."""
    return sorted(setup.steps, key=lambda step: (setup.steps[step], step))
