"""The dates of sessions, whatever the order in which their records come."""

from __future__ import annotations

from itertools import permutations

import pytest

from app.domain.engagement_sessions import (
    MOST_SESSIONS,
    Sessions,
    around,
    bound,
    cancel_session,
    complete,
    counted_ms,
    latest_ms,
    schedule,
    unite,
)
from app.domain.engagement_state import Session


def calendar(*steps: tuple[str, int, int | None]) -> Sessions:
    """A session `s` after (what, at, date) each."""
    sessions: Sessions = {}
    for what, at_ms, date_ms in steps:
        if what == "schedule":
            schedule(sessions, "s", date_ms or 0, at_ms)
        else:
            (complete if what == "complete" else cancel_session)(sessions, "s", date_ms, at_ms)
    return sessions


@pytest.mark.parametrize(
    ("steps", "counted"),
    [
        ([("schedule", 1, 50)], 50),
        ([("schedule", 1, 50), ("schedule", 2, 30)], 30),
        ([("schedule", 1, 50), ("cancel", 2, None)], 2),
        ([("schedule", 1, 50), ("cancel", 60, None)], 50),
        ([("schedule", 1, 50), ("complete", 2, None)], 2),
        ([("schedule", 1, 50), ("complete", 60, None)], 50),
        ([("schedule", 1, 50), ("cancel", 2, None), ("complete", 50, None)], 50),
        ([("schedule", 1, 50), ("complete", 2, None), ("cancel", 3, None)], 2),
        ([("schedule", 1, 50), ("cancel", 2, None), ("cancel", 3, None)], 2),
        ([("schedule", 1, 50), ("cancel", 2, None), ("schedule", 3, 40)], 40),
        ([("schedule", 1, 50), ("complete", 2, None), ("schedule", 3, 40)], 40),
        ([("cancel", 1, None), ("schedule", 2, 50), ("cancel", 3, None)], 3),
        ([("complete", 1, None), ("schedule", 2, 50), ("complete", 3, None)], 3),
        ([("complete", 2, None)], 2),
        ([("complete", 60, 50)], 50),
        ([("cancel", 2, None)], None),
        ([("cancel", 2, 50)], 2),
    ],
)
def test_a_session_counts_with_the_same_date_in_whatever_order_its_records_come(steps, counted):
    for order in permutations(steps):
        assert counted_ms(calendar(*order)["s"]) == counted


def test_of_two_records_of_one_instant_the_one_that_comes_later_is_the_newer():
    assert counted_ms(calendar(("cancel", 1, None), ("schedule", 1, 50))["s"]) == 50
    assert counted_ms(calendar(("schedule", 1, 50), ("cancel", 1, None))["s"]) == 1


def test_what_is_shown_around_an_instant_leaves_out_what_was_cancelled():
    sessions = {
        "a": Session(10),
        "b": Session(20, cancelled_ms=(5,)),
        "c": Session(30),
        "d": Session(40, cancelled_ms=(6,)),
        "e": Session(50),
        "f": Session(None, cancelled_ms=(7,)),
    }
    assert around(sessions, 25) == (10, 30)
    assert around(sessions, 30) == (30, 50)
    assert around({}, 0) == (None, None)
    assert latest_ms(sessions) == 50
    assert latest_ms({}) is None


class TestTheBound:
    def many(self, *dates: int) -> Sessions:
        return {f"s{date:04d}": Session(date) for date in dates}

    def test_the_earliest_past_ones_go_first(self):
        sessions = self.many(*range(60))
        bound(sessions, 55)
        assert list(sessions) == [f"s{date:04d}" for date in range(10, 60)]

    def test_the_latest_past_one_stays_and_so_do_the_next_and_the_last_ahead(self):
        sessions = self.many(1, 2, *range(100, 160))
        bound(sessions, 50)
        dates = sorted(counted_ms(each) or 0 for each in sessions.values())
        assert len(dates) == MOST_SESSIONS
        assert dates == [2, *range(100, 148), 159]

    def test_one_without_a_date_goes_before_all_others(self):
        sessions = {"x": Session(None, cancelled_ms=(9,)), **self.many(*range(1, 51))}
        bound(sessions, 50)
        assert "x" not in sessions

    def test_fewer_stay(self):
        sessions = self.many(*range(MOST_SESSIONS))
        bound(sessions, 25)
        assert len(sessions) == MOST_SESSIONS


def test_of_two_calendars_the_newer_word_counts_and_of_one_instant_the_own():
    own = {"a": Session(1), "c": Session(1, 5), "d": Session(1, 8, (), (9,))}
    unite(own, {"a": Session(2), "b": Session(3), "c": Session(7, 6), "d": Session(7, 6, (7, 10), (8,))})
    assert own == {"a": Session(1), "b": Session(3), "c": Session(7, 6), "d": Session(1, 8, (10,), (9,))}


def test_one_completed_before_anybody_told_its_date_has_it_from_the_other():
    own = {"a": Session(None, 0, (5,))}
    unite(own, {"a": Session(3)})
    assert own == {"a": Session(3, 0, (5,))}
