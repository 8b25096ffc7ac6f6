"""`kind = "points"` in the core (contract 6.2, and 8 under Scores)."""

from __future__ import annotations

import pytest

from app.domain.members import MemberCore
from app.domain.playbook_set import PlaybookSet
from app.domain.points import SPARE
from tests.domain.conftest import Story, told
from tests.domain.scoring import OPEN, on_score, points, rule


def earned(story: Story) -> int:
    return (story.member().hot.scores or {}).get("engagement", 0)


class TestRules:
    def test_a_listed_activity_earns_points_and_the_activity_is_the_reason(self):
        story = Story(points(rules=[rule()]))
        (line,) = [o for o in story.activity(0) if o.topic == "score-changed"]
        assert (line.operation, line.points, line.reason, line.playbook) == (
            "ADD",
            5,
            "article.read",
            "points",
        )

    def test_a_rule_with_a_channel_looks_at_that_channel_only(self):
        story = Story(points(rules=[rule(channel="APP"), rule("reminder.created", 1)]))
        story.activity(0, channel="WEB")
        story.activity(1, type="reminder.created", channel="PHONE")
        assert earned(story) == 1

    def test_every_rule_that_fits_pays(self):
        story = Story(points(rules=[rule(amount=5), rule(amount=20, at_most="1 per 30d")]))
        story.activity(0)
        story.activity(1)
        assert told(story.outputs) == [
            "0 engagement None ADD 5 = 5",
            "0 engagement 5 ADD 20 = 25",
            "1 engagement 25 ADD 5 = 30",
        ]

    def test_an_activity_sent_twice_earns_once(self):
        story = Story(points(rules=[rule()]))
        story.activity(0, event_id="x")
        story.activity(1, event_id="x")
        assert earned(story) == 5


class TestAtMost:
    @pytest.mark.parametrize(
        ("limit", "activities", "payments"),
        [
            ("1 per 1d", [0, 0.5, 0.99], 1),
            ("1 per 1d", [0, 1], 2),
            ("1 per 1d", [0, 0.9, 1.0, 1.9], 2),
            ("2 per 1d", [0, 0.4, 0.8, 1.2, 1.3], 3),
            ("2 per 1d", [0, 0.1, 1.0, 1.1, 1.2], 4),
        ],
    )
    def test_it_rolls_from_each_paid_one(self, limit, activities, payments):
        story = Story(points(rules=[rule(amount=1, at_most=limit)]))
        for at in activities:
            story.activity(at)
        assert earned(story) == payments

    def test_a_late_activity_counts_at_its_own_time_among_those_before_and_after_it(self):
        story = Story(points(rules=[rule(amount=1, at_most="1 per 1d")]))
        story.activity(10)
        for late in (9.5, 9, 8.5, 8, 8):
            story.activity(late, arrived=10)
        assert earned(story) == 3

    def test_as_many_payments_are_kept_as_late_activities_may_need(self):
        story = Story(points(rules=[rule(amount=1, at_most="2 per 1d")]))
        for at in range(40):
            story.activity(at)
        (paid,) = story.member().hot.states["points"].paid.values()
        assert len(paid) == 2 + SPARE

    def test_one_older_than_all_that_is_kept_is_still_paid_once_only(self):
        story = Story(points(rules=[rule(amount=1, at_most="1 per 1d")]))
        for at in range(40):
            story.activity(100 + at)
        for _ in range(3):
            story.activity(1, arrived=140)
        assert earned(story) == 41


