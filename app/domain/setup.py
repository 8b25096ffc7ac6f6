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
    """A step is done. Done again, the first time counts, until a program is assigned after that."""
    named = activity.attributes.get(STEP_ATTRIBUTE)
    step = (str(named) if named not in (None, "") else activity.type)[:LONGEST_STEP]
    known_ms = setup.steps.get(step)
    if known_ms is None and len(setup.steps) >= MOST_STEPS:
        return
    first_ms, again_ms = _first_and_last(known_ms, (setup.steps_again or {}).get(step), turn.at_ms)
    if again_ms is not None:
        setup.steps_again = {**(setup.steps_again or {}), step: again_ms}
    if first_ms != known_ms:
        setup.steps[step] = first_ms
        turn.page_changed = True


def note_completed(turn: Turn, setup: SetUp) -> None:
    """The set-up is completed. Completed again, the first time counts, until a program is assigned after that."""
    known_ms = setup.completed_ms
    setup.completed_ms, setup.completed_again_ms = _first_and_last(
        known_ms, setup.completed_again_ms, turn.at_ms
    )
    if setup.completed_ms != known_ms:
        turn.page_changed = True


def completed_after(setup: SetUp, at_ms: int) -> int | None:
    """When the set-up was completed after that instant; None: it is not known to have been.

    Of more than two completions only the first and the last are known: the last may stand for one before it.
    """
    return _after(setup.completed_ms, setup.completed_again_ms, at_ms)


def start_over(setup: SetUp, from_ms: int) -> None:
    """A program was assigned: set-up up to that instant counts no more; what was done after it does."""
    again = setup.steps_again or {}
    steps = {step: _after(first_ms, again.get(step), from_ms) for step, first_ms in setup.steps.items()}
    setup.steps = {step: at_ms for step, at_ms in steps.items() if at_ms is not None}
    later = {step: at_ms for step, at_ms in again.items() if at_ms > setup.steps.get(step, at_ms)}
    setup.steps_again = later or None
    setup.completed_ms = completed_after(setup, from_ms)
    if setup.completed_ms is None or setup.completed_ms == setup.completed_again_ms:
        setup.completed_again_ms = None


def _first_and_last(first_ms: int | None, last_ms: int | None, at_ms: int) -> tuple[int, int | None]:
    """When something was first done, and last if again, now that it was done at an instant too."""
    if first_ms is None or first_ms == at_ms:
        return at_ms, last_ms
    if at_ms < first_ms:
        return at_ms, first_ms if last_ms is None else last_ms
    return first_ms, at_ms if last_ms is None else max(last_ms, at_ms)


def _after(first_ms: int | None, last_ms: int | None, at_ms: int) -> int | None:
    """The first of the two that lies after an instant."""
    return next((each for each in (first_ms, last_ms) if each is not None and each > at_ms), None)


def steps_in_order(setup: SetUp) -> list[str]:
    """The steps done, the first one first."""
    return sorted(setup.steps, key=lambda step: (setup.steps[step], step))
