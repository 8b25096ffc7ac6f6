"""Instants between ISO 8601 and epoch milliseconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.wire.bad_record import BadRecord
from app.wire.instants import LAST_INSTANT_MS, format_instant, parse_calendar_instant, parse_instant

TEN_OCLOCK_MS = 1_767_607_200_000


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-05T10:00:00.000Z", TEN_OCLOCK_MS),
        ("2026-01-05T10:00:00Z", TEN_OCLOCK_MS),
        ("2026-01-05T10:00Z", TEN_OCLOCK_MS),
        ("2026-01-05t10:00:00z", TEN_OCLOCK_MS),
        ("2026-01-05T11:00:00+01:00", TEN_OCLOCK_MS),
        ("2026-01-05T05:30:00-0430", TEN_OCLOCK_MS),
        ("2026-01-05T10:00:00.5Z", TEN_OCLOCK_MS + 500),
        ("2026-01-05T10:00:00,123Z", TEN_OCLOCK_MS + 123),
        ("2026-01-05T10:00:00.123999999Z", TEN_OCLOCK_MS + 123),
        ("1969-12-31T23:59:59.999Z", -1),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("0001-01-01T00:00:00+14:00", -62_135_647_200_000),
        ("9999-12-31T23:59:59.999Z", LAST_INSTANT_MS),
        (TEN_OCLOCK_MS, TEN_OCLOCK_MS),
        (1.7676072e12, TEN_OCLOCK_MS),
        (-(2**63), -(2**63)),
    ],
)
def test_an_instant_is_iso_8601_with_a_zone_or_a_number_of_milliseconds(text, instant):
    assert parse_instant(text, "occurred_at") == instant


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2026-01-05",
        "2026-W02-1T10:00:00Z",
        "2026-01-05 10:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-01-05T24:00:01Z",
        "2026-01-05T10:00:00+25:00",
        "2026-01-05T10:00:00.Z",
        "1767607200000",
        "٢٠٢٦-01-05T10:00:00Z",
        True,
        None,
        [],
        {},
        1.5,
        float("inf"),
        2**63,
    ],
)
def test_anything_else_is_a_bad_value_that_names_its_field(value):
    with pytest.raises(BadRecord, match=r"^until: ") as caught:
        parse_instant(value, "until")
    assert caught.value.error == "bad_value"


def test_an_instant_without_zone_says_what_to_add():
    with pytest.raises(BadRecord, match="names no time zone; add Z or an offset"):
        parse_instant("2026-01-05T10:00:00", "until")


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_instant_reads_back_as_it_was_written(instant):
    assert parse_instant(format_instant(instant), "x") == instant


@given(st.integers(-62_135_596_800_000, LAST_INSTANT_MS))
def test_an_instant_of_the_calendar_is_written_with_milliseconds_and_z(instant):
    written = format_instant(instant)
    assert isinstance(written, str)
    assert len(written) == len("2026-01-05T10:00:00.000Z")
    assert written.endswith("Z")


@pytest.mark.parametrize("instant", [-1, LAST_INSTANT_MS + 1])
def test_an_instant_that_moves_time_lies_in_the_calendar(instant):
    with pytest.raises(BadRecord, match="lies outside the years 1970 to 9999"):
        parse_calendar_instant(instant, "arrived_at")
    assert parse_calendar_instant(LAST_INSTANT_MS, "arrived_at") == LAST_INSTANT_MS
