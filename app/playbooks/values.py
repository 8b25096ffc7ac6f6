"""The values playbooks are made of, each with the text form a person writes and the checks it has to pass."""

from __future__ import annotations

import re
from datetime import time
from difflib import get_close_matches
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.domain.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WEEK_MS

_UNITS_MS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": WEEK_MS}
_DURATION = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_LONGEST_MS = 36_500 * DAY_MS
_WALL_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class Table(BaseModel):
    """Base of every table of a playbook: no unknown keys, no value taken for another type's."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def duration_ms(text: object) -> int:
    """`30s`, `20m`, `2h`, `7d` or `3w` in milliseconds; days and weeks are exact multiples of 24 h (contract 5)."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(
            f"{text!r} is no duration; write a whole number and a unit, such as 30s, 20m, 2h, 7d or 3w"
        )
    span_ms = int(match[1]) * _UNITS_MS[match[2]]
    if span_ms > _LONGEST_MS:
        raise ValueError(f"{text!r} is longer than 36500d")
    return span_ms


def _positive(span_ms: int) -> int:
    if span_ms == 0:
        raise ValueError("must be longer than nothing")
    return span_ms


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; {_zone_hint(name)}") from None
    return name


def _zone_hint(name: str) -> str:
    """Abbreviations have no area, and look like others that mean another zone: PST and MST."""
    if "/" in name:
        close = get_close_matches(name, available_timezones(), n=1)
    else:
        place = name.casefold().replace(" ", "_")
        close = [zone for zone in available_timezones() if zone.casefold().rpartition("/")[2] == place]
    return (
        f"did you mean {min(sorted(close), key=len)}?"
        if close
        else "write an IANA name, such as America/Los_Angeles"
    )


def _in_quotes(written: object) -> object:
    """TOML has times of its own, with seconds and without quotes."""
    if isinstance(written, time):
        raise ValueError(f'is written in quotes, as hours and minutes: "{written:%H:%M}"')  # noqa: TRY004  pydantic expects it
    return written


def _wall_time(text: str) -> str:
    if _WALL_TIME.fullmatch(text) is None:
        raise ValueError(f'{text!r} is no time of day; write it from "00:00" to "23:59"')
    return text


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise ValueError(
            f"{text!r} is no name; use up to 64 letters, digits, dots, dashes and underscores, "
            "beginning with a letter or digit: it becomes part of ids"
        )
    return text


def _in_any_order(names: list[str]) -> list[str]:
    return sorted(set(names))


def _each_once(names: list[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"names {', '.join(twice)} more than once")
    return names


Duration = Annotated[int, BeforeValidator(duration_ms)]
"""Milliseconds, from the text; may be nothing (`0s`)."""

Span = Annotated[int, BeforeValidator(duration_ms), AfterValidator(_positive)]
"""Milliseconds, from the text; longer than nothing."""

Zone = Annotated[str, AfterValidator(_zone)]
"""IANA name of a time zone."""

WallTime = Annotated[str, BeforeValidator(_in_quotes), AfterValidator(_wall_time)]
"""`HH:MM`, 24 hours, in a zone named beside it."""

Name = Annotated[str, AfterValidator(_name)]
"""Of a playbook: part of workflow and nudge ids."""

Text = Annotated[str, Field(min_length=1)]
"""Anything but nothing."""

Texts = Annotated[list[Text], AfterValidator(_in_any_order)]
"""A set of texts, its order of no meaning."""

Precedence = Annotated[list[Text], Field(min_length=1), AfterValidator(_each_once)]
"""Words in the order in which they are asked, each once."""

Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Positive = Annotated[int, Field(ge=1, le=1_000_000_000)]

SignedPoints = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]
"""Any score or threshold: 64 bits."""

PositivePoints = Annotated[int, Field(ge=1, lt=1 << 63)]

ActivityChannel = Literal["APP", "WEB", "EMAIL", "SMS", "PHONE", "SYSTEM"]
NudgeChannel = Literal["EMAIL", "SMS", "IN_APP", "PUSH", "WEBHOOK"]

NudgeChannels = Annotated[list[NudgeChannel], Field(min_length=1), AfterValidator(_each_once)]
"""Channels for messages, the preferred one first."""
