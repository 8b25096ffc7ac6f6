"""Contract 6.5 through all processors together: owners' digests, merges, and what is not as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.domain.outputs import Nudge
from app.playbooks.loader import load_playbooks
from app.tools.reports.outcome_counts import OutcomeCounts
from tests.tools.story import DAY_MS, Line, clock, command, instant, page, play, profile, told

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.playbook_set import PlaybookSet
    from app.tools.simulate import Simulated

MINUTE = 1 / 24 / 60
POLICY = 'quiet = { from = "00:00", to = "00:00" }\nholidays = false\ncaps = {}\nspread = "0s"\n'
PLAYBOOK = """
kind = "progress"
[templates.executive]
threshold = "3w"
"""


@pytest.fixture
def ours(tmp_path: Path) -> PlaybookSet:
    (tmp_path / "progress.toml").write_text(PLAYBOOK)
    (tmp_path / "policy.toml").write_text(POLICY)
    return load_playbooks(tmp_path)


def say(day: float, kind: str, engagement: str = "e1", member: str = "m", **fields: Any) -> Line:
    if (date := fields.pop("date", None)) is not None:
        fields["session_at"] = instant(date)
    return {
        "topic": "engagement",
        "occurred_at": instant(day),
        "member_id": member,
        "engagement_id": engagement,
        "type": kind,
        **fields,
    }


def start(day: float, engagement: str = "e1", member: str = "m", owner: str | None = "o1") -> list[Line]:
    """An engagement that is off track three weeks later."""
    return [
        say(day, "LAUNCHED", engagement, member, template="executive", coach_id="k1", owner_id=owner),
        say(day, "ACTIVATED", engagement, member),
    ]


def digests(result: Simulated) -> list[str]:
    """`21.0104 owner:o1: 2 e1,e2`."""
    return [
        f"{(each.occurred_at - instant(0)) / DAY_MS:g} {each.member_id}: {each.context['count']}"
        f" {each.context['engagements']}"
        for each in result.outputs
        if isinstance(each, Nudge) and each.recipient_role == "OWNER"
    ]


def test_many_members_engagements_of_one_owner_make_one_nudge(ours):
    lines = [line for number in range(9) for line in start(number * MINUTE, f"e{number}", f"m{number}")]
    result = play(ours, *lines, clock(22))
    assert digests(result) == ["21.0104 owner:o1: 9 e0,e1,e2,e3,e4,e5,e6,e7,e8"]


def test_each_owner_has_a_nudge_of_their_own(ours):
    result = play(ours, *start(0), *start(0, "e2", "n", owner="o2"), clock(22))
    assert digests(result) == ["21.0104 owner:o1: 1 e1", "21.0104 owner:o2: 1 e2"]


def test_the_owner_of_the_profile_stands_in(ours):
    result = play(ours, profile(0, owner_id="o9"), *start(0, owner=None), clock(22))
    assert digests(result) == ["21.0104 owner:o9: 1 e1"]


def test_one_back_on_track_before_the_digest_is_not_in_it(ours):
    back = say(21 + 10 * MINUTE, "SESSION_SCHEDULED", session_id="s1", date=30)
    assert digests(play(ours, *start(0), back, clock(22))) == []
    assert digests(play(ours, *start(0), *start(0, "e2", "n"), back, clock(22))) == ["21.0104 owner:o1: 1 e2"]


def test_one_forgotten_before_the_digest_is_not_in_it(ours):
    assert digests(play(ours, *start(0), command(21 + MINUTE), clock(22))) == []


def test_one_merged_before_the_digest_is_in_it_and_leaves_it_when_back_on_track(ours):
    merge = profile(21 + MINUTE, merged_into="n")
    assert digests(play(ours, *start(0), merge, clock(22))) == ["21.0104 owner:o1: 1 e1"]
    # A record of the old id goes to the new member.
    back = say(21 + 2 * MINUTE, "SESSION_SCHEDULED", session_id="s1", date=30)
    assert digests(play(ours, *start(0), merge, back, clock(22))) == []


def test_a_merged_member_brings_its_engagements_to_the_page(ours):
    result = play(ours, *start(0), profile(0, "n"), profile(5, merged_into="n"), clock(22))
    (shown,) = page(result, "n").engagements
    assert (shown.engagement_id, shown.status) == ("e1", "OFF_TRACK")
    assert [snapshot.member_id for snapshot in result.snapshots] == ["n"]


def test_without_an_owner_nobody_has_a_digest(ours):
    result = play(ours, *start(0, owner=None), clock(22))
    assert digests(result) == []
    assert told(result, "nudge-suppressed") == ["21 m nudge-suppressed"]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"kind": "SESSION_SCHEDULED", "session_id": "s1"}, "session_at: SESSION_SCHEDULED needs it"),
        (
            {"kind": "DISCOVERY_CALL_SCHEDULED", "session_id": "s1"},
            "session_at: DISCOVERY_CALL_SCHEDULED needs it",
        ),
        ({"kind": "SESSION_SCHEDULED", "date": 3}, "session_id: SESSION_SCHEDULED needs it"),
        ({"kind": "SESSION_CANCELLED"}, "session_id: SESSION_CANCELLED needs it"),
    ],
)
def test_a_session_without_id_or_date_is_a_dead_letter_and_nothing_else_happens(ours, fields, problem):
    result = play(ours, say(0, **fields), clock(22))
    (letter,) = result.dead_letters
    assert (letter.error, letter.message) == ("bad_value", problem)
    assert result.outputs == []
    assert result.snapshots == []


def test_a_type_nobody_knows_is_a_dead_letter(ours):
    (letter,) = play(ours, say(0, "PAUSED")).dead_letters
    assert letter.error == "unknown_enum"


def test_the_order_of_lines_of_different_times_makes_no_difference(ours):
    lines = [
        *start(0),
        *start(0.1, "e2", "n"),
        say(5, "SESSION_SCHEDULED", session_id="s1", date=9),
        say(7, "SESSION_CANCELLED", session_id="s1"),
        say(30, "SESSION_SCHEDULED", "e2", "n", session_id="s1", date=31),
        clock(60),
    ]
    named = [{**line, "event_id": f"x{number}"} for number, line in enumerate(lines[:-1])]
    swapped = [*reversed(named[4:]), named[2], named[3], named[0], named[1]]
    assert play(ours, *swapped, lines[-1]) == play(ours, *named, lines[-1])


def test_outcomes_count_an_owners_digest_beside_the_workflows_it_belongs_to_none_of(ours):
    counts = OutcomeCounts()
    for output in play(ours, *start(0), *start(0, "e2", "n"), clock(22)).outputs:
        counts.take(output)
    rows = {row.key: (row.workflows, row.nudged) for row in counts.rows(["reason", "template"])}
    assert rows == {
        ("off_track", "off_track_coach"): (2, 2),
        ("off_track", "off_track_coachee"): (2, 2),
        (None, "off_track_digest"): (0, 1),
    }
