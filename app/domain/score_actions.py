"""What a score playbook does when its condition is met (contract 6.2, `[[actions]]`); opening a workflow apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from app.domain.links import fill_link
from app.domain.nudge_state import Message
from app.domain.nudges import plan_nudge
from app.domain.scores import Asked
from app.domain.tags import add_tag, remove_tag

if TYPE_CHECKING:
    from app.domain.playbook import Playbook
    from app.domain.turn import Turn


class Firing(NamedTuple):
    """One time a condition was met.

    context: what workflow and nudges say of it. stem: of the workflow that is open by it, else empty. depth: of the
    change that met it, 0 at first sight of a member.
    """

    context: dict[str, str]
    stem: str
    depth: int


class Action(Protocol):
    """One action of a playbook, frozen. `step` is its place among the playbook's actions."""

    @property
    def step(self) -> int:
        """From 0, `open_workflow` counted."""

    def take(self, turn: Turn, playbook: Playbook, firing: Firing) -> None:
        """Do it, once."""


@dataclass(frozen=True)
class NudgeAction:
    """`do="nudge"`. For what it says see `nudge_state.Message`."""

    step: int
    role: str
    template: str
    after_ms: int = 0
    channels: tuple[str, ...] = ()
    incentive: str | None = None
    call_to_action: str | None = None

    def take(self, turn: Turn, playbook: Playbook, firing: Firing) -> None:
        """Plan the nudge."""
        link = self.call_to_action
        if link is not None:
            link = fill_link(link, {"member_id": turn.member.key, "company_id": turn.hot.company_id})
        message = Message(
            role=self.role,
            template=self.template,
            channels=self.channels,
            call_to_action=link,
            incentive=self.incentive,
            context=firing.context,
        )
        plan_nudge(turn, playbook, message, stem=firing.stem, after_ms=self.after_ms, step=self.step)


@dataclass(frozen=True)
class TagAction:
    """`do="tag"`: the tag to add, or to remove."""

    step: int
    tag: str
    is_added: bool

    def take(self, turn: Turn, playbook: Playbook, firing: Firing) -> None:  # noqa: ARG002  a tag needs no context
        """Add or remove the tag; the reason is the playbook's name (contract 8, "Scores")."""
        (add_tag if self.is_added else remove_tag)(turn, playbook, self.tag, playbook.name)


@dataclass(frozen=True)
class ModifyAction:
    """`do="modify_score"`: see `scores.Asked`."""

    step: int
    score: str
    operation: str
    points: int | None

    def take(self, turn: Turn, playbook: Playbook, firing: Firing) -> None:
        """Ask for the change, one deeper than the one it answers; the reason is the playbook's name."""
        turn.asked.append(
            Asked(playbook, self.score, self.operation, self.points, playbook.name, firing.depth + 1)
        )
