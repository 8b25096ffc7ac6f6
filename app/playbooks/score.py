"""`kind = "score"`: something happens when a score meets a condition (contract 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_serializer, field_validator, model_validator

from app.domain.condition import Condition  # noqa: TC001  pydantic resolves the annotation of the serializer
from app.domain.score_actions import Action, ModifyAction, NudgeAction, TagAction
from app.domain.score_playbook import ScorePlaybook
from app.playbooks.model import PlaybookModel
from app.playbooks.values import Duration, NudgeChannels, SignedPoints, Table, Text
from app.playbooks.words import Link, PlainTemplate, ScoreName, When  # noqa: TC001  pydantic resolves annotations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self


class NudgeModel(Table):
    """`do = "nudge"`."""

    do: Literal["nudge"]
    template: PlainTemplate
    recipient: Literal["member", "coach", "owner", "operator"] = "member"
    after: Duration = 0
    channels: NudgeChannels | None = None
    incentive: Text | None = None
    call_to_action: Link | None = None

    def compile(self, step: int, playbook: ScoreModel) -> Action:  # noqa: ARG002  a nudge says all itself
        """The form the core works with."""
        return NudgeAction(
            step=step,
            role=self.recipient.upper(),
            template=self.template,
            after_ms=self.after,
            channels=tuple(self.channels or ()),
            incentive=self.incentive,
            call_to_action=self.call_to_action,
        )


class ModifyModel(Table):
    """`do = "modify_score"`."""

    do: Literal["modify_score"]
    operation: Literal["add", "subtract", "set", "clear"]
    points: SignedPoints | None = None
    score: ScoreName | None = None

    @model_validator(mode="after")
    def _check_points(self) -> Self:
        if self.operation == "clear":
            if self.points is not None:
                raise ValueError("points: clear takes none")
        elif self.points is None:
            raise ValueError(f"points: {self.operation} needs them")
        elif self.points < 0 and self.operation != "set":
            raise ValueError(f"points: {self.points} is negative, which only set may be")
        return self

    def compile(self, step: int, playbook: ScoreModel) -> Action:
        """The form the core works with."""
        return ModifyAction(step, self.score or playbook.score, self.operation.upper(), self.points)


class TagModel(Table):
    """`do = "tag"`: one of add and remove."""

    do: Literal["tag"]
    add: Text | None = None
    remove: Text | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.add is None) == (self.remove is None):
            raise ValueError("write either add or remove, with the tag's name")
        return self

    @property
    def tag(self) -> str:
        """The tag it is about."""
        return self.add or self.remove or ""

    def compile(self, step: int, playbook: ScoreModel) -> Action:  # noqa: ARG002  a tag says all itself
        """The form the core works with."""
        return TagAction(step, self.tag, is_added=self.add is not None)


class OpenModel(Table):
    """`do = "open_workflow"`."""

    do: Literal["open_workflow"]


ActionModel = Annotated[NudgeModel | ModifyModel | TagModel | OpenModel, Field(discriminator="do")]


class ScoreModel(PlaybookModel):
    """One score playbook."""

    kind: Literal["score"]
    score: ScoreName = "engagement"
    when: When
    fire: Literal["on_crossing", "on_every_change"] = "on_crossing"
    resolve: Literal["when_false", "at_once"] = "when_false"
    new_members: bool = False
    actions: Annotated[list[ActionModel], Field(min_length=1)]

    @field_serializer("when")
    def _shown(self, when: Condition) -> str:
        return when.shown

    @field_validator("actions")
    @classmethod
    def _check_one_workflow(cls, actions: list[ActionModel]) -> list[ActionModel]:
        if sum(isinstance(action, OpenModel) for action in actions) > 1:
            raise ValueError("open_workflow stands there twice; a playbook opens one workflow")
        return actions

    def compile(self) -> ScorePlaybook:
        """The form the core works with."""
        return ScorePlaybook(
            name=self.name,
            version=self.version(),
            score=self.score,
            condition=self.when,
            every_change=self.fire == "on_every_change",
            new_members=self.new_members,
            opens_workflow=any(isinstance(action, OpenModel) for action in self.actions),
            at_once=self.resolve == "at_once",
            actions=tuple(self._actions()),
        )

    def _actions(self) -> Iterator[Action]:
        for step, action in enumerate(self.actions):
            if not isinstance(action, OpenModel):
                yield action.compile(step, self)
