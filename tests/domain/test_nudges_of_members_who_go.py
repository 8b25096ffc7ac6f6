"""What becomes of scores and nudges when a member is forgotten or merged (contract 5)."""

from __future__ import annotations

from typing import Any

from app.domain.crossings import MemberMoved
from tests.domain.conftest import Story, days, told
from tests.domain.scoring import HELLO, OPEN, on_score, policy


def make() -> Story:
    """One playbook with a workflow and two follow-ups, and one without a workflow."""
    later = {**HELLO, "after": "2d"}
    return Story(
        on_score("p", ">= 5", OPEN, later, {**later, "recipient": "operator"}),
        on_score("q", ">= 5", HELLO, later),
        policy=policy(),
    )


def merge(story: Story, at: float, old: str, new: str) -> tuple[list[Any], list[Any]]:
    """Merge, and hand the history over; what came out for the old one, and for the new one."""
    gone = story.profile(at, old, merged_into=new)
    (moved,) = [output for output in gone if isinstance(output, MemberMoved)]
    return [output for output in gone if output is not moved], story.record(moved)


class TestForgotten:
    def test_workflows_resolve_and_planned_nudges_are_dropped_in_plan_order(self):
        story = make()
        story.score(0, operation="SET", points=5)
        lines = [
            line
            for line in told(story.command(1, type="FORGET_MEMBER"))
            if "nudge" in line or "resolved" in line
        ]
        assert lines == [
            "1 resolved p:m1:1 forgotten",
            "1 no nudge p:m1:1#1 hello workflow_resolved",
            "1 no nudge p:m1:1#2 hello workflow_resolved",
            "1 no nudge q:m1#2 hello workflow_resolved",
        ]
        assert [output for output in story.until(9) if output.topic == "nudge"] == []

    def test_the_ledger_starts_anew_and_no_id_is_used_twice(self):
        story = make()
        story.score(0, operation="SET", points=5)
        story.command(1, type="FORGET_MEMBER")
        assert told(story.score(2, operation="ADD", points=7)) == [
            "2 engagement None ADD 7 = 7",
            "2 opened p:m1:2 score_condition",
            "2 nudge q:m1#3 hello IN_APP m1",
        ]

    def test_snooze_and_consent_go_with_the_member(self):
        story = make()
        story.profile(0, consents={"IN_APP": False})
        story.command(0, type="SNOOZE_NUDGES", until=days(9))
        story.command(1, type="FORGET_MEMBER")
        assert "2 nudge q:m1#1 hello IN_APP m1" in told(story.score(2, operation="SET", points=5))


class TestMerged:
    def test_what_was_planned_for_the_old_member_is_dropped(self):
        story = make()
        story.score(0, "old", operation="SET", points=5)
        gone, _ = merge(story, 1, "old", "new")
        assert [line for line in told(gone) if line.startswith("1 ")][:4] == [
            "1 resolved p:old:1 merged",
            "1 no nudge p:old:1#1 hello workflow_resolved",
            "1 no nudge p:old:1#2 hello workflow_resolved",
            "1 no nudge q:old#2 hello workflow_resolved",
        ]

    def test_each_score_is_added_and_seen_as_any_change(self):
        story = make()
        story.score(0, "old", operation="SET", points=4)
        story.score(0, "old", operation="SET", points=-2, score="loyalty")
        story.score(0, "new", operation="SET", points=3)
        _, gained = merge(story, 1, "old", "new")
        assert told(gained) == [
            "1 engagement 3 ADD 4 = 7",
            "1 opened p:new:1 score_condition",
            "1 nudge q:new#1 hello IN_APP new",
            "1 loyalty None ADD -2 = -2",
        ]
        assert [line.reason for line in gained if line.topic == "score-changed"] == ["merged", "merged"]
        assert story.member("new").hot.scores == {"engagement": 7, "loyalty": -2}
