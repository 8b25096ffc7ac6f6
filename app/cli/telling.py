"""How errors are told to a person."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from app.domain.errors import TopicError

if TYPE_CHECKING:
    from app.domain.errors import UserError

_MOST_NAMED = 3


def report(errors: list[UserError]) -> None:
    """Print errors to standard error, each as `error[reference] place: problem` and its hint on a line of its own.

    What is wrong with several topics alike is told once: the first of them, and how many more there are.
    """
    for place, error in _together(errors):
        print(f"error[{error.reference}] {place}: {error.problem}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)


def _together(errors: list[UserError]) -> list[tuple[str, UserError]]:
    """Each error with its place, or of several that are alike the first with those of all."""
    groups: dict[object, list[UserError]] = {}
    for error in errors:
        alike = (error.reference, error.problem, error.hint) if isinstance(error, TopicError) else id(error)
        groups.setdefault(alike, []).append(error)
    return [(_places(group), group[0]) for group in groups.values()]


def _places(errors: list[UserError]) -> str:
    named = ", ".join(error.place for error in errors[:_MOST_NAMED])
    return f"{named} and {len(errors) - _MOST_NAMED} more" if len(errors) > _MOST_NAMED else named
