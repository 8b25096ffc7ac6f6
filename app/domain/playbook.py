"""What every kind of playbook has in common in the core: a name, a version, and what it reacts to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.domain.timers import Timer
    from app.domain.turn import Turn

KIND_ORDER = ("reengager", "points", "score", "reactivation", "high_intent", "progress")
"""For one input, playbooks act in this order of kinds, then by name (contract 5)."""


class FirstSeen:
    """Stands, where the type of a record is asked for, for a member's being seen for the first time."""


class Leaving:
    """Stands, where the type of a record is asked for, for a member's being forgotten or merged away.

    The reaction is called with the reason, as text, in place of a record; workflows are resolved by then.
    """


Interest = tuple[type, str | None]
"""What a playbook reacts to.

(record type, None), or (Activity, its `type`), or (ScoreChange, name of the score), or (FirstSeen, None), or
(Leaving, None), or of `responses.py` (ResponseChange, None) and (Crowd, None).
"""


class Playbook(Protocol):
    """A compiled playbook: frozen, made by app.playbooks, shared by all members.

    `version` is a hash of everything the playbook says, the same in every process.
    """

    @property
    def kind(self) -> str:
        """One of `KIND_ORDER`."""

    @property
    def name(self) -> str:
        """Unique among the playbooks loaded together; holds neither `:` nor `#`."""

    @property
    def version(self) -> str:
        """As outputs carry it (playbook_version)."""

    def reactions(self) -> Iterable[tuple[Interest, Callable[[Turn, Any], None]]]:
        """What it reacts to and with what, each interest once. Asked once; the rest costs the playbook nothing."""

    def fire(self, turn: Turn, timer: Timer) -> None:
        """One of its own timers is due; it is disarmed already."""

    def rearm(self, turn: Turn) -> None:
        """The member was kept under other playbooks, or without this one; bring state, tags and timers up to date.

        The record that might have followed is not known: nothing is opened (contract 5, "Changed playbooks").
        """
