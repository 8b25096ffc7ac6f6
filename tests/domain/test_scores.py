"""Scores and their ledger (contract 6.2, and 8 under Scores)."""

from __future__ import annotations

import pytest

from app.domain.playbook_set import PlaybookSet
from app.domain.scores import HIGHEST, LOWEST, MOST_CHANGES, take_over_scores
from app.domain.sink import Refused
from app.domain.turn import Turn
from tests.domain.conftest import Story, days, told
from tests.domain.scoring import OPEN, modify, on_score, points


@pytest.fixture
def story() -> Story:
    return Story(points(score="clamped", floor=0, ceiling=100))


def ledger(story: Story) -> list[str]:
    return [line for line in told(story.outputs) if "=" in line]


@pytest.mark.parametrize(
    ("commands", "lines"),
    [
        ([("ADD", 5), ("ADD", 2)], ["0 engagement None ADD 5 = 5", "0 engagement 5 ADD 2 = 7"]),
        ([("SUBTRACT", 5)], ["0 engagement None SUBTRACT 5 = -5"]),
        ([("SET", -3)], ["0 engagement None SET -3 = -3"]),
        ([("SET", 0)], ["0 engagement None SET 0 = 0"]),
        ([("SET", 10), ("SET", 10)], ["0 engagement None SET 10 = 10"]),
        ([("ADD", 0)], []),
        ([("SET", 4), ("ADD", 0), ("SUBTRACT", 0)], ["0 engagement None SET 4 = 4"]),
        ([("CLEAR", None)], []),
        (
            [("SET", 7), ("CLEAR", None), ("ADD", 1)],
            [
                "0 engagement None SET 7 = 7",
                "0 engagement 7 CLEAR None = None",
                "0 engagement None ADD 1 = 1",
            ],
        ),
    ],
)
def test_each_change_is_one_line_and_what_changes_nothing_is_none(story, commands, lines):
    for operation, amount in commands:
        story.score(0, operation=operation, points=amount)
    assert ledger(story) == lines


def test_scores_are_kept_by_name(story):
    story.score(0, operation="ADD", points=1)
    story.score(0, operation="ADD", points=2, score="loyalty")
    assert story.member().hot.scores == {"engagement": 1, "loyalty": 2}


def test_a_command_names_no_playbook_and_keeps_its_reason(story):
    (line,) = [
        o for o in story.score(0, operation="ADD", points=1, reason="call") if o.topic == "score-changed"
    ]
    assert (line.playbook, line.playbook_version, line.reason) == (None, None, "call")


def test_the_same_id_again_changes_nothing(story):
    story.score(0, operation="ADD", points=1, event_id="x")
    assert story.score(1, operation="ADD", points=5, event_id="x") == []


def test_clear_has_no_points_even_if_the_command_had(story):
    story.score(0, operation="SET", points=1)
    story.score(0, operation="CLEAR", points=9)
    assert ledger(story)[-1] == "0 engagement 1 CLEAR None = None"


@pytest.mark.parametrize(
    ("commands", "line"),
    [
        ([("SET", 1_000)], "0 clamped None SET 1000 = 100"),
        ([("SET", -1)], "0 clamped None SET -1 = 0"),
        ([("SET", 90), ("ADD", 20)], "0 clamped 90 ADD 20 = 100"),
        ([("SET", 5), ("SUBTRACT", 20)], "0 clamped 5 SUBTRACT 20 = 0"),
        ([("SET", 100), ("ADD", 20)], "0 clamped None SET 100 = 100"),
    ],
)
def test_floor_and_ceiling_clamp_every_change_and_points_stay_as_asked(story, commands, line):
    for operation, amount in commands:
        story.score(0, score="clamped", operation=operation, points=amount)
    assert ledger(story)[-1] == line


def test_a_score_ends_at_the_edge_of_64_bits(story):
    story.score(0, operation="SET", points=HIGHEST)
    story.score(0, operation="ADD", points=5)
    story.score(0, operation="SUBTRACT", points=HIGHEST)
    story.score(0, operation="SUBTRACT", points=HIGHEST)
    story.score(0, operation="SUBTRACT", points=HIGHEST)
    assert story.member().hot.scores == {"engagement": LOWEST}
    assert len(ledger(story)) == 4


class TestCascades:
    def test_a_change_made_by_an_action_is_queued_behind_the_one_it_answers(self):
        story = Story(
            on_score("a", "= 1", modify("add", 10)),
            on_score("b", "= 1", OPEN, resolve="at_once"),
            on_score("c", "> 10", OPEN),
        )
        story.score(0, operation="SET", points=1)
        assert told(story.outputs) == [
            "0 engagement None SET 1 = 1",
            "0 opened b:m1:1 score_condition",
            "0 resolved b:m1:1 at_once",
            "0 engagement 1 ADD 10 = 11",
            "0 opened c:m1:1 score_condition",
        ]

    def test_the_reason_of_a_change_by_action_is_the_playbooks_name(self):
        story = Story(on_score("a", "= 1", modify("add", 10, score="other")))
        story.score(0, operation="SET", points=1)
        line = next(o for o in story.outputs if o.topic == "score-changed" and o.playbook)
        assert (line.score, line.reason, line.playbook, line.cause) == ("other", "a", "a", "e1")

    def test_changes_are_made_to_depth_8_and_what_would_be_depth_9_is_refused(self):
        story = Story(on_score("again", ">= 1", modify("add", 1), fire="on_every_change"))
        story.score(0, operation="SET", points=1)
        assert story.member().hot.scores == {"engagement": 9}
        assert told(story.outputs)[-1] == "refused cascade_limit"
        (refused,) = [output for output in story.outputs if isinstance(output, Refused)]
        assert (
            "ADD 1 on score 'engagement' of 'm1', asked for by playbook 'again', caused by 'e1', would be depth 9"
            in refused.message
        )

    def test_what_changes_nothing_is_not_refused_however_deep(self):
        story = Story(on_score("again", ">= 1", modify("set", 1), fire="on_every_change"))
        story.score(0, operation="SET", points=2)
        assert told(story.outputs) == ["0 engagement None SET 2 = 2", "0 engagement 2 SET 1 = 1"]

    def test_playbooks_that_all_answer_each_other_come_to_an_end(self):
        keys = {"fire": "on_every_change"}
        story = Story(*(on_score(f"p{n}", "is not empty", modify("add", 1), **keys) for n in range(5)))
        story.score(0, operation="SET", points=1)
        assert story.member().hot.scores == {"engagement": MOST_CHANGES}
        assert told(story.outputs)[-1] == "refused cascade_limit"

    def test_the_record_that_set_it_off_is_applied_all_the_same(self):
        story = Story(on_score("again", ">= 1", modify("add", 1), fire="on_every_change"))
        story.score(0, operation="SET", points=1, event_id="x")
        assert story.score(1, operation="SET", points=1, event_id="x") == []
        assert story.member().hot.now_ms == days(0)


class TestMerge:
    def test_each_score_that_is_not_empty_is_added_in_name_order_and_seen_as_any_change(self, story):
        story.score(0, operation="SET", points=1)
        playbooks = PlaybookSet([on_score("p", ">= 6")])
        turn = Turn(story.member(), story.sink, days(1), "e9", playbooks)
        take_over_scores(turn, {"loyalty": -2, "engagement": 5})
        assert told(story.sink.take()) == [
            "1 engagement 1 ADD 5 = 6",
            "1 opened p:m1:1 score_condition",
            "1 loyalty None ADD -2 = -2",
        ]
