"""`kind = "points"`: activities that earn points, and a score that falls while none do (contract 6.2)."""

# ruff: noqa: RUF012  pydantic copies the defaults, and the models are frozen

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationInfo, field_validator, model_validator

from app.domain import points as domain
from app.domain.scores import HIGHEST, LOWEST, Clamp
from app.playbooks.model import PlaybookModel
from app.playbooks.values import ActivityChannel, PositivePoints, SignedPoints, Span, Table, Text
from app.playbooks.words import Limit, ScoreName  # noqa: TC001  pydantic resolves annotations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self


class RuleModel(Table):
    """One activity that earns points."""

    on: Text
    channel: ActivityChannel | None = None
    points: PositivePoints
    at_most: Limit | None = None


class DecayModel(Table):
    """What is taken after each full span without earning."""

    points: PositivePoints
    every: Span


class PointsModel(PlaybookModel):
    """One points playbook."""

    kind: Literal["points"]
    score: ScoreName = "engagement"
    rules: list[RuleModel] = []
    decay: DecayModel | None = None
    ceiling: SignedPoints | None = None
    floor: SignedPoints | None = None  # behind the ceiling it is checked against

    @field_validator("floor")
    @classmethod
    def _check_floor(cls, floor: int | None, info: ValidationInfo) -> int | None:
        ceiling = info.data.get("ceiling")
        if floor is not None and ceiling is not None and floor > ceiling:
            raise ValueError(f"{floor} is above the ceiling, {ceiling}")
        return floor

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.rules and self.decay is None and self.clamp == Clamp():
            raise ValueError(
                "rules: there are none, and neither decay, floor nor ceiling: it would do nothing"
            )
        return self

    @property
    def clamp(self) -> Clamp:
        """The bounds of the score."""
        return Clamp(
            LOWEST if self.floor is None else self.floor, HIGHEST if self.ceiling is None else self.ceiling
        )

    def compile(self) -> domain.Points:
        """The form the core works with."""
        decay = self.decay
        return domain.Points(
            name=self.name,
            version=self.version(),
            score=self.score,
            rules=tuple(self._rules()),
            decay=None if decay is None else domain.Decay(decay.points, decay.every),
            clamp=self.clamp,
        )

    def _rules(self) -> Iterator[domain.Rule]:
        """Each rule under an id that does not change when other rules come and go."""
        seen: Counter[str] = Counter()
        for rule in self.rules:
            name = f"{rule.on} {rule.channel or '*'}"
            seen[name] += 1
            limit = None if rule.at_most is None else domain.Limit(*rule.at_most)
            yield domain.Rule(f"{name} {seen[name]}", rule.on, rule.channel, rule.points, limit)
