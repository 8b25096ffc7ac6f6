"""Zones, times of day and public holidays: where an instant stands in somebody's day (contract 5, "Wall times").

Zones come from the IANA tables, holidays from the package `holidays`. Both are read when first asked for; a worker
reads all of them before its first event (`load_tables`).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from app.domain.instants import DAY_MS, SECOND_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holidays import HolidayBase

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY = timedelta(days=1)
_FOLDS = (0, 1)
_CYCLE_MS = 146_097 * DAY_MS
"""400 years: after them dates fall on the same days of the week again, and summer times with them."""
_YEAR_9999_MS = 253_370_764_800_000


def load_tables() -> None:
    """Read every zone and every country's holidays from disk, so that no event waits for it. About half a second."""
    for name in available_timezones():
        zone_of(name)
    for country in _countries():
        public_holidays(country, None)


@lru_cache(1_000)
def zone_of(name: str | None) -> ZoneInfo:
    """The zone of an IANA name; UTC for None and for a name nobody knows (contract 6.6, "Unknown zone")."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def local_time(at_ms: int, zone: ZoneInfo) -> datetime:
    """What calendar and clock show in the zone at an instant; from the year 9999 on, what they showed 400 years before.

    Timers may fire up to the last instant that can be written, when in the east the year 10000 has begun.
    """
    return (_EPOCH + (at_ms - _cycle_ms(at_ms)) * _MILLISECOND).astimezone(zone)


def minute_of_day(moment: datetime) -> int:
    """0 at midnight to 1439, by the clock on the wall."""
    return moment.hour * 60 + moment.minute


def parse_wall_time(text: str) -> int:
    """Minute of the day of `HH:MM`, which has been checked."""
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


def instant_of(day: date, minute: int, zone: ZoneInfo, fold: int = 0) -> int:
    """Epoch ms at which the clock shows a minute of a day; `fold` 1: for the second time, where it is put back.

    A time that does not exist is the first instant after the gap (contract 5).
    """
    shown = datetime(day.year, day.month, day.day, minute // 60, minute % 60, fold=fold, tzinfo=zone)
    at_ms = _epoch_ms(shown)
    if local_time(at_ms, zone).replace(tzinfo=None) == shown.replace(tzinfo=None):
        return at_ms
    # In a gap fold 1 reads the time with the offset that holds after it, which names an instant before it.
    return _change_between(_epoch_ms(shown.replace(fold=1)), _epoch_ms(shown.replace(fold=0)), zone)


def next_wall_time_ms(after_ms: int, wall_time: str, zone_name: str) -> int:
    """The next instant after `after_ms` at which a daily time of day comes, such as `17:00` in a named zone.

    Once a day: where the clock is put back and shows the time twice, the first counts.
    """
    if cycle_ms := _cycle_ms(after_ms):
        return next_wall_time_ms(after_ms - cycle_ms, wall_time, zone_name) + cycle_ms
    zone, minute = zone_of(zone_name), parse_wall_time(wall_time)
    day = local_time(after_ms, zone).date()
    while (at_ms := instant_of(day, minute, zone)) <= after_ms:
        day += _DAY
    return at_ms


def next_change_ms(after_ms: int, minutes: Iterable[int], zone: ZoneInfo) -> int:
    """The first instant after `after_ms` at which the clock shows one of these minutes, or is put forward or back."""
    if cycle_ms := _cycle_ms(after_ms):
        return next_change_ms(after_ms - cycle_ms, minutes, zone) + cycle_ms
    day = local_time(after_ms, zone).date()
    found = min(
        at_ms
        for days in range(3)
        for minute in minutes
        for fold in _FOLDS
        if (at_ms := instant_of(day + days * _DAY, minute, zone, fold)) > after_ms
    )
    if local_time(after_ms, zone).utcoffset() == local_time(found, zone).utcoffset():
        return found
    return _change_between(after_ms, found, zone)


def is_public_holiday(day: date, country: str | None, region: str | None) -> bool:
    """Whether nobody works on that day there. False without a country and for one nobody knows.

    `country` is an ISO 3166-1 code, `region` a subdivision's code, alone or behind the country's, or its name as the
    package `holidays` has it, mostly in the country's own language: `BY`, `DE-BY`, `Bayern`. Capitals make no
    difference. An unknown one leaves the whole country's holidays.
    """
    if country is None:
        return False
    holidays = public_holidays(country.upper(), region)
    return holidays is not None and day in holidays


@lru_cache(4_000)
def public_holidays(country: str, region: str | None) -> HolidayBase | None:
    """The holidays of a country, None where none are known. Years are worked out as they are asked for."""
    if country not in _countries():
        return None
    from holidays import country_holidays  # noqa: PLC0415  it takes a while, and many runs need no holidays

    whole = country_holidays(country)
    if region is None:
        return whole
    wanted = (
        region.casefold().removeprefix(f"{country}-".casefold()).removeprefix(f"{whole.country}-".casefold())
    )
    names = {name.casefold(): name for name in (*whole.subdivisions_aliases, *whole.subdivisions)}
    # The package knows some names besides, of subdivisions there were.
    with suppress(NotImplementedError):
        return country_holidays(country, subdiv=names.get(wanted, region) or None)
    return whole


@cache
def _countries() -> frozenset[str]:
    from holidays.registry import EntityLoader  # noqa: PLC0415  see public_holidays

    return frozenset(EntityLoader.get_country_codes())


def _cycle_ms(at_ms: int) -> int:
    return 0 if at_ms < _YEAR_9999_MS else _CYCLE_MS


def _epoch_ms(moment: datetime) -> int:
    # Python subtracts moments of one zone by their clocks, so the step over UTC is what makes this right.
    return (moment.astimezone(UTC) - _EPOCH) // _MILLISECOND


def _change_between(before_ms: int, after_ms: int, zone: ZoneInfo) -> int:
    """The instant at which the zone's offset takes the value it has at `after_ms`; at `before_ms` it has another."""
    goal = local_time(after_ms, zone).utcoffset()
    low, high = before_ms // SECOND_MS, after_ms // SECOND_MS
    while high - low > 1:
        middle = (low + high) // 2
        if local_time(middle * SECOND_MS, zone).utcoffset() == goal:
            high = middle
        else:
            low = middle
    return high * SECOND_MS