class TestDecay:
    def make(self, **keys) -> Story:
        keys = {"rules": [rule(at_most="1 per 1d")], "decay": {"points": 3, "every": "7d"}, **keys}
        return Story(points(**keys))

    def test_it_takes_after_each_full_span_without_earning_down_to_the_floor(self):
        story = self.make(floor=0)
        story.activity(0)
        assert told(story.until(100)) == [
            "7 engagement 5 SUBTRACT 3 = 2",
            "14 engagement 2 SUBTRACT 3 = 0",
        ]
        assert story.outputs[-2].cause == "timer:decay"
        assert story.outputs[-2].reason == "decay"

    def test_without_a_floor_it_ends_at_nothing_left(self):
        story = self.make()
        story.activity(0)
        assert told(story.until(100)) == ["7 engagement 5 SUBTRACT 3 = 2", "14 engagement 2 SUBTRACT 2 = 0"]

    def test_earning_starts_the_span_anew(self):
        story = self.make(floor=0)
        story.activity(0)
        story.activity(6)
        assert told(story.until(13)) == ["13 engagement 10 SUBTRACT 3 = 7"]

    def test_an_activity_over_at_most_earns_nothing_also_for_decay(self):
        story = self.make(floor=0)
        story.activity(0)
        story.activity(0.5)
        assert told(story.until(7)) == ["7 engagement 5 SUBTRACT 3 = 2"]

    def test_a_change_from_outside_does_not(self):
        story = self.make(floor=0)
        story.activity(0)
        story.score(6, operation="ADD", points=10)
        assert told(story.until(7)) == ["7 engagement 15 SUBTRACT 3 = 12"]

    def test_without_any_earning_it_runs_from_the_first_change(self):
        story = self.make(floor=0)
        story.score(1, operation="SET", points=10)
        story.score(3, operation="SET", points=20)
        assert told(story.until(8)) == ["8 engagement 20 SUBTRACT 3 = 17"]

    def test_a_score_filled_again_decays_at_the_next_full_span(self):
        story = self.make(floor=0)
        story.activity(0)
        story.score(1, operation="CLEAR")
        assert told(story.until(15)) == []
        story.score(16, operation="SET", points=10)
        assert told(story.until(21)) == ["21 engagement 10 SUBTRACT 3 = 7"]

    def test_a_late_earning_activity_counts_at_its_own_time(self):
        story = self.make(floor=0)
        story.score(5, operation="SET", points=10)
        story.activity(3, arrived=6)
        assert told(story.until(11)) == ["10 engagement 15 SUBTRACT 3 = 12"]

    def test_a_score_below_the_floor_of_decay_stays(self):
        story = self.make()
        story.score(0, operation="SET", points=-4)
        assert told(story.until(100)) == []

    def test_score_playbooks_see_it(self):
        story = Story(
            points(rules=[rule()], decay={"points": 3, "every": "7d"}, floor=0), on_score("low", "< 5", OPEN)
        )
        story.activity(0)
        assert told(story.until(7)) == [
            "7 engagement 5 SUBTRACT 3 = 2",
            "7 opened low:m1:1 score_condition",
        ]

    def test_a_clamp_of_another_playbook_holds_for_it_too(self):
        story = Story(points(decay={"points": 3, "every": "7d"}), points("other", floor=4))
        story.score(0, operation="SET", points=5)
        assert told(story.until(100)) == ["7 engagement 5 SUBTRACT 3 = 4"]


class TestChangedPlaybooks:
    def change(self, story: Story, *playbooks) -> list[str]:
        story.engine.core = story.core = MemberCore(PlaybookSet(playbooks))
        story.engine.rearm(story.member())
        return told(story._take())

    def test_decay_is_timed_by_todays_span(self):
        story = Story(points(rules=[rule()], decay={"points": 3, "every": "7d"}))
        story.activity(0)
        assert self.change(story, points(rules=[rule()], decay={"points": 1, "every": "2d"})) == []
        assert told(story.until(4)) == ["2 engagement 5 SUBTRACT 1 = 4", "4 engagement 4 SUBTRACT 1 = 3"]

    def test_decay_that_is_gone_takes_nothing(self):
        story = Story(points(rules=[rule()], decay={"points": 3, "every": "7d"}))
        story.activity(0)
        self.change(story, points(rules=[rule()]))
        assert told(story.until(20)) == []

    def test_a_score_from_before_the_playbook_decays_from_now_on(self):
        story = Story(on_score("p", "= 1"))
        story.score(0, operation="SET", points=5)
        story.activity(3)
        self.change(story, points(decay={"points": 3, "every": "7d"}))
        assert told(story.until(10)) == ["10 engagement 5 SUBTRACT 3 = 2"]

    def test_payments_of_a_rule_hold_while_other_rules_come_and_go(self):
        limited = rule(at_most="1 per 7d")
        story = Story(points(rules=[limited, rule("x.y", at_most="1 per 7d")]))
        story.activity(0)
        story.activity(0, type="x.y")
        self.change(story, points(rules=[rule("x.z"), limited]))
        story.activity(1)
        assert earned(story) == 10
        assert list(story.member().hot.states["points"].paid) == ["article.read * 1"]

    def test_of_a_playbook_that_is_gone_no_timer_is_left(self):
        story = Story(points(rules=[rule()], decay={"points": 3, "every": "7d"}))
        story.activity(0)
        self.change(story)
        assert (story.member().hot.timers, story.member().hot.states) == ([], {})
