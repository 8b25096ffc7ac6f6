"""Outputs in words, and what was decided about a member as a list."""

from app.domain.outputs import DeadLetter, ScoreChanged, TagChanged, WorkflowOpened, WorkflowResolved
from app.tools.demo.narration import counted, decisions, describe, listed
from app.tools.demo.script import instant_ms


def made(record, sequence, at, cause, **fields):
    return record(
        event_id=f"ana/{sequence}",
        sequence=sequence,
        member_id="ana",
        occurred_at=instant_ms(at),
        cause=cause,
        **fields,
    )


def tag(sequence, at, action, reason, cause="ana-1"):
    return made(TagChanged, sequence, at, cause, tag="inactive", action=action, reason=reason)


def opened(sequence, at, reason, cause, **context):
    return made(
        WorkflowOpened,
        sequence,
        at,
        cause,
        workflow_id="re-engager:ana:1",
        kind="reengager",
        reason=reason,
        context=context,
    )


def letter(at):
    return DeadLetter(
        source_topic="activity",
        key="ana",
        occurred_at=instant_ms(at),
        error="unknown_enum",
        message="channel: no such",
    )


def test_a_record_is_described_by_what_it_says_besides_its_ids():
    assert (
        describe(tag(1, "Jan 05 10:00", "ADDED", "inactive")) == "inactive added: seven days without activity"
    )
    assert (
        describe(opened(2, "Jan 05 10:00", "returned", "e", inactive_days="28")) == "returned after 28 days"
    )
    assert describe(letter("Jan 05 10:00")) == "unknown enum, channel: no such"


def test_a_record_without_words_of_its_own_shows_its_fields():
    change = made(
        ScoreChanged, 1, "Jan 05 10:00", "e", score="engagement", operation="ADD", points=5, after=5
    )
    assert describe(change) == "score engagement, operation ADD, points 5, after 5"


def test_a_return_is_one_decision_and_the_tag_that_goes_is_understood():
    outputs = [
        tag(1, "Jan 12 10:00", "ADDED", "inactive", "timer:inactive"),
        tag(2, "Feb 09 10:00", "REMOVED", "activity", "ana-2"),
        opened(3, "Feb 09 10:00", "returned", "ana-2", inactive_days="28"),
        made(
            WorkflowResolved,
            4,
            "Feb 10 10:00",
            "ana-3",
            workflow_id="re-engager:ana:1",
            kind="reengager",
            resolution="manually_transferred",
            opened_at=instant_ms("Feb 09 10:00"),
        ),
    ]
    assert decisions(outputs[::-1]) == [
        "12 Jan  inactive: seven days without activity",
        " 9 Feb  returned after 28 days: workflow opened",
        "10 Feb  workflow resolved: manually transferred",
    ]


def test_what_a_timer_and_a_record_of_one_instant_did_are_two_decisions():
    outputs = [
        tag(1, "Jan 12 10:00", "ADDED", "inactive", "timer:inactive"),
        tag(2, "Jan 12 10:00", "REMOVED", "activity", "ana-2"),
    ]
    assert decisions(outputs) == [
        "12 Jan  inactive: seven days without activity",
        "12 Jan  active again",
    ]


def test_that_a_member_is_inactive_at_first_is_told_only_where_it_stays_so():
    first = tag(1, "Jan 05 10:00", "ADDED", "never_active")
    assert decisions([first]) == [" 5 Jan  inactive: not seen in the app yet"]
    later = [
        tag(2, "Jan 06 10:00", "REMOVED", "activity", "ana-2"),
        opened(3, "Jan 06 10:00", "first_activity", "ana-2"),
    ]
    assert decisions([first, *later]) == [" 6 Jan  first activity: workflow opened"]


def test_a_dead_letter_stands_among_the_decisions_at_its_time():
    outputs = [
        tag(1, "Jan 12 10:00", "ADDED", "inactive", "timer:inactive"),
        letter("Jan 13 10:00"),
        tag(2, "Jan 14 10:00", "REMOVED", "activity", "ana-2"),
    ]
    assert decisions(outputs)[1] == "13 Jan  an unreadable event set aside"


def test_counts_have_a_singular():
    assert [counted(number, "event") for number in (0, 1, 2)] == ["0 events", "1 event", "2 events"]
    assert listed([("activity", 2), ("profile", 1)]) == "activity 2, profile 1"
