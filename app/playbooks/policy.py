"""`policy.toml`: what every message to a member has to respect (contract 6.6)."""

# ruff: noqa: RUF012  pydantic copies the defaults, and the models are frozen

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, ValidatorFunctionWrapHandler, field_validator

from app.domain.calendar import parse_wall_time
from app.domain.instants import DAY_MS, MINUTE_MS
from app.domain.policy import Policy
from app.playbooks.model import content_version
from app.playbooks.values import (
    Count,
    Duration,
    NudgeChannel,
    NudgeChannels,
    Span,
    Table,
    WallTime,
)

_DAY_MINUTES = DAY_MS // MINUTE_MS


class Quiet(Table):
    """From when to when, in the member's zone, nothing is sent; from = to: no quiet hours."""

    start: WallTime = Field(default="21:00", alias="from")
    end: WallTime = Field(default="08:00", alias="to")


class PolicyModel(Table):
    """The nudge policy, with its defaults."""

    channels: NudgeChannels = ["IN_APP", "EMAIL", "SMS"]
    quiet: Quiet = Quiet()
    holidays: bool = True
    caps: dict[Span, Count] = {DAY_MS: 1, 7 * DAY_MS: 3}
    hold_out_percent: Annotated[float, Field(ge=0, le=100)] = 0
    # Behind the quiet hours it is checked against; written here as people do, for it is checked where it is left out too.
    spread: Duration = Field(default="15m", validate_default=True)
    consent_default: dict[NudgeChannel, bool] = {"EMAIL": True, "SMS": False, "IN_APP": True}

    @field_validator("caps", mode="wrap")
    @classmethod
    def _check_spans(cls, written: object, validate: ValidatorFunctionWrapHandler) -> dict[int, int]:
        caps: dict[int, int] = validate(written)
        if isinstance(written, dict) and len(caps) < len(written):
            raise ValueError("two of the spans are equally long; leave one out")
        return caps

    @field_validator("spread")
    @classmethod
    def _check_spread(cls, spread: int, info: ValidationInfo) -> int:
        # Released later than the next quiet hours begin, a nudge would wait again, and so every day.
        quiet: Quiet | None = info.data.get("quiet")
        if quiet is not None:
            open_minutes = (parse_wall_time(quiet.start) - parse_wall_time(quiet.end)) % _DAY_MINUTES
            if open_minutes and spread > open_minutes * MINUTE_MS:
                raise ValueError("is longer than the hours that are not quiet; nothing could be released")
        return spread

    def compile(self) -> Policy:
        """The form the core works with."""
        return Policy(
            version=content_version(self),
            channels=tuple(self.channels),
            quiet_from=parse_wall_time(self.quiet.start),
            quiet_to=parse_wall_time(self.quiet.end),
            holidays=self.holidays,
            caps=tuple(sorted(self.caps.items())),
            hold_out_percent=self.hold_out_percent,
            spread_ms=self.spread,
            consent_default={str(channel): said for channel, said in self.consent_default.items()},
        )
