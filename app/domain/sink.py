"""Where a core puts what it decided."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Refused(NamedTuple):
    """A well-formed record that the rules refuse; whoever feeds the engine makes a dead letter of it, with its place.

    error: one of the codes of contract 4 (`unknown_workflow`, `not_managed`, `merge_cycle`, `cascade_limit`).
    message: what was refused, and why, for the sender.
    """

    error: str
    message: str


class PageGone(NamedTuple):
    """The member is forgotten or merged away: its member-snapshot is deleted (contract 4)."""

    member_id: str


class SamePage(msgspec.Struct, gc=False):
    """A member's page of which nothing is new but its instant and the last activity.

    rest: all else, in the form in which whoever writes pages left it with the member (`Member.page_rest`).
    """

    member_id: str
    occurred_at: int
    last_in_app_activity: int | None
    rest: bytes


class Sink:
    """Collects what one batch puts out, in the order in which it was decided.

    `outputs` holds output records, crossing facts, `Refused`, `PageGone`, `SamePage` and `hop.Hop`, and is emptied by whoever drives the engine.
    """

    __slots__ = ("outputs",)

    def __init__(self) -> None:
        self.outputs: list[object] = []

    def emit(self, output: object) -> None:
        """Add one output record (`app.domain.outputs`) or crossing fact (`app.domain.crossings`)."""
        self.outputs.append(output)

    def refuse(self, error: str, message: str) -> None:
        """The record being applied is refused for a reason only the rules know."""
        self.outputs.append(Refused(error, message))

    def take(self) -> list[object]:
        """Everything put out since the last call, in order."""
        taken, self.outputs = self.outputs, []
        return taken
