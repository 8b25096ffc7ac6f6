"""Spans and instants as the core needs them: whole milliseconds, UTC."""

from datetime import datetime, timedelta
from functools import lru_cache

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS

CLOCKS_APART_MS = 5 * MINUTE_MS
"""How far ahead of the others one clock may run (contract 3)."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  UTC, whose name is not to be written


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
    second, millisecond = divmod(instant_ms, SECOND_MS)
    return f"{_iso_second(second)}.{millisecond:03}Z"


# Records that come one after the other share their second, and a calendar takes most of what writing an instant costs.
@lru_cache(maxsize=1_024)
def _iso_second(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).isoformat()
