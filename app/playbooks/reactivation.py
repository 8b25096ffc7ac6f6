"""`kind = "reactivation"`: past campaign responses made active again (contract 6.3)."""

# ruff: noqa: RUF012  pydantic copies the defaults, and the models are frozen

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from app.domain.instants import DAY_MS, MINUTE_MS
from app.domain.reactivation import Reactivation
from app.domain.reactivation_choice import ChoiceRules, DefaultResponse
from app.domain.reactivation_triggers import (
    ActivityTrigger,
    LeadTrigger,
    PromptTrigger,
    ScoreTrigger,
    Trigger,
)
from app.playbooks.model import PlaybookModel
from app.playbooks.values import Duration, SignedPoints, Table, Text, Texts
from app.playbooks.words import DEFAULT_SCORE, ScoreName

_LISTENS = {
    "score": "score",
    "threshold": "score",
    "prompt_campaigns": "response_prompt",
    "on": "invocable",
    "where": "invocable",
}
"""Keys that belong to one way of listening only."""

_EXAMPLES = {
    "threshold": "threshold = 100",
    "prompt_campaigns": 'prompt_campaigns = ["contact-us"]',
    "on": 'on = ["meeting.requested"]',
    "inactive_statuses": 'inactive_statuses = ["Disqualified"]',
}
"""Keys without which the way of listening they belong to would never be set off."""


def _attribute(value: object) -> object:
    if not isinstance(value, str | bool | int | float):
        raise ValueError(f"{value!r} is no attribute's value; write a text, a number, true or false")  # noqa: TRY004  pydantic expects it
    return value


class DefaultResponseModel(Table):
    """What is inserted where no response is found."""

    campaign_id: Text
    status: Text | None = None


class ReactivationModel(PlaybookModel):
    """One reactivation playbook."""

    kind: Literal["reactivation"]
    listen: Literal["score", "response_prompt", "invocable", "active_status"]
    wait: Duration = 20 * MINUTE_MS
    look_back: Duration = 90 * DAY_MS
    eligible: Literal["any", "all"] = "any"
    eligible_statuses: Texts = []
    non_responses: bool = True
    skip_if_active: bool = True
    active_status: Text = "Open - Not Contacted"
    active_statuses: Texts = []
    inactive_statuses: Annotated[Texts, Field(validate_default=True)] = []
    exclude_campaigns: Texts = []
    default_response: DefaultResponseModel | None = None
    sync_fields: dict[Text, str] = {}
    assign_to: Text | None = None
    notify: list[Literal["member", "coach", "owner", "operator"]] = ["owner"]
    score: ScoreName | None = None
    threshold: Annotated[SignedPoints | None, Field(validate_default=True)] = None
    prompt_campaigns: Annotated[Texts | None, Field(validate_default=True)] = None
    on: Annotated[Texts | None, Field(validate_default=True)] = None
    where: dict[Text, Annotated[Any, AfterValidator(_attribute)]] | None = None

    @field_validator("score", "threshold", "prompt_campaigns", "on", "where")
    @classmethod
    def _check_listen(cls, value: Any, info: ValidationInfo) -> Any:
        """A key of another way of listening is refused, and one that this way needs must be there."""
        key, listen = str(info.field_name), info.data.get("listen")
        belongs_to = _LISTENS[key]
        if listen is None:
            return value
        if listen != belongs_to:
            if value is not None:
                raise ValueError(
                    f'belongs to listen = "{belongs_to}", and here it is "{listen}"; leave it out'
                )
        elif key in _EXAMPLES and value in (None, []):
            raise _missing(key, listen)
        return value

    @field_validator("inactive_statuses")
    @classmethod
    def _check_inactive(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if not value and info.data.get("listen") == "active_status":
            raise _missing("inactive_statuses", "active_status")
        return value

    @field_validator("notify")
    @classmethod
    def _check_notify(cls, value: list[str]) -> list[str]:
        twice = sorted({role for role in value if value.count(role) > 1})
        if twice:
            raise ValueError(f"names {', '.join(twice)} more than once")
        return value

    @property
    def score_name(self) -> str | None:
        """The score it listens to; None where it listens to something else."""
        return (self.score or DEFAULT_SCORE) if self.listen == "score" else None

    def compile(self) -> Reactivation:
        """The form the core works with."""
        default = self.default_response
        return Reactivation(
            name=self.name,
            version=self.version(),
            trigger=self._trigger(),
            wait_ms=self.wait,
            rules=ChoiceRules(
                look_back_ms=self.look_back,
                needs_all=self.eligible == "all",
                eligible_statuses=frozenset(self.eligible_statuses),
                takes_non_responses=self.non_responses,
                skips_active=self.skip_if_active,
                active_statuses=frozenset({*self.active_statuses, self.active_status}),
                excluded_campaigns=frozenset(self.exclude_campaigns),
                prompt_campaigns=frozenset(self.prompt_campaigns or ()),
                default=None if default is None else DefaultResponse(default.campaign_id, default.status),
            ),
            active_status=self.active_status,
            inactive_statuses=frozenset(self.inactive_statuses),
            sync_fields=self.sync_fields,
            assign_to=self.assign_to,
            notify=tuple(role.upper() for role in self.notify),
        )

    def _trigger(self) -> Trigger:
        match self.listen:
            case "score":
                return ScoreTrigger(self.score or DEFAULT_SCORE, self.threshold or 0)
            case "response_prompt":
                return PromptTrigger(frozenset(self.prompt_campaigns or ()))
            case "invocable":
                return ActivityTrigger(frozenset(self.on or ()), tuple((self.where or {}).items()))
            case "active_status":
                return LeadTrigger()


def _missing(key: str, listen: str) -> PydanticCustomError:
    """Told like any key that is missing; see `problems.py`."""
    hint = f'listen = "{listen}" needs it, such as {_EXAMPLES[key]}'
    return PydanticCustomError("missing", "must be given", {"hint": hint})
