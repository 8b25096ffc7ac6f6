"""`policy.toml`: what every message to a member has to respect (contract 6.6)."""

# ruff: noqa: RUF012  pydantic copies the defaults, and the models are frozen

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.domain.instants import DAY_MS, MINUTE_MS
from app.playbooks.values import Count, Duration, NudgeChannel, NudgeChannels, Span, Table, WallTime


class Quiet(Table):
    """From when to when, in the member's zone, nothing is sent; from = to: no quiet hours."""

    start: WallTime = Field(default="21:00", alias="from")
    end: WallTime = Field(default="08:00", alias="to")


class Policy(Table):
    """The nudge policy, with its defaults."""

    channels: NudgeChannels = ["IN_APP", "EMAIL", "SMS"]
    quiet: Quiet = Quiet()
    holidays: bool = True
    caps: dict[Span, Count] = {DAY_MS: 1, 7 * DAY_MS: 3}
    hold_out_percent: Annotated[int | float, Field(ge=0, le=100)] = 0
    spread: Duration = 15 * MINUTE_MS
    consent_default: dict[NudgeChannel, bool] = {"EMAIL": True, "SMS": False, "IN_APP": True}
