"""Outputs in words, and what was decided about a member as a list."""

from app.domain.outputs import (
    DeadLetter,
    Nudge,
    NudgeSuppressed,
    ScoreChanged,
    TagChanged,
    TrackChanged,
    TransferFailed,
    TransferRequested,
    WorkflowOpened,
    WorkflowResolved,
)
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
    change = made(TrackChanged, 1, "Jan 05 10:00", "e", engagement_id="e1", status="ON_TRACK", reason="r")
    assert describe(change) == "engagement_id e1, status ON_TRACK, reason r"


def failed(sequence, at, attempts, next_attempt_at, cause="ana-3"):
    next_ms = None if next_attempt_at is None else instant_ms(next_attempt_at)
    fields = {"pool": "default", "attempts": attempts, "final": next_ms is None, "next_attempt_at": next_ms}
    return made(TransferFailed, sequence, at, cause, **fields)


def test_a_transfer_that_failed_says_when_it_is_tried_again_and_what_was_asked_is_understood():
    asked = made(TransferRequested, 1, "Feb 09 11:00", "ana-3", pool="default", attempt=1)
    first = failed(2, "Feb 09 11:00", 1, "Feb 10 01:00")
    last = failed(3, "Feb 11 01:00", 3, None, "timer:reset")
    assert [describe(output) for output in (asked, first, last)] == [
        "of pool default",
        "attempt 1, next try 10 Feb, 01:00",
        "attempt 3, the last one",
    ]
    assert decisions([asked, first, last]) == [
        " 9 Feb  no coach free, next try 10 Feb, 01:00",
        "11 Feb  no coach free, the last one",
    ]


def test_a_score_its_workflow_and_the_message_are_told_in_order_and_what_is_dropped_is_understood():
    ids = {"workflow_id": "low:ana:1", "kind": "score"}
    message = {"nudge_id": "low:ana:1#1", "workflow_id": "low:ana:1", "template": "hello"}
    outputs = [
        made(ScoreChanged, 1, "Feb 03 21:30", "e1", score="fun", operation="SET", points=12, after=12),
        made(
            WorkflowOpened,
            2,
            "Feb 03 21:30",
            "e1",
            reason="score_condition",
            context={"score": "fun", "when": "< 20"},
            **ids,
        ),
        made(
            Nudge,
            3,
            "Feb 04 07:07",
            "timer:nudge",
            recipient_role="MEMBER",
            recipient_id="ana",
            channel="IN_APP",
            **message,
        ),
        made(
            ScoreChanged, 4, "Feb 05 10:00", "e2", score="fun", operation="ADD", points=9, before=12, after=21
        ),
        made(WorkflowResolved, 5, "Feb 05 10:00", "e2", resolution="condition_false", opened_at=0, **ids),
        made(
            NudgeSuppressed,
            6,
            "Feb 05 10:00",
            "e2",
            recipient_role="OWNER",
            reason="workflow_resolved",
            **message,
        ),
    ]
    assert [describe(output) for output in outputs] == [
        "fun from empty to 12",
        "fun < 20",
        "hello, to the member, IN APP",
        "fun from 12 to 21",
        "condition false",
        "hello, to the owner: workflow resolved",
    ]
    assert decisions(outputs) == [
        " 3 Feb  fun < 20: workflow opened",
        " 4 Feb  message sent at 07:07: hello",
        " 5 Feb  fun from 12 to 21, workflow resolved: condition false",
    ]


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
