"""`kind = "score"` in the core (contract 6.2)."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.members import MemberCore
from app.domain.playbook_set import PlaybookSet
from tests.domain.conftest import Story, re_engager, told
from tests.domain.intents import AUTHENTICATION, Sessions, intent
from tests.domain.scoring import HELLO, OPEN, modify, on_score, points, policy, rule
from tests.domain.test_condition import ABOVE, BELOW, EMPTY, EQUAL, TABLE


def set_to(story: Story, at: float, value: int | None) -> list[str]:
    operation = "CLEAR" if value is None else "SET"
    return [line for line in told(story.score(at, operation=operation, points=value)) if "opened" in line]


@pytest.mark.parametrize("after", [EMPTY, BELOW, EQUAL, ABOVE])
@pytest.mark.parametrize("before", [EMPTY, BELOW, EQUAL, ABOVE])
@pytest.mark.parametrize("when", TABLE)
@pytest.mark.parametrize("fire", ["on_crossing", "on_every_change"])
def test_it_fires_when_the_condition_becomes_true_or_with_every_change_after_which_it_is(
    fire, when, before, after
):
    story = Story(on_score("p", when, OPEN, fire=fire, resolve="at_once"))
    set_to(story, 0, before)
    before_holds = before in TABLE[when]
    fires = before != after and after in TABLE[when] and (fire == "on_every_change" or not before_holds)
    opened = set_to(story, 1, after)
    assert len(opened) == (1 if fires else 0)


class TestWorkflow:
    def test_it_tells_score_before_after_and_condition(self):
        story = Story(on_score("p", ["< 20", "> 5"]))
        story.score(0, operation="SET", points=30)
        story.score(1, operation="SET", points=15)
        (opened,) = [o for o in story.outputs if o.topic == "workflow-opened"]
        assert opened.context == {
            "score": "engagement",
            "before": "30",
            "after": "15",
            "when": "< 20 and > 5",
        }
        assert (opened.kind, opened.reason) == ("score", "score_condition")

    def test_of_an_empty_score_it_says_nothing(self):
        story = Story(on_score("p", "is empty"))
        story.score(0, operation="SET", points=3)
        story.score(0, operation="CLEAR")
        assert story.outputs[-2].context == {"score": "engagement", "before": "3", "when": "is empty"}

    def test_it_stays_open_while_the_condition_holds_and_is_resolved_when_it_does_not(self):
        story = Story(on_score("p", "< 20", fire="on_every_change"))
        for at, value in enumerate([19, 18, 20, 19]):
            story.score(at, operation="SET", points=value)
        assert [line for line in told(story.outputs) if "engagement" not in line] == [
            "0 opened p:m1:1 score_condition",
            "2 resolved p:m1:1 condition_false",
            "3 opened p:m1:2 score_condition",
        ]

    def test_one_resolved_by_an_operator_is_opened_anew_by_the_next_change_that_fires(self):
        story = Story(on_score("p", "< 20", fire="on_every_change"))
        story.score(0, operation="SET", points=19)
        story.command(1, workflow_id="p:m1:1")
        assert told(story.score(2, operation="SET", points=18))[-1] == "2 opened p:m1:2 score_condition"

    def test_it_comes_first_whatever_its_place_and_its_nudges_carry_its_id(self):
        owner = {"do": "nudge", "template": "look", "recipient": "owner"}
        story = Story(on_score("p", ">= 1", owner, OPEN))
        story.profile(0, owner_id="o1")
        assert told(story.score(1, operation="SET", points=1)) == [
            "1 engagement None SET 1 = 1",
            "1 opened p:m1:1 score_condition",
            "1 nudge p:m1:1#1 look EMAIL o1",
        ]

    def test_resolved_at_once_it_leaves_its_nudges_to_the_playbook(self):
        story = Story(on_score("p", ">= 1", OPEN, {**HELLO, "recipient": "operator"}, resolve="at_once"))
        story.score(0, operation="SET", points=1)
        assert told(story.outputs)[1:] == [
            "0 opened p:m1:1 score_condition",
            "0 resolved p:m1:1 at_once",
            "0 nudge p:m1#1 hello IN_APP operators",
        ]
        assert story.outputs[-2].workflow_id is None


class TestActions:
    def test_they_run_in_their_order(self):
        tag, ask = {"do": "tag", "add": "vip"}, modify("add", 1, score="other")
        operator = {**HELLO, "recipient": "operator"}
        story = Story(on_score("p", ">= 1", operator, tag, ask))
        story.score(0, operation="SET", points=1)
        assert told(story.outputs)[1:] == [
            "0 nudge p:m1#1 hello IN_APP operators",
            "0 +vip p",
            "0 other None ADD 1 = 1",
        ]

    def test_a_tag_that_is_there_already_or_is_not_changes_nothing(self):
        story = Story(
            on_score("a", ">= 1", {"do": "tag", "add": "vip"}, fire="on_every_change"),
            on_score("b", "< 1", {"do": "tag", "remove": "vip"}, fire="on_every_change"),
        )
        for at, value in enumerate([0, 1, 2, 0, -1]):
            story.score(at, operation="SET", points=value)
        assert [line for line in told(story.outputs) if "vip" in line] == ["1 +vip a", "3 -vip b"]

    def test_a_call_to_action_names_member_and_company(self):
        link = "https://example.com/?m={member_id}&c={company_id}"
        nudge = {**HELLO, "recipient": "operator", "call_to_action": link, "incentive": "gift"}
        story = Story(on_score("p", ">= 1", nudge))
        story.profile(0, "m/1", company_id="a&b")
        sent = next(o for o in story.score(1, "m/1", operation="SET", points=1) if o.topic == "nudge")
        assert sent.call_to_action == "https://example.com/?m=m%2F1&c=a%26b"
        assert (sent.incentive, sent.context["after"]) == ("gift", "1")


class TestNewMembers:
    def test_a_member_first_seen_has_an_empty_score(self):
        story = Story(on_score("p", "is empty", new_members=True))
        assert told(story.activity(0)) == ["0 opened p:m1:1 score_condition"]
        assert told(story.activity(1)) == []

    def test_without_it_a_member_first_seen_is_nothing(self):
        assert told(Story(on_score("p", "is empty")).activity(0)) == []

    def test_another_condition_does_not_hold_for_a_member_first_seen(self):
        assert told(Story(on_score("p", "< 20", new_members=True)).activity(0)) == []

    def test_it_is_judged_before_the_first_records_own_effect(self):
        story = Story(on_score("p", "is empty", new_members=True))
        assert told(story.score(0, operation="SET", points=1)) == [
            "0 opened p:m1:1 score_condition",
            "0 engagement None SET 1 = 1",
            "0 resolved p:m1:1 condition_false",
        ]

    def test_its_nudges_are_judged_by_what_that_record_says_of_the_member(self):
        story = Story(on_score("p", "is empty", HELLO, new_members=True), policy=policy())
        outputs = story.profile(0, consents={"IN_APP": False, "SMS": False, "EMAIL": False})
        assert told(outputs) == ["0 no nudge p:m1#1 hello no_consent"]

    def test_its_changes_too_come_before_that_effect(self):
        story = Story(on_score("p", "is empty", modify("set", 50), new_members=True))
        assert told(story.score(0, operation="ADD", points=1)) == [
            "0 engagement None SET 50 = 50",
            "0 engagement 50 ADD 1 = 51",
        ]


def test_kinds_act_in_their_order_and_playbooks_of_a_kind_by_name():
    story = Story(
        on_score("b", ">= 1"), on_score("a", ">= 1"), points(rules=[rule()]), re_engager("z"), policy=policy()
    )
    assert told(story.activity(0)) == [
        "0 +inactive never_active",
        "0 -inactive activity",
        "0 opened z:m1:1 first_activity",
        "0 engagement None ADD 5 = 5",
        "0 opened a:m1:1 score_condition",
        "0 opened b:m1:1 score_condition",
    ]


def test_a_late_command_takes_effect_at_the_members_now():
    story = Story(on_score("p", ">= 1"))
    story.activity(5)
    assert told(story.score(3, operation="SET", points=1, arrived=5)) == [
        "5 engagement None SET 1 = 1",
        "5 opened p:m1:1 score_condition",
    ]


class TestChangedPlaybooks:
    def change(self, story: Story, *playbooks) -> list[str]:
        story.engine.core = story.core = MemberCore(PlaybookSet(playbooks, story.core.playbooks.policy))
        story.engine.rearm(story.member())
        return told(story._take())

    def test_a_condition_that_no_longer_holds_resolves(self):
        story = Story(on_score("p", "< 20"))
        story.score(0, operation="SET", points=15)
        assert self.change(story, on_score("p", "< 10")) == ["0 resolved p:m1:1 condition_false"]

    def test_one_that_holds_now_opens_nothing(self):
        story = Story(on_score("p", "< 20"))
        story.score(0, operation="SET", points=25)
        assert self.change(story, on_score("p", "< 30")) == []

    def test_to_resolve_at_once_holds_for_what_is_open(self):
        story = Story(on_score("p", "< 20"))
        story.score(0, operation="SET", points=15)
        assert self.change(story, on_score("p", "< 20", resolve="at_once")) == ["0 resolved p:m1:1 at_once"]

    def test_a_follow_up_is_timed_by_todays_after(self):
        later = {**HELLO, "after": "5d", "recipient": "operator"}
        story = Story(on_score("p", ">= 1", OPEN, later))
        story.score(0, operation="SET", points=1)
        assert self.change(story, on_score("p", ">= 1", OPEN, {**later, "after": "2d"})) == []
        assert told(story.until(9)) == ["2 nudge p:m1:1#1 hello IN_APP operators"]

    def test_a_follow_up_that_is_due_by_now_is_sent_at_once(self):
        later = {**HELLO, "after": "5d", "recipient": "operator"}
        story = Story(on_score("p", ">= 1", OPEN, later))
        story.score(0, operation="SET", points=1)
        story.activity(4)
        assert self.change(story, on_score("p", ">= 1", OPEN, {**later, "after": "2d"})) == [
            "4 nudge p:m1:1#1 hello IN_APP operators"
        ]

    def test_a_follow_up_whose_action_is_gone_stays_as_it_was_planned(self):
        later = {**HELLO, "after": "5d", "recipient": "operator"}
        story = Story(on_score("p", ">= 1", OPEN, later))
        story.score(0, operation="SET", points=1)
        assert self.change(story, on_score("p", ">= 1", OPEN, {**later, "template": "bye"})) == []
        assert told(story.until(9)) == ["5 nudge p:m1:1#1 hello IN_APP operators"]

    def test_nudges_of_a_playbook_that_is_gone_are_dropped(self):
        later = {**HELLO, "after": "5d"}
        story = Story(on_score("p", ">= 1", OPEN, later), on_score("q", ">= 1", later))
        story.score(0, operation="SET", points=1)
        assert self.change(story, on_score("r", "= 9")) == [
            "0 resolved p:m1:1 playbook_removed",
            "0 no nudge p:m1:1#1 hello workflow_resolved",
            "0 no nudge q:m1#1 hello workflow_resolved",
        ]
        assert story.member().hot.timers == []

    @pytest.mark.parametrize(
        "other", [points("q", rules=[rule()]), intent("q"), re_engager("q")], ids=lambda other: other.kind
    )
    def test_a_playbook_of_another_kind_does_not_take_over_the_nudges_of_its_name(self, other: Any):
        later = {**HELLO, "after": "5d"}
        story = Story(on_score("p", ">= 1", later), on_score("q", ">= 1", later), policy=policy())
        story.score(0, operation="SET", points=1)
        changed = self.change(story, on_score("p", ">= 1", later), other)
        assert "0 no nudge q:m1#1 hello workflow_resolved" in changed
        (dropped,) = [output for output in story.outputs if output.topic == "nudge-suppressed"]
        assert (dropped.playbook, dropped.playbook_version) == (None, None)
        assert [line for line in told(story.until(9)) if "nudge" in line] == [
            "5 nudge p:m1#1 hello IN_APP m1"
        ]

    def test_a_plan_of_the_same_name_sends_its_own_nudges_only(self):
        later = {**HELLO, "after": "5d"}
        story = Sessions(on_score("i", ">= 1", later, later))
        story.score(0, operation="SET", points=1)
        self.change(story, intent(nudges=[{"after": "1h"}]))
        assert story.fail(10, AUTHENTICATION) == ["11 opened i:m1:1 known_error:authentication"]
        assert story.wait(10 * 24 * 60) == ["71 nudge i:m1:1#1 known_error:authentication"]
