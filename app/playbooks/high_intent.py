"""`kind = "high_intent"`: members who nearly converted, and how they are brought back (contract 6.4)."""

# ruff: noqa: RUF012  pydantic copies the defaults, and the models are frozen

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from app.domain.high_intent import HighIntent
from app.domain.instants import DAY_MS, HOUR_MS, MINUTE_MS
from app.domain.intent_plan import SEGMENT_PLACEHOLDER, Step
from app.domain.segments import (
    ERRORS,
    MOST_ATTEMPTS,
    MULTIPLE_ATTEMPTS,
    PRECEDENCE,
    UNKNOWN_EXIT,
    SegmentRules,
)
from app.domain.sessions import LONGEST_TEXT, SessionRules
from app.playbooks.model import PlaybookModel
from app.playbooks.problems import nearest
from app.playbooks.values import Duration, Name, NudgeChannels, Precedence, Span, Table, Text, Texts
from app.playbooks.words import DeepLink, SegmentTemplate  # noqa: TC001  pydantic resolves annotations

if TYPE_CHECKING:
    from typing import Self

_MOST_STEPS = 50
_OTHER_SEGMENTS = (MULTIPLE_ATTEMPTS, UNKNOWN_EXIT)

PageName = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]


class SessionModel(Table):
    """The activities that are a session, and when one without an end is over."""

    start: Text = "transact.started"
    page: Text = "transact.interaction"
    finish: Text = "transact.finished"
    close: Text = "transact.closed"
    timeout: Span = 30 * MINUTE_MS

    @model_validator(mode="after")
    def _check_different(self) -> Self:
        types: dict[str, str] = {}
        for key in ("start", "page", "finish", "close"):
            first = types.setdefault(getattr(self, key), key)
            if first != key:
                raise ValueError(f"{key}: is the same activity as {first}; nobody could tell which it is")
        return self


class SuccessModel(Table):
    """The page that is a success, if it has this state."""

    page: PageName = "Viewed Task Completed Page"
    state: Text = "completed"


class AttemptsModel(Table):
    """So many unsuccessful ends in such a span are multiple attempts."""

    count: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)] = 2
    within: Span = 7 * DAY_MS


class StepModel(Table):
    """One nudge of the plan."""

    after: Duration = HOUR_MS
    template: SegmentTemplate = SEGMENT_PLACEHOLDER
    channels: NudgeChannels | None = None
    incentive: Text | None = None

    def compile(self) -> Step:
        """The form the core works with."""
        return Step(
            after_ms=self.after,
            template=self.template,
            channels=tuple(self.channels or ()),
            incentive=self.incentive,
        )


class HighIntentModel(PlaybookModel):
    """One high-intent playbook."""

    kind: Literal["high_intent"]
    session: SessionModel = SessionModel()
    success: SuccessModel = SuccessModel()
    late_pages: Texts = ["Viewed Distribution Confirmation Page"]
    errors: dict[Name, PageName] = dict(ERRORS)
    attempts: AttemptsModel = AttemptsModel()
    expires: Span = 14 * DAY_MS
    release: Duration = 15 * MINUTE_MS
    deep_link: DeepLink
    precedence: Precedence = list(PRECEDENCE)
    nudges: Annotated[list[StepModel], Field(max_length=_MOST_STEPS)] = []

    @field_validator("errors", mode="before")
    @classmethod
    def _with_known_errors(cls, written: object) -> object:
        """As in every table, what is left out keeps its default."""
        return {**ERRORS, **written} if isinstance(written, dict) else written

    @field_validator("errors")
    @classmethod
    def _check_errors(cls, errors: dict[str, str]) -> dict[str, str]:
        pages: dict[str, str] = {}
        for key, page in errors.items():
            if key in _OTHER_SEGMENTS:
                raise ValueError(f"{key!r} is a segment of its own; call the error something else")
            first = pages.setdefault(page, key)
            if first != key:
                raise ValueError(f"{key} has the same page as {first}; nobody could tell which it is")
        return errors

    @field_validator("precedence")
    @classmethod
    def _check_known(cls, words: list[str], info: ValidationInfo) -> list[str]:
        known = [*info.data.get("errors", words), *_OTHER_SEGMENTS]
        for word in words:
            if word not in known:
                raise ValueError(f"{word!r} is neither an error nor a segment; {nearest(word, known)}")
        return words

    @model_validator(mode="after")
    def _check_asked_for(self) -> Self:
        if "precedence" not in self.model_fields_set:
            for key in self.errors:
                if key not in self.precedence:
                    raise ValueError(f"precedence: must be given, for where {key!r} of errors stands in it")
        return self

    def compile(self) -> HighIntent:
        """The form the core works with."""
        session = self.session
        return HighIntent(
            name=self.name,
            version=self.version(),
            session=SessionRules(
                start=session.start,
                page=session.page,
                finish=session.finish,
                close=session.close,
                timeout_ms=session.timeout,
                success_page=self.success.page,
                success_state=self.success.state,
                late_pages=frozenset(self.late_pages),
            ),
            segments=SegmentRules(
                errors=self.errors,
                precedence=tuple(self.precedence),
                attempts=self.attempts.count,
                within_ms=self.attempts.within,
            ),
            steps=tuple(step.compile() for step in self.nudges),
            deep_link=self.deep_link,
            expires_ms=self.expires,
            release_ms=self.release,
        )
