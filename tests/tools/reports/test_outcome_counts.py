"""What came of workflows and nudges, counted from what `simulate` gives."""

from __future__ import annotations

import random
from typing import Any

import pytest

from app.domain.events import Activity
from app.domain.outputs import WorkflowOpened
from app.domain.policy import hold_out_rank
from app.domain.workflow import ANY_KIND, CLOSED, MOVES
from app.tools.reports.lift import Share
from app.tools.reports.outcome_counts import SUCCESSES, OutcomeCounts, Resolved, Row
from tests.domain.conftest import Story, days
from tests.domain.intents import Sessions
from tests.domain.scoring import HELLO, OPEN, on_score, policy

HOUR_MS = 3_600_000


def counted(*records: Any) -> OutcomeCounts:
    counts = OutcomeCounts()
    for record in records:
        counts.take(record)
    return counts


def told(word: str, nudge_id: str) -> Activity:
    return Activity(
        event_id=f"{word}{nudge_id}",
        member_id="m1",
        occurred_at=days(9),
        type=f"nudge.{word}",
        channel="EMAIL",
        attributes={"nudge_id": nudge_id},
    )


@pytest.fixture
def story() -> Story:
    """m1: two nudges, resolved after 36 hours. m2: the second is capped, still open. m3: nothing but a digest."""
    sequence = (OPEN, HELLO, {**HELLO, "template": "again", "after": "1d"})
    story = Story(on_score("p", "< 20", *sequence), policy=policy(caps={"2d": 1}))
    story.profile(-1, "m1", email="a")
    story.score(0, "m1", operation="SET", points=5)
    story.score(0, "m2", operation="SET", points=5)
    story.until(1)
    story.score(1.5, "m1", operation="SET", points=50)
    return story


def only(rows: list[Row]) -> Row:
    (row,) = rows
    return row


class TestCounts:
    def test_by_playbook_and_reason(self, story: Story):
        row = only(counted(*story.outputs).rows(["playbook", "reason"]))
        assert row.key == ("p", "score_condition")
        assert (row.workflows, row.nudged, row.unresolved) == (2, 2, 1)
        assert row.suppressed == {"capped": 2}
        assert row.resolved == {"condition_false": Resolved(1, 36 * HOUR_MS)}

    def test_by_template_and_channel_a_workflow_counts_in_every_row_of_its_nudges(self, story: Story):
        rows = counted(*story.outputs).rows(["template", "channel"])
        assert [(row.key, row.workflows, row.nudged, row.suppressed) for row in rows] == [
            (("again", None), 2, 0, {"capped": 2}),
            (("hello", "EMAIL"), 1, 1, {}),
            (("hello", "IN_APP"), 1, 1, {}),
        ]

    def test_feedback_counts_once_a_nudge_and_only_for_nudges_sent(self, story: Story):
        words = [
            ("delivered", 1),
            ("delivered", 1),
            ("opened", 1),
            ("clicked", 2),
            ("bounced", 9),
            ("lost", 1),
        ]
        activities = [told(word, f"p:m1:1#{number}") for word, number in words]
        row = only(counted(*activities, *story.outputs).rows(["playbook"]))
        assert row.feedback == {"delivered": 1, "opened": 1, "clicked": 0, "bounced": 0}

    def test_a_conversion_counts_at_the_nudge_it_is_attributed_to(self):
        story = Sessions()
        for number in range(3):
            story.fail(0, member=f"m{number}")
        story.wait(25 * 60)
        story.finish(25 * 60, member="m1")
        rows = counted(*story.outputs, *story.outputs).rows(["template"])
        assert [(row.key, row.nudged, row.attributed) for row in rows] == [
            (("day-known_error:authentication",), 3, 1),
            (("known_error:authentication",), 3, 0),
        ]

    def test_a_nudge_of_no_workflow_has_no_reason(self):
        story = Story(on_score("q", "< 20", {**HELLO, "recipient": "operator"}), policy=policy())
        story.score(0, operation="SET", points=5)
        row = only(counted(*story.outputs).rows())
        assert row.key == ("q", None, "hello", "IN_APP")
        assert (row.workflows, row.nudged) == (0, 1)

    def test_a_workflow_without_nudges_has_neither_template_nor_channel(self):
        story = Story(on_score("q", "< 20", OPEN), policy=policy())
        story.score(0, operation="SET", points=5)
        assert only(counted(*story.outputs).rows()).key == ("q", "score_condition", None, None)

    def test_neither_the_order_of_records_nor_repetitions_make_a_difference(self, story: Story):
        records = [*story.outputs, told("opened", "p:m1:1#1")]
        shuffled = [*records, *records]
        random.Random(3).shuffle(shuffled)
        assert counted(*shuffled).rows() == counted(*records).rows()

    def test_nothing_gives_no_rows(self):
        assert counted().rows() == []


