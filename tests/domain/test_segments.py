"""All orders of precedence against a second telling of contract 6.4's rule, and what counts as an attempt."""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from app.domain.intent_state import IntentHistory, Session
from app.domain.segments import ERRORS, MOST_ATTEMPTS, PRECEDENCE, SegmentRules, forget_ends

SPAN = 100


class Ended(NamedTuple):
    """How a session ended: its last page, whether a late page was seen, and how many attempts there were."""

    page: str | None
    is_late: bool
    attempts: int


ENDS = [
    Ended(page, is_late, attempts)
    for page in (*ERRORS.values(), "Home", None)
    for is_late in (False, True)
    for attempts in (1, 2, 3)
]


def applying(ended: Ended) -> set[str]:
    """Every word of the precedence that applies, as a person would mark them."""
    marked = {key for key, page in ERRORS.items() if page == ended.page}
    if ended.attempts >= 2:
        marked.add("multiple_attempts")
    if ended.is_late:
        marked.add("unknown_exit")
    return marked


def test_in_every_order_the_first_that_applies_is_the_segment():
    marked = {ended: applying(ended) for ended in ENDS}
    sessions = {ended: Session(0, 0, page=ended.page, page_ms=0, is_late=ended.is_late) for ended in ENDS}
    for order in permutations(PRECEDENCE):
        rules = SegmentRules(precedence=order)
        for ended in ENDS:
            first = min(marked[ended], key=order.index, default="")
            shown = f"known_error:{first}" if first in ERRORS else first
            assert rules.segment_of(sessions[ended], ended.attempts) == shown


@given(
    st.lists(st.tuples(st.sampled_from(["end", "end", "end", "success"]), st.integers(1, 500)), max_size=40)
)
def test_attempts_are_the_unsuccessful_ends_of_the_span_since_the_last_success_of_before(drawn):
    """In order of time; `note_end` sees one after the other, the check the whole list."""
    rules, history = SegmentRules(within_ms=SPAN), IntentHistory()
    happened = sorted(drawn, key=lambda each: each[1])
    for place, (what, at_ms) in enumerate(happened):
        if what == "success":
            forget_ends(history, at_ms)
            continue
        before = happened[: place + 1]
        successes = [index for index, each in enumerate(before) if each[0] == "success"]
        ends = before[successes[-1] + 1 if successes else 0 :]
        expected = sum(at_ms - SPAN < end_ms for _, end_ms in ends)
        assert rules.note_end(history, at_ms) == expected


@given(st.lists(st.integers(0, 1_000), max_size=30), st.integers(1, 300))
def test_the_latest_end_counts_all_of_its_span_in_whatever_order_they_came(ends, span):
    rules, history = SegmentRules(within_ms=span), IntentHistory()
    for at_ms in ends:
        rules.note_end(history, at_ms)
    assert rules.note_end(history, 1_000) == 1 + sum(1_000 - span < at_ms for at_ms in ends)


def test_no_more_ends_are_remembered_than_can_be_asked_for():
    rules, history = SegmentRules(), IntentHistory()
    counts = [rules.note_end(history, at_ms) for at_ms in range(MOST_ATTEMPTS + 50)]
    assert counts[-1] == len(history.ends) == MOST_ATTEMPTS
