"""Spans and instants as the core needs them: whole milliseconds, UTC."""

from datetime import UTC, datetime, timedelta

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS

CLOCKS_APART_MS = 5 * MINUTE_MS
"""How far ahead of the others one clock may run (contract 3)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def planned_instant(instant_ms: int) -> str:
    """An instant that something waits for, as text: of those that records bring the last may lead beyond the year 9999."""
    try:
        return iso_instant(instant_ms)
    except OverflowError:
        return "an instant after 9999"


def iso_instant(instant_ms: int) -> str:
    """Epoch ms as `2026-01-05T10:00:00.000Z`: how an instant stands in the text of a context (contract 1).

    Takes any instant the wire lets through (2000 to a few minutes ahead of its append time).
    """
    moment = _EPOCH + timedelta(milliseconds=instant_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
