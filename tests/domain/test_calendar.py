"""Zones, wall times and public holidays (contract 5, "Wall times"; 6.6)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar import (
    instant_of,
    is_public_holiday,
    load_tables,
    local_time,
    minute_of_day,
    next_change_ms,
    next_wall_time_ms,
    parse_wall_time,
    public_holidays,
    zone_of,
)
from app.domain.instants import DAY_MS, iso_instant


def ms(iso: str) -> int:
    return int(datetime.fromisoformat(iso).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "day", "wall", "utc"),
    [
        # Northern hemisphere: forward on 29 March 2026 and 8 March 2026, back on 25 October and 1 November.
        ("Europe/Berlin", "2026-03-28", "02:30", "2026-03-28T01:30"),
        ("Europe/Berlin", "2026-03-29", "01:59", "2026-03-29T00:59"),
        ("Europe/Berlin", "2026-03-29", "02:00", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-03-29", "02:30", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-03-29", "03:00", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-10-25", "02:30", "2026-10-25T00:30"),
        ("America/New_York", "2026-03-08", "02:30", "2026-03-08T07:00"),
        ("America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30"),
        # Southern hemisphere: forward in October and September, back in April.
        ("Australia/Sydney", "2026-10-04", "02:30", "2026-10-03T16:00"),
        ("Australia/Sydney", "2026-04-05", "02:30", "2026-04-04T15:30"),
        ("America/Santiago", "2026-09-06", "00:30", "2026-09-06T04:00"),
        ("Pacific/Auckland", "2026-09-27", "02:15", "2026-09-26T14:00"),
        # Half an hour forward, a gap at midnight, a day that was left out, no summer time, odd offsets.
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30"),
        ("Asia/Beirut", "2026-03-29", "00:00", "2026-03-28T22:00"),
        ("Pacific/Apia", "2011-12-30", "12:00", "2011-12-30T10:00"),
        ("Asia/Kolkata", "2026-03-29", "02:30", "2026-03-28T21:00"),
        ("Asia/Kathmandu", "2026-03-29", "08:00", "2026-03-29T02:15"),
    ],
)
def test_a_wall_time_is_an_instant_and_one_that_does_not_exist_the_first_after_the_gap(zone, day, wall, utc):
    at_ms = instant_of(date.fromisoformat(day), parse_wall_time(wall), zone_of(zone))
    assert iso_instant(at_ms) == f"{utc}:00.000Z"


def test_where_the_clock_is_put_back_fold_1_is_the_second_time():
    zone = zone_of("Europe/Berlin")
    assert instant_of(date(2026, 10, 25), 150, zone, fold=1) == ms("2026-10-25T01:30")


@pytest.mark.parametrize(
    ("after", "wall", "zone", "utc"),
    [
        ("2026-01-05T18:00", "17:00", "America/Los_Angeles", "2026-01-06T01:00"),
        ("2026-01-06T01:00", "17:00", "America/Los_Angeles", "2026-01-07T01:00"),
        ("2026-03-08T00:59", "17:00", "America/Los_Angeles", "2026-03-08T01:00"),
        ("2026-03-08T01:00", "17:00", "America/Los_Angeles", "2026-03-09T00:00"),
        ("2026-03-29T00:00", "02:30", "Europe/Berlin", "2026-03-29T01:00"),
        ("2026-03-29T01:00", "02:30", "Europe/Berlin", "2026-03-30T00:30"),
        ("2026-10-25T00:30", "02:30", "Europe/Berlin", "2026-10-26T01:30"),
        ("2026-10-25T00:45", "02:30", "Europe/Berlin", "2026-10-26T01:30"),
        ("2026-01-01T00:00", "00:00", "UTC", "2026-01-02T00:00"),
        ("2011-12-29T12:00", "12:00", "Pacific/Apia", "2011-12-29T22:00"),
        ("2011-12-29T23:00", "12:00", "Pacific/Apia", "2011-12-30T10:00"),
    ],
)
def test_a_daily_wall_time_comes_once_a_day(after, wall, zone, utc):
    assert next_wall_time_ms(ms(after), wall, zone) == ms(utc)


LAST_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, up to which timers fire."""


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Europe/Berlin", "America/Los_Angeles"])
@pytest.mark.parametrize("before_ms", [0, 3_600_000, 20 * 3_600_000, 3 * DAY_MS, 364 * DAY_MS, 365 * DAY_MS])
def test_in_the_last_year_that_can_be_written_the_day_goes_on_as_ever(zone, before_ms):
    at_ms, cycle_ms = LAST_MS - before_ms, 146_097 * DAY_MS
    early = local_time(at_ms - cycle_ms, zone_of(zone))
    assert local_time(at_ms, zone_of(zone)).replace(year=early.year) == early
    assert (
        next_wall_time_ms(at_ms, "17:00", zone)
        == next_wall_time_ms(at_ms - cycle_ms, "17:00", zone) + cycle_ms
    )
    assert (
        next_change_ms(at_ms, (480, 0), zone_of(zone))
        == next_change_ms(at_ms - cycle_ms, (480, 0), zone_of(zone)) + cycle_ms
    )
    is_public_holiday(local_time(at_ms, zone_of(zone)).date(), "DE", None)


ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "UTC",
]


