"""Instants between their two forms: epoch milliseconds inside, ISO 8601 in JSON (contract 1)."""

import re
from datetime import UTC, datetime, timedelta

from app.domain.instants import iso_instant
from app.wire.bad_record import BadRecord, shown

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LONG = 2**63

LAST_INSTANT_MS = 253_402_300_799_999
"""The end of the year 9999, the last that can be written; no instant that moves time may lie behind it."""

# fromisoformat alone would also take dates without a time, week dates and instants of no zone.
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?([Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)


def parse_instant(value: object, place: str) -> int:
    """Epoch ms of an instant in JSON: ISO 8601 with `Z` or an offset, or a number of milliseconds.

    Finer fractions than milliseconds are cut off. `place` is the field's path, for the message.

    Raises:
        BadRecord: `bad_value`, when it is neither, or names no time zone.
    """
    if isinstance(value, str):
        return _parse_iso(value, place)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if -_LONG <= value < _LONG:
            return value
        raise BadRecord("bad_value", f"{place}: {shown(value)} is out of the range of a long")
    raise BadRecord(
        "bad_value", f"{place}: {shown(value)} is no instant, such as 2026-01-05T10:00:00Z or 1767607200000"
    )


def parse_calendar_instant(value: object, place: str) -> int:
    """The same for an instant that moves time: it must lie in the years 1970 to 9999.

    Raises:
        BadRecord: `bad_value`.
    """
    instant = parse_instant(value, place)
    check_calendar(instant, place)
    return instant


def check_calendar(instant: int, place: str, occurred_at: int | None = None) -> None:
    """Refuse an instant outside the years 1970 to 9999; `occurred_at` is that of the record it stands in.

    Raises:
        BadRecord: `bad_value`.
    """
    if not 0 <= instant <= LAST_INSTANT_MS:
        raise BadRecord("bad_value", f"{place}: {instant} lies outside the years 1970 to 9999", occurred_at)


def _parse_iso(text: str, place: str) -> int:
    match = _ISO.fullmatch(text)
    if match is None:
        raise BadRecord("bad_value", f"{place}: {shown(text)} is no instant, such as 2026-01-05T10:00:00Z")
    day, time, fraction, zone = match.groups()
    if zone is None:
        raise BadRecord("bad_value", f"{place}: {shown(text)} names no time zone; add Z or an offset")
    try:
        whole = datetime.fromisoformat(f"{day}T{time}{zone.upper()}")
    except ValueError as error:
        raise BadRecord("bad_value", f"{place}: {shown(text)} is no instant: {error}") from None
    return (whole - _EPOCH) // _MILLISECOND + int((fraction or "")[:3].ljust(3, "0"))


def format_instant(instant: int) -> str | int:
    """`2026-01-05T10:00:00.000Z`; an instant outside the years 1 to 9999 stays a number, as JSON input may have it."""
    try:
        return iso_instant(instant)
    except OverflowError:
        return instant