class TestLift:
    def make(self, members: int = 200) -> Story:
        """Half are held out; of the others two of three come back, of those held out one of three.

        Half of those who come back do so before the morning in which the first nudge would have been sent.
        """
        rules = policy(hold_out_percent=50, quiet={"from": "21:00", "to": "08:00"})
        story = Story(on_score("p", "< 20", OPEN, HELLO), policy=rules)
        for number in range(members):
            member = f"m{number}"
            story.score(0.5, member, operation="SET", points=5)
        back = [n for n in range(members) if n % 3 < (1 if hold_out_rank("p", f"m{n}") < 50 else 2)]
        for number in back:
            if number % 2:
                story.score(0.6, f"m{number}", operation="SET", points=50)
        story.until(1)
        for number in back:
            if number % 2 == 0:
                story.score(2, f"m{number}", operation="SET", points=50)
        return story

    def test_every_workflow_is_in_one_of_the_two_groups_also_one_resolved_before_any_nudge(self):
        compared = only(counted(*self.make().outputs).rows(["playbook"])).compared
        held_out = [number for number in range(200) if hold_out_rank("p", f"m{number}") < 50]
        assert compared.held_out == Share(sum(number % 3 < 1 for number in held_out), len(held_out))
        others = [number for number in range(200) if number not in held_out]
        assert compared.treated == Share(sum(number % 3 < 2 for number in others), len(others))
        assert only(counted(*self.make().outputs).rows(["playbook"])).suppressed["workflow_resolved"] > 20
        assert compared.lift.low < compared.lift.difference < compared.lift.high

    def test_it_is_that_of_the_playbook_in_rows_that_say_more(self):
        rows = counted(*self.make().outputs).rows()
        assert len({row.key for row in rows}) > 1
        assert len({row.compared for row in rows}) == 1

    def test_without_anybody_held_out_there_is_none(self, story: Story):
        assert only(counted(*story.outputs).rows(["playbook"])).compared is None

    def test_over_several_playbooks_there_is_none(self):
        assert {row.compared for row in counted(*self.make().outputs).rows(["channel"])} == {None}

    def test_what_counts_as_success_is_said_for_every_kind_that_opens_workflows(self):
        closing = {(move.kind, move.name) for move in MOVES if move.after == CLOSED and move.kind != ANY_KIND}
        for kind, names in SUCCESSES.items():
            known = {name for each, name in closing if each == kind}
            assert not known or names <= known

    def test_a_workflow_of_another_playbook_of_the_member_says_nothing(self):
        story = self.make()
        stray = WorkflowOpened(
            event_id="x/1",
            sequence=1,
            member_id="x",
            occurred_at=0,
            playbook="other",
            playbook_version="v",
            cause="c",
            workflow_id="other:x:1",
            kind="score",
            reason="score_condition",
        )
        rows = counted(stray, *story.outputs).rows(["playbook"])
        assert [row.compared is None for row in rows] == [True, False]
