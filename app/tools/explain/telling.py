"""Where the parts of a timeline go: the steps as they are found, and how the member stands in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from app.domain.explain.considered import Condition
    from app.domain.explain.standing import Standing
    from app.domain.explain.step import Step
    from app.domain.playbook_set import PlaybookSet
    from app.playbooks.sources import Place, Sources


class Subject(NamedTuple):
    """What is explained.

    Attributes:
        member_id: who.
        source: the file, or topics and partition, in words.
        why_not: the playbook to focus on; None: all.
        playbooks: by which it is explained.
        sources: where these are written.
    """

    member_id: str
    source: str
    why_not: str | None
    playbooks: PlaybookSet
    sources: Sources

    def concerns(self, playbook: str | None) -> bool:
        """Whether what a playbook did or considered is to be told."""
        return self.why_not is None or playbook == self.why_not

    def place_of(self, playbook: str | None, condition: Condition) -> Place | None:
        """Where the key of a condition stands; None: there is no key."""
        if not condition.key:
            return None
        if condition.of_policy:
            return self.sources.of_policy(condition.key)
        return None if playbook is None else self.sources.of_playbook(playbook, condition.key)


class OnceFound:
    """A teller that says whose timeline it is with the first of it: of a member nobody has heard of there is none."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._begun = False

    def step(self, step: Step) -> None:
        """Print one step."""
        self._begin()
        self._teller.step(step)

    def end(self, standing: Standing) -> None:
        """Print how the member stands."""
        self._begin()
        self._teller.end(standing)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._teller.begin()


class Teller(Protocol):
    """Prints a timeline in one form. Each part is out before the next is looked for."""

    def begin(self) -> None:
        """Say whose timeline follows."""

    def step(self, step: Step) -> None:
        """Print one step."""

    def end(self, standing: Standing) -> None:
        """Print how the member stands."""
