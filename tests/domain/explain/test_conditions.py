"""Each kind of condition, failing, in the words a person reads."""

from __future__ import annotations

import pytest

from app.domain.crossings import MemberMoved, MergeStep, TransferAnswer
from app.domain.explain.considered import span_text
from app.domain.explain.registry import EXPLAINERS
from app.domain.explain.step import DUPLICATE, IGNORED, REFUSED, SENT_ON
from app.domain.instants import DAY_MS, HOUR_MS, MINUTE_MS
from app.domain.transfer import TransferRules
from app.playbooks.kinds import KINDS
from tests.domain.conftest import days, re_engager
from tests.domain.explain.watching import WatchedStory, all_says
from tests.domain.scoring import HELLO, OPEN, modify, on_score, points, policy, rule

HOUR = 1 / 24


def test_every_kind_of_playbook_has_an_explainer():
    assert set(EXPLAINERS) == set(KINDS)


@pytest.mark.parametrize(
    ("span_ms", "text"),
    [
        (0, "0 ms"),
        (7 * DAY_MS, "7 d"),
        (2 * DAY_MS + 3 * HOUR_MS + 59 * MINUTE_MS, "2 d 3 h"),
        (2 * DAY_MS + 3 * MINUTE_MS, "2 d"),
        (90 * MINUTE_MS, "1 h 30 min"),
        (1_500, "1 s 500 ms"),
        (-HOUR_MS, "-1 h"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(span_ms, text):
    assert span_text(span_ms) == text


class TestReengager:
    def test_an_activity_on_another_channel(self):
        story = WatchedStory()
        story.activity(0, channel="WEB")
        assert story.why_not("re-engager") == ['channel WEB is not in ["APP"]'] * 2

    def test_an_activity_of_another_type(self):
        story = WatchedStory()
        story.activity(0, type="page.viewed")
        listed = 'type page.viewed is not in ["article.read", "reminder.created"]'
        assert story.why_not("re-engager") == [listed] * 2
        assert not story.considered("re-engager")[-1].concerned

    def test_a_member_who_is_not_inactive(self):
        story = WatchedStory()
        story.activity(0)
        story.activity(2 + 3 * HOUR)
        assert story.why_not("re-engager") == ["not inactive: last activity 2 d 3 h ago, needs 7 d"]

    def test_a_workflow_that_is_open_already(self):
        story = WatchedStory()
        story.activity(0)
        story.activity(8)
        (why,) = story.why_not("re-engager")
        assert why == "workflow re-engager:m1:1 is open already, since 2026-01-05T10:00:00.000Z"

    def test_what_did_happen_holds_in_every_condition(self):
        story = WatchedStory()
        story.activity(0)
        story.until(7)
        assert story.steps[-1].timer == (days(7), "inactive", "re-engager", "")
        (tag,) = story.considered("re-engager")
        assert tag.happened
        assert all_says(tag) == [
            (True, 'does not carry tag "inactive"'),
            (True, "last activity 7 d ago, needs 7 d"),
        ]

    @pytest.mark.parametrize(
        ("at", "says"),
        [
            (3, "late, and the gap before it, 3 d, is under 7 d: the tag was wrong"),
            (-1, "late, -1 d after the last known activity: says nothing of the tag of now"),
        ],
    )
    def test_a_late_activity_that_opens_nothing(self, at, says):
        story = WatchedStory()
        story.activity(0)
        story.until(8)
        story.activity(at, arrived=8)
        assert story.steps[-1].late
        assert story.why_not("re-engager")[-1] == says

    def test_a_set_up_completed_again_while_the_transfer_waits(self):
        story = WatchedStory()
        story.activity(0, type="setup.completed")
        assert [each.happened for each in story.considered("re-engager")][-1]
        story.activity(1, type="setup.completed")
        assert story.why_not("re-engager") == ["the transfer is WAITING, not PENDING"]

    def test_a_set_up_from_before_the_program_was_assigned(self):
        story = WatchedStory()
        story.transfer(2, type="PROGRAM_ASSIGNED")
        assert story.why_not("re-engager") == ["the set-up was not completed after it"]
        story.activity(1, type="setup.completed", arrived=3)
        (why,) = story.why_not("re-engager")
        assert why == ("setup.completed is from before the program was assigned, at 2026-01-07T10:00:00.000Z")

    def test_a_transfer_with_no_workflow_to_resolve(self):
        story = WatchedStory()
        story.transfer(0)
        assert story.why_not("re-engager") == ["no workflow is open"]

    def test_an_attempt_of_another_system_that_nobody_waits_for(self):
        story = WatchedStory(re_engager(transfer=TransferRules(managed=False)))
        story.transfer(0, type="ATTEMPT_FAILED")
        assert story.why_not("re-engager") == ["the transfer is PENDING, nobody waits for an answer"]

    def test_an_answer_of_the_desk_that_comes_too_late(self):
        story = WatchedStory()
        story.activity(0, type="setup.completed")
        story.transfer(1)
        answer = TransferAnswer(
            event_id="a1",
            occurred_at=days(2),
            cause="e1",
            member_id="m1",
            pool="default",
            request_id="m1/2",
            playbook="re-engager",
            type="TRANSFERRED",
            attempts=1,
        )
        story.record(answer)
        assert story.why_not("re-engager") == ["request m1/2 is no longer waiting"]


class TestPoints:
    @pytest.mark.parametrize(
        ("keys", "failed"),
        [
            ({"channel": "PHONE"}, 'channel APP is not in ["PHONE"]'),
            (
                {"at_most": "1 per 2d"},
                "1 per 2 d reached, paid at 2026-01-05T10:00:00.000Z",
            ),
        ],
    )
    def test_a_rule_that_does_not_pay(self, keys, failed):
        story = WatchedStory(points(rules=[rule(**keys)]))
        story.activity(0)
        story.activity(1)
        assert story.why_not("points") == [failed]

    def test_a_score_at_its_ceiling(self):
        story = WatchedStory(points(rules=[rule(amount=5), rule(amount=3)], ceiling=7))
        story.activity(0)
        assert [each.happened for each in story.considered("points")] == [True, True]
        story.activity(1)
        assert story.why_not("points") == ["engagement stays 7, its ceiling"] * 2

    def test_an_activity_that_earns_nothing(self):
        story = WatchedStory(points(rules=[rule()]))
        story.activity(0, type="page.viewed")
        assert story.why_not("points") == ['type page.viewed is not in ["article.read"]']

    def test_decay_down_to_the_floor(self):
        story = WatchedStory(points(rules=[rule(amount=5)], decay={"points": 5, "every": "2d"}))
        story.activity(0)
        story.until(2)
        (taken,) = story.considered("points")
        assert (taken.happened, all_says(taken)) == (True, [(True, "engagement is 5, decay goes down to 0")])


class TestScore:
    @pytest.mark.parametrize(
        ("before", "after", "failed"),
        [
            (None, 15, 'engagement is 15, needs "< 10"'),
            (4, 5, "met before, at 4; fires on crossing"),
        ],
    )
    def test_a_condition_that_is_not_met_or_was_before(self, before, after, failed):
        story = WatchedStory(on_score("low", "< 10"))
        if before is not None:
            story.score(0, operation="SET", points=before)
        story.score(1, operation="SET", points=after)
        assert story.why_not("low")[0] == failed

    def test_a_workflow_that_stays_open_while_the_condition_holds(self):
        story = WatchedStory(on_score("low", "< 10", OPEN, fire="on_every_change"))
        story.score(0, operation="SET", points=4)
        story.score(1, operation="SET", points=5)
        opens, resolves = story.considered("low")
        assert (opens.failed.name, resolves.failed.name) == ("none_open", "when_false")
        assert resolves.failed.says == 'engagement is 5, which meets "< 10"'

    def test_a_command_that_changes_nothing(self):
        story = WatchedStory(points(rules=[], ceiling=10))
        story.score(0, operation="SET", points=10)
        story.score(1, operation="ADD", points=5)
        (change,) = [each for each in story.steps[-1].considered if each.playbook is None]
        assert change.failed.says == "ADD 5 leaves engagement at 10, its ceiling"

    def test_the_key_of_each_action_is_its_place_in_the_playbook(self):
        actions = [modify("add", 1, score="other"), OPEN, HELLO, {"do": "tag", "add": "vip"}]
        playbook = on_score("p", ">= 1", *actions)
        story = WatchedStory(playbook, policy=policy())
        story.score(0, operation="SET", points=1)
        explainer = EXPLAINERS["score"]
        keys = {
            output.topic: explainer.decided_by(playbook, output)
            for output in story.steps[-1].outputs
            if output.playbook == "p"
        }
        assert keys == {
            "score-changed": "actions[0]",
            "workflow-opened": "when",
            "nudge": "actions[2]",
            "tag-changed": "actions[3]",
        }


SAYS_HELLO = on_score("hi", ">= 1", HELLO, fire="on_every_change")


def hello(*, profile=None, snooze=False, **keys) -> WatchedStory:
    """A nudge that is judged at Monday, 10 o'clock UTC, under a policy of these keys."""
    story = WatchedStory(SAYS_HELLO, policy=policy(**keys))
    story.profile(-1, **({"email": "a@example.org"} if profile is None else profile))
    if snooze:
        story.command(-0.5, type="SNOOZE_NUDGES", until=days(1))
    story.score(0, operation="SET", points=1)
    return story


class TestNudges:
    @pytest.mark.parametrize(
        ("options", "failed"),
        [
            ({"snooze": True}, "snoozed until 2026-01-06T10:00:00.000Z"),
            (
                {"profile": {"phone": ""}, "channels": ["EMAIL", "SMS"]},
                "none of EMAIL, SMS (the policy's list) has an address",
            ),
            (
                {"profile": {"channels": ["SMS"], "phone": "1"}},
                "no consent to SMS",
            ),
            (
                {"quiet": {"from": "09:00", "to": "11:00"}},
                "quiet hours at 10:00 in UTC, until 2026-01-05T11:00:00.000Z",
            ),
            (
                {"holidays": True, "profile": {"country": "ES"}, "channels": ["IN_APP"]},
                None,
            ),
        ],
    )
    def test_what_a_nudge_fails_on(self, options, failed):
        assert hello(**options).why_not("hi") == ([] if failed is None else [failed])

    def test_a_public_holiday_of_the_member(self):
        story = hello(holidays=True, channels=["IN_APP"], profile={"country": "ES"})
        story.score(1, operation="SET", points=2)
        (why,) = story.why_not("hi")
        assert why == "a public holiday of ES at 10:00 in UTC, until 2026-01-07T00:00:00.000Z"
        (held,) = [each for each in story.considered("hi") if not each.holds]
        assert held.effect == "waits until 2026-01-07T00:00:00.000Z"

    def test_a_cap_names_the_nudges_that_reached_it(self):
        story = hello(caps={"1d": 1, "7d": 3})
        story.score(0.5, operation="SET", points=2)
        assert story.why_not("hi") == ["cap 1 per 1d reached by nudge hi:m1#1"]

    def test_a_member_held_out(self):
        (why,) = hello(hold_out_percent=100).why_not("hi")
        assert why.startswith("held out: at ")
        assert why.endswith("of 100, with 100 % held out")

    def test_a_coach_who_is_not_known(self):
        story = WatchedStory(on_score("hi", ">= 1", {**HELLO, "recipient": "coach"}))
        story.score(0, operation="SET", points=1)
        assert story.why_not("hi") == ["no coach of the member is known"]

    def test_a_nudge_dropped_with_its_workflow(self):
        story = WatchedStory(on_score("hi", ">= 1", OPEN, {**HELLO, "after": "2d"}), policy=policy())
        story.score(0, operation="SET", points=1)
        story.score(1, operation="SET", points=0)
        assert "its workflow is resolved, or whom it was for is gone" in story.why_not("hi")


class TestFates:
    def test_a_duplicate(self):
        story = WatchedStory()
        story.activity(0, event_id="same")
        story.activity(1, event_id="same")
        assert (story.steps[-1].fate, story.steps[-1].outputs) == (DUPLICATE, [])

    def test_a_command_nobody_can_carry_out(self):
        story = WatchedStory()
        story.activity(0)
        story.command(1, workflow_id="re-engager:m1:9")
        step = story.steps[-1]
        assert step.fate == REFUSED
        assert step.detail.startswith("dead letter unknown_workflow: workflow_id: ")

    def test_a_command_to_nobody(self):
        story = WatchedStory()
        story.command(0, type="FORGET_MEMBER")
        assert story.steps[-1].fate == IGNORED

    def test_a_merge_and_what_comes_for_the_old_id_afterwards(self):
        story = WatchedStory()
        story.activity(0)
        story.profile(1, merged_into="m2")
        assert story.steps[-1].detail == "merged into m2"
        story.activity(2)
        assert (story.steps[-1].fate, story.steps[-1].detail) == (SENT_ON, "merged away; sent on to m2")

    def test_a_member_first_heard_of_by_a_merge_is_judged_by_the_others_history(self):
        story = WatchedStory()
        steps = [MergeStep(member_id="m2", merged_at=days(0))]
        moved = {"event_id": "e1/m1", "occurred_at": days(0), "cause": "e1", "path": steps}
        story.record(MemberMoved(**moved, member_id="m1", from_member_id="m2"))
        assert [output.reason for output in story.steps[-1].outputs] == ["never_active"]
        assert story.considered("re-engager") == []

    def test_timers_due_before_a_record_are_steps_before_it(self):
        story = WatchedStory()
        story.activity(0)
        story.engine.apply(
            "m1",
            story.steps[-1].record.__class__(
                event_id="later", member_id="m1", occurred_at=days(9), type="article.read", channel="APP"
            ),
        )
        assert [step.timer and step.timer[1] for step in story.steps] == [None, "inactive", None]
        assert [output.topic for output in story.steps[1].outputs] == ["tag-changed"]
        assert story.steps[2].outputs[-1].topic == "tag-changed"

    def test_other_members_are_not_told(self):
        story = WatchedStory()
        story.activity(0, "m2")
        assert story.steps == []
        assert story.watched.ids == {"m2"}