@given(
    st.integers(ms("2015-01-01T00:00"), ms("2035-01-01T00:00")),
    st.integers(0, 1439),
    st.sampled_from(ZONES),
)
def test_the_next_daily_wall_time_lies_ahead_and_no_more_than_a_day_with_its_change(after_ms, minute, zone):
    wall = f"{minute // 60:02}:{minute % 60:02}"
    at_ms = next_wall_time_ms(after_ms, wall, zone)
    assert after_ms < at_ms <= after_ms + DAY_MS + 3 * 3_600_000
    shown = minute_of_day(local_time(at_ms, zone_of(zone)))
    before = minute_of_day(local_time(at_ms - 60_000, zone_of(zone)))
    assert shown == minute or (before < minute < shown) or shown < before


@given(
    st.integers(ms("2015-01-01T00:00"), ms("2035-01-01T00:00")), st.integers(0, 1439), st.sampled_from(ZONES)
)
def test_between_two_changes_the_clock_runs_on_without_showing_the_minute(after_ms, minute, name):
    zone = zone_of(name)
    at_ms = next_change_ms(after_ms, (minute, 0), zone)
    assert at_ms > after_ms
    for step in range(1, 50):
        between = after_ms + (at_ms - after_ms) * step // 50
        if after_ms // 60_000 < between // 60_000 < at_ms // 60_000:
            moment = local_time(between, zone)
            assert minute_of_day(moment) not in (minute, 0) or minute_of_day(moment) == minute_of_day(
                local_time(after_ms, zone)
            )
            assert moment.utcoffset() == local_time(after_ms, zone).utcoffset()


@pytest.mark.parametrize("name", [None, "", "Mars/Olympus", "../../etc/passwd", "America", "Europe/berlin\0"])
def test_an_unknown_zone_is_utc(name):
    assert str(zone_of(name)) == "UTC"


@pytest.mark.parametrize(
    ("day", "country", "region", "is_holiday"),
    [
        ("2026-01-01", "DE", None, True),
        ("2026-01-02", "DE", None, False),
        ("2026-01-06", "DE", None, False),
        ("2026-01-06", "DE", "BY", True),
        ("2026-01-06", "DE", "DE-BY", True),
        ("2026-01-06", "DE", "Bayern", True),
        ("2026-01-06", "DE", "bayern", True),
        ("2026-01-06", "de", "BADEN-WÜRTTEMBERG", True),
        ("2026-01-06", "DE", "by", True),
        ("2026-01-06", "DEU", "DE-BY", True),
        ("2026-01-06", "DEU", "deu-by", True),
        ("2026-01-06", "DE", "Bavaria", False),
        ("2026-01-06", "DE", "", False),
        ("2026-01-26", "AU", "new south wales", True),
        ("2026-01-06", "de", "de-by", True),
        ("2026-01-06", "de", "BE", False),
        ("2026-01-01", "DE", "Atlantis", True),
        ("2026-07-04", "US", None, True),
        ("2026-07-03", "USA", None, True),
        ("2026-07-04", "AU", None, False),
        ("2026-01-26", "AU", "NSW", True),
        ("2026-01-01", None, None, False),
        ("2026-01-01", None, "BY", False),
        ("2026-01-01", "ZZ", None, False),
        ("2026-01-01", "HolidayBase", None, False),
        ("2026-01-01", "", None, False),
    ],
)
def test_a_public_holiday_is_one_of_country_and_region(day, country, region, is_holiday):
    assert is_public_holiday(date.fromisoformat(day), country, region) is is_holiday


def test_the_tables_can_be_loaded_before_the_first_event():
    load_tables()
    loaded = public_holidays.cache_info().misses
    is_public_holiday(date(2026, 1, 1), "NZ", None)
    assert public_holidays.cache_info().misses == loaded
