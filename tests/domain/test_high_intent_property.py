"""What no order of events may bring about (contract 6.4), on random histories of members and companies."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.outputs import Nudge, NudgeSuppressed, WorkflowOpened, WorkflowResolved
from tests.domain.conftest import days
from tests.domain.intents import (
    AUTHENTICATION,
    LATE,
    MAINTENANCE,
    MINUTE,
    PLAN,
    SUCCESS,
    Sessions,
    words,
)
from tests.domain.scoring import policy

RULES = policy(quiet={"from": "20:00", "to": "08:00"}, caps={"6h": 1}, spread="45m", hold_out_percent=20)
KEYS = {"expires": "5d", "release": "20m", "nudges": [{"after": "0s"}, *PLAN]}
MONTH = 30 * 24 * 60

told = st.one_of(
    *(st.just((word,)) for word in ("start", "close", "finish", "success", "resolve", "profile")),
    st.tuples(st.just("page"), st.sampled_from([AUTHENTICATION, MAINTENANCE, MAINTENANCE, LATE, "Home"])),
    st.tuples(st.just("page"), st.sampled_from([AUTHENTICATION, MAINTENANCE, MAINTENANCE, LATE, "Home"])),
    st.tuples(st.sampled_from(["OPERATIONAL", "OPERATIONAL", "UNDER_MAINTENANCE"])),
)
histories = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 5, 29, 30, 31, 90, 700]),
        st.sampled_from([0, 0, 0, 2, 40]),
        st.sampled_from(["a", "b"]),
        told,
    ),
    min_size=1,
    max_size=30,
)


def play(
    drawn: list[Any], *, restarting: bool = False, only: str = ""
) -> tuple[list[Any], list[tuple[str, int]]]:
    """All outputs, and after how many of them each member succeeded; `only`: nobody else does anything."""
    story = Sessions(restarting=restarting, rules=RULES, **KEYS)
    succeeded: list[tuple[str, int]] = []
    now = 0
    for gap, late, member, what in drawn:
        now += gap
        if only not in ("", member) and not what[0].isupper():
            story.wait(now)
            continue
        say(story, now - late, now, member, *what)
        if what[0] in ("finish", "success"):
            succeeded.append((member, len(story.outputs)))
    story.wait(now + MONTH)
    return story.outputs, succeeded


def say(story: Sessions, at: float, now: float, member: str, what: str, page: str = "") -> None:
    if what in ("OPERATIONAL", "UNDER_MAINTENANCE"):
        story.status(at, what, arrived=now, event_id=f"{what} {at} {next(story.ids)}")
    elif what == "page":
        story.page(at, page, arrived=now, member=member, company_id="acme")
    elif what == "success":
        story.page(at, SUCCESS, arrived=now, member=member, state="completed")
    elif what == "resolve":
        for number in (1, 2, 3):
            story.command(now * MINUTE, member, workflow_id=f"i:{member}:{number}")
    elif what == "profile":
        story.profile(at * MINUTE, member, arrived=now * MINUTE, time_zone="Europe/Berlin")
    else:
        getattr(story, what)(at, arrived=now, member=member)


@settings(max_examples=300)
@given(histories)
def test_after_a_success_no_nudge_of_that_workflow_is_sent(drawn):
    outputs, succeeded = play(drawn)
    for member, after in succeeded:
        opened = {
            output.workflow_id
            for output in outputs[:after]
            if isinstance(output, WorkflowOpened) and output.member_id == member
        }
        assert not [o for o in outputs[after:] if isinstance(o, Nudge) and o.workflow_id in opened]
        resolved = {o.workflow_id for o in outputs[:after] if isinstance(o, WorkflowResolved)}
        assert opened <= resolved


@settings(max_examples=300)
@given(histories)
def test_every_step_of_every_workflow_has_exactly_one_outcome(drawn):
    outputs, _ = play(drawn)
    outcomes = Counter(o.workflow_id for o in outputs if isinstance(o, Nudge | NudgeSuppressed))
    assert outcomes == {o.workflow_id: len(KEYS["nudges"]) for o in outputs if isinstance(o, WorkflowOpened)}
    assert {o.workflow_id for o in outputs if isinstance(o, WorkflowResolved)} == set(outcomes)


@settings(max_examples=300)
@given(histories)
def test_an_attribution_is_to_a_nudge_of_the_workflow_sent_at_most_seven_days_before(drawn):
    outputs, _ = play(drawn)
    sent = {o.nudge_id: o for o in outputs if isinstance(o, Nudge)}
    for resolved in outputs:
        if isinstance(resolved, WorkflowResolved) and resolved.attributed_nudge is not None:
            nudge = sent[resolved.attributed_nudge]
            assert (resolved.resolution, nudge.workflow_id) == ("converted", resolved.workflow_id)
            assert 0 <= resolved.occurred_at - nudge.occurred_at <= days(8) - days(0)


@settings(max_examples=200)
@given(histories)
def test_a_restart_between_any_two_records_changes_nothing(drawn):
    assert play(drawn, restarting=True) == play(drawn)


@settings(max_examples=200)
@given(histories)
def test_what_happens_to_others_changes_nothing(drawn):
    assert of_a(play(drawn)[0]) == of_a(play(drawn, only="a")[0])


def of_a(outputs: list[Any]) -> list[str]:
    kinds = (WorkflowOpened, WorkflowResolved, Nudge, NudgeSuppressed)
    return [words(output) for output in outputs if isinstance(output, kinds) and output.member_id == "a"]
