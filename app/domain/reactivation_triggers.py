"""What sets a reactivation off: one of four triggers, the playbook's `listen` (contract 6.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from app.domain.events import Activity
from app.domain.responses import ResponseChange
from app.domain.scores import ScoreChange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.events import AttributeValue
    from app.domain.playbook import Interest
    from app.domain.responses import Response


class LeadChange(NamedTuple):
    """A lead's status before and after a profile record, as far as it matters: whether it is an inactive one."""

    was_inactive: bool
    is_inactive: bool


class Trigger(Protocol):
    """One of the four; frozen."""

    scenario: ClassVar[str]
    """What records call it."""

    def interests(self) -> Iterator[Interest]:
        """What the playbook has to listen to for it, beyond changes of responses and of the lead."""

    def is_met(self, event: Any) -> bool:
        """Whether an activity, a change of a score or response, or a `LeadChange` sets the reactivation off."""


@dataclass(frozen=True)
class ScoreTrigger:
    """The score crosses from below, or from empty, to `threshold` or above."""

    scenario: ClassVar[str] = "score"

    score: str
    threshold: int

    def interests(self) -> Iterator[Interest]:
        """Changes of the score."""
        yield ScoreChange, self.score

    def is_met(self, event: Any) -> bool:
        """See `Trigger`."""
        return isinstance(event, ScoreChange) and self.is_crossed(event.before, event.after)

    def is_crossed(self, before: int | None, after: int | None) -> bool:
        """Whether a change leads over the threshold; None stands for empty."""
        return after is not None and after >= self.threshold and (before is None or before < self.threshold)


@dataclass(frozen=True)
class PromptTrigger:
    """A response in a prompt campaign is first seen; one known as a non-response counts when it becomes one."""

    scenario: ClassVar[str] = "response_prompt"

    campaigns: frozenset[str]

    def interests(self) -> Iterator[Interest]:
        """None: every reactivation listens to responses."""
        yield from ()

    def is_met(self, event: Any) -> bool:
        """See `Trigger`. What a playbook inserts or a merge brings is nothing the member did."""
        return (
            isinstance(event, ResponseChange)
            and event.is_record
            and self._is_prompt(event.after)
            and (event.before is None or not self._is_prompt(event.before))
        )

    def _is_prompt(self, response: Response) -> bool:
        return response.is_response and response.campaign_id in self.campaigns


@dataclass(frozen=True)
class ActivityTrigger:
    """An activity of one of these types, with all these attributes."""

    scenario: ClassVar[str] = "invocable"

    activities: frozenset[str]
    where: tuple[tuple[str, AttributeValue], ...] = ()

    def interests(self) -> Iterator[Interest]:
        """Activities of these types."""
        for activity_type in sorted(self.activities):
            yield Activity, activity_type

    def is_met(self, event: Any) -> bool:
        """See `Trigger`. A number is no boolean; a whole number equals the same one with a fraction of 0."""
        return isinstance(event, Activity) and all(
            name in event.attributes and _is_same(event.attributes[name], value) for name, value in self.where
        )


@dataclass(frozen=True)
class LeadTrigger:
    """The lead's status goes from an inactive one to one that is not."""

    scenario: ClassVar[str] = "active_status"

    def interests(self) -> Iterator[Interest]:
        """None: every reactivation that knows inactive statuses listens to them."""
        yield from ()

    def is_met(self, event: Any) -> bool:
        """See `Trigger`."""
        return isinstance(event, LeadChange) and event.was_inactive and not event.is_inactive


def _is_same(one: AttributeValue, other: AttributeValue) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)
