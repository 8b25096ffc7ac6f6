"""The gate every message to a member passes (contract 6.6, and 8 under Policy)."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.instants import DAY_MS, HOUR_MS
from app.domain.members import MemberCore
from app.domain.nudges import MOST_PENDING
from app.domain.playbook_set import PlaybookSet
from app.domain.policy import Policy, spread_offset_ms
from tests.domain.conftest import MONDAY_MS, RestartingEntities, Story, days, told
from tests.domain.scoring import HELLO, OPEN, on_score, policy

NIGHT = {"quiet": {"from": "21:00", "to": "08:00"}}
"""The story's days begin on Monday at 10:00 UTC: day 0.5 is 22:00, and 11/12 the next 08:00."""

MORNING = 22 / 24
STRICT = {**NIGHT, "hold_out_percent": 100, "caps": {"1d": 0}, "consent_default": {}}


def hello(name: str = "p", **keys: Any) -> Any:
    """Says hello at every change of the score, without a workflow."""
    return on_score(name, "is not empty", {**HELLO, **keys}, fire="on_every_change")


def make(*playbooks: Any, **keys: Any) -> Story:
    """A story whose member has an address."""
    story = Story(*(playbooks or (hello(),)), policy=policy(**keys))
    story.profile(-1, email="a@example.org")
    return story


def nudges(outputs: list[Any]) -> list[str]:
    return [line for line in told(outputs) if "nudge" in line]


def change(story: Story, at: float, **keys: Any) -> list[str]:
    """Any change of the score."""
    return nudges(story.score(at, operation="ADD", points=1, **keys))


class TestOrder:
    """Each case has everything the later ones have against it, too."""

    @pytest.mark.parametrize(
        ("facts", "reason"),
        [
            ({"held_out", "snoozed", "address", "consent", "capped", "night"}, "held_out"),
            ({"snoozed", "address", "consent", "capped", "night"}, "snoozed"),
            ({"address", "consent", "capped", "night"}, "no_channel"),
            ({"consent", "capped", "night"}, "no_consent"),
            ({"capped"}, "capped"),
        ],
    )
    def test_it_is_judged_in_the_contracts_order_and_judging_comes_before_waiting(self, facts, reason):
        rules = policy(
            **NIGHT, channels=["EMAIL"], caps={"7d": 1}, hold_out_percent=100 if "held_out" in facts else 0
        )
        story = Story(hello("a"), hello("b"), policy=rules)
        story.profile(-1, email="a@example.org")
        story.core.playbooks.policy, kept = policy(channels=["EMAIL"]), rules
        story.score(-1, operation="SET", points=0)
        story.core.playbooks.policy = kept
        if "snoozed" in facts:
            story.command(0, type="SNOOZE_NUDGES", until=days(5))
        if "address" in facts:
            story.profile(0, email="")
        if "consent" in facts:
            story.profile(0, consents={"EMAIL": False})
        at = 0.5 if "night" in facts else 0.1
        assert change(story, at) == [
            f"{at} no nudge a:m1#2 hello {reason}",
            f"{at} no nudge b:m1#2 hello {reason}",
        ]

    def test_with_nothing_against_it_it_is_sent_at_once(self):
        story = make()
        assert change(story, 0) == ["0 nudge p:m1#1 hello EMAIL m1"]
        sent = next(output for output in story.outputs if output.topic == "nudge")
        assert (sent.recipient_role, sent.cause, sent.playbook) == ("MEMBER", "e2", "p")
        assert sent.context == {"score": "engagement", "when": "is not empty", "after": "1"}


class TestChannels:
    def test_the_members_list_comes_before_the_nudges_and_that_before_the_policys(self):
        story = make(hello(channels=["IN_APP"]), channels=["EMAIL"])
        assert change(story, 0)[0].split()[4] == "IN_APP"
        story.profile(1, channels=["SMS", "EMAIL"])
        assert change(story, 2)[0].split()[4] == "EMAIL"


class TestCaps:
    def test_they_count_over_all_playbooks_and_only_what_was_sent(self):
        story = make(hello("a"), hello("b"), caps={"1d": 1})
        assert change(story, 0) == ["0 nudge a:m1#1 hello EMAIL m1", "0 no nudge b:m1#1 hello capped"]
        assert change(story, 0.5) == ["0.5 no nudge a:m1#2 hello capped", "0.5 no nudge b:m1#2 hello capped"]
        assert change(story, 1)[0] == "1 nudge a:m1#3 hello EMAIL m1"

    def test_nudges_to_others_do_not_count(self):
        story = make(hello("a", recipient="operator"), hello("b"), caps={"1d": 1})
        assert change(story, 0)[1] == "0 nudge b:m1#1 hello EMAIL m1"


class TestWaiting:
    def test_at_night_it_waits_for_the_morning_and_is_caused_by_its_timer(self):
        story = make(**NIGHT)
        assert change(story, 0.5) == []
        released = story.until(2)
        assert nudges(released) == [f"{MORNING:g} nudge p:m1#1 hello EMAIL m1"]
        assert released[0].cause == "timer:nudge"

    def test_it_is_released_with_the_members_own_offset(self):
        story = make(**NIGHT, spread="15m")
        change(story, 0.5)
        (sent,) = [output for output in story.until(2) if output.topic == "nudge"]
        assert sent.occurred_at == days(MORNING) + spread_offset_ms("m1", 15 * 60_000)

    def test_what_waits_is_judged_again_when_its_time_comes(self):
        story = make(**NIGHT, channels=["EMAIL"])
        change(story, 0.5)
        story.activity(0.6, type="nudge.unsubscribed", attributes={"channel": "EMAIL"})
        assert nudges(story.until(2)) == [f"{MORNING:g} no nudge p:m1#1 hello no_consent"]

    def test_caps_are_judged_when_its_time_comes(self):
        story = make(**NIGHT, caps={"1d": 1})
        change(story, 0.5)
        change(story, 0.6)
        assert nudges(story.until(2)) == [
            f"{MORNING:g} nudge p:m1#1 hello EMAIL m1",
            f"{MORNING:g} no nudge p:m1#2 hello capped",
        ]

    def test_what_waits_for_one_instant_goes_by_playbook_then_in_plan_order(self):
        story = make(hello("b"), hello("a"), **NIGHT)
        for at in (0.5, 0.6):
            change(story, at)
        assert [line.split()[2] for line in nudges(story.until(2))] == [
            "a:m1#1",
            "a:m1#2",
            "b:m1#1",
            "b:m1#2",
        ]

    def test_a_changed_zone_times_what_waits_anew(self):
        story = make(**NIGHT)
        change(story, 0.5)
        moved = story.profile(0.55, time_zone="America/New_York")
        assert nudges(moved) == ["0.55 nudge p:m1#1 hello EMAIL m1"]
        story.profile(2, time_zone="UTC")
        change(story, 2.5)
        story.profile(2.55, time_zone="Asia/Kolkata")
        assert nudges(story.until(4)) == ["2.6875 nudge p:m1#2 hello EMAIL m1"]

    def test_a_profile_that_says_nothing_new_of_the_place_moves_nothing(self):
        story = make(**NIGHT, spread="15m")
        story.profile(0, time_zone="UTC")
        change(story, 0.5)
        due = [timer for timer in story.member().hot.timers if timer[1] == "nudge"]
        story.profile(MORNING, time_zone="UTC", owner_id="o")
        assert [timer for timer in story.member().hot.timers if timer[1] == "nudge"] == due

    def test_a_holiday_is_waited_for(self):
        story = make(holidays=True)
        story.profile(0, country="DE", region="BY")
        assert change(story, 1) == []
        assert nudges(story.until(3)) == [f"{1 + 14 / 24:g} nudge p:m1#1 hello EMAIL m1"]

    def test_a_changed_policy_times_what_waits_anew(self):
        story = make(**NIGHT)
        change(story, 0.5)
        later = policy(quiet={"from": "21:00", "to": "09:00"})
        story.engine.core = story.core = MemberCore(PlaybookSet([hello()], later))
        story.engine.rearm(story.member())
        assert nudges(story.until(2)) == [f"{23 / 24:g} nudge p:m1#1 hello EMAIL m1"]


class TestFollowUps:
    SEQUENCE = (OPEN, HELLO, {**HELLO, "template": "again", "after": "2d"}, {**HELLO, "after": "4d"})

    def test_they_are_sent_one_after_the_other_while_the_workflow_is_open(self):
        story = make(on_score("p", "< 20", *self.SEQUENCE))
        story.score(0, operation="SET", points=10)
        story.until(9)
        assert nudges(story.outputs) == [
            "0 nudge p:m1:1#1 hello EMAIL m1",
            "2 nudge p:m1:1#2 again EMAIL m1",
            "4 nudge p:m1:1#3 hello EMAIL m1",
        ]

    def test_at_the_resolution_the_others_are_dropped_at_once_in_plan_order(self):
        story = make(on_score("p", "< 20", *self.SEQUENCE))
        story.score(0, operation="SET", points=10)
        assert told(story.score(1, operation="SET", points=30))[1:] == [
            "1 resolved p:m1:1 condition_false",
            "1 no nudge p:m1:1#2 again workflow_resolved",
            "1 no nudge p:m1:1#3 hello workflow_resolved",
        ]
        assert nudges(story.until(9)) == []
        assert story.member().hot.pending == 0

    def test_one_held_by_the_night_is_dropped_too(self):
        story = make(on_score("p", "< 20", OPEN, HELLO), **NIGHT)
        story.score(0.5, operation="SET", points=10)
        assert nudges(story.command(0.6, workflow_id="p:m1:1")) == [
            "0.6 no nudge p:m1:1#1 hello workflow_resolved"
        ]
        assert nudges(story.until(3)) == []

    def test_each_workflow_counts_its_own(self):
        story = make(on_score("p", "< 20", OPEN, HELLO))
        for at, value in enumerate([10, 30, 10]):
            story.score(at, operation="SET", points=value)
        assert [line.split()[2] for line in nudges(story.outputs)] == ["p:m1:1#1", "p:m1:2#1"]

    def test_without_a_workflow_nothing_drops_them(self):
        story = make(on_score("p", "< 20", {**HELLO, "after": "2d"}))
        story.score(0, operation="SET", points=10)
        story.score(1, operation="SET", points=30)
        assert nudges(story.until(9)) == ["2 nudge p:m1#1 hello EMAIL m1"]

    def test_one_more_than_can_be_kept_is_suppressed_at_once(self):
        story = make(hello(after="30d"))
        for at in range(MOST_PENDING):
            assert change(story, at / 100) == []
        assert change(story, 2) == ["2 no nudge p:m1#1 hello capped"]
        assert len(nudges(story.until(100))) == MOST_PENDING


class TestSnooze:
    def test_all_nudges_to_the_member_are_suppressed_until_then(self):
        story = make()
        story.command(0, type="SNOOZE_NUDGES", until=days(2))
        assert change(story, 1) == ["1 no nudge p:m1#1 hello snoozed"]
        assert change(story, 2) == ["2 nudge p:m1#2 hello EMAIL m1"]

    def test_a_workflows_snooze_is_for_its_nudges_alone(self):
        story = make(on_score("p", "< 20", OPEN, {**HELLO, "after": "1d"}), hello("q", after="1d"))
        story.score(0, operation="SET", points=10)
        story.command(0.5, type="SNOOZE_NUDGES", workflow_id="p:m1:1", until=days(3))
        assert nudges(story.until(2)) == [
            "1 no nudge p:m1:1#1 hello snoozed",
            "1 nudge q:m1#1 hello EMAIL m1",
        ]

    def test_the_newest_word_counts(self):
        story = make()
        story.command(0, type="SNOOZE_NUDGES", until=days(9))
        story.command(1, type="SNOOZE_NUDGES", until=days(1))
        assert change(story, 1) == ["1 nudge p:m1#1 hello EMAIL m1"]

    def test_a_workflow_that_is_not_open_is_refused(self):
        story = make()
        refused = story.command(0, type="SNOOZE_NUDGES", workflow_id="p:m1:1", until=days(3))
        assert told(refused) == ["refused unknown_workflow"]

    def test_nudges_to_others_go_out_all_the_same(self):
        story = make(hello(recipient="operator"))
        story.command(0, type="SNOOZE_NUDGES", until=days(9))
        assert change(story, 1) == ["1 nudge p:m1#1 hello IN_APP operators"]


class TestOtherRecipients:
    @pytest.mark.parametrize(
        ("recipient", "said"),
        [
            ("coach", "EMAIL c1"),
            ("owner", "EMAIL o1"),
            ("operator", "IN_APP operators"),
        ],
    )
    def test_they_go_past_the_policy(self, recipient, said):
        story = make(hello(recipient=recipient), **STRICT)
        story.profile(0, coach_id="c1", owner_id="o1")
        assert change(story, 0.5) == [f"0.5 nudge p:m1#1 hello {said}"]

    @pytest.mark.parametrize("recipient", ["coach", "owner"])
    def test_one_who_is_not_known_has_no_channel(self, recipient):
        story = make(hello(recipient=recipient))
        assert change(story, 0) == ["0 no nudge p:m1#1 hello no_channel"]
        suppressed = next(o for o in story.outputs if o.topic == "nudge-suppressed")
        assert (suppressed.recipient_role, suppressed.recipient_id) == (recipient.upper(), None)

    def test_who_it_is_is_looked_up_when_it_is_sent(self):
        story = make(hello(recipient="owner", after="2d"))
        change(story, 0)
        story.profile(1, owner_id="o2")
        assert nudges(story.until(3)) == ["2 nudge p:m1#1 hello EMAIL o2"]


def test_the_page_shows_what_is_planned_in_order_of_its_time():
    story = make(
        on_score("p", "< 20", OPEN, {**HELLO, "after": "3d"}, {**HELLO, "template": "x", "after": "1d"})
    )
    story.score(0, operation="SET", points=10)
    page = story.outputs[-1]
    assert [(nudge.template, nudge.due_at, nudge.workflow_id) for nudge in page.pending_nudges] == [
        ("x", days(1), "p:m1:1"),
        ("hello", days(3), "p:m1:1"),
    ]
    assert page.scores == {"engagement": 10}
    assert story.until(9)[-1].pending_nudges == []


def test_a_restart_between_planning_and_sending_changes_nothing():
    def play(entities: Any) -> list[Any]:
        playbooks = (on_score("p", "< 20", OPEN, HELLO, {**HELLO, "after": "2d"}),)
        story = Story(*playbooks, policy=policy(**NIGHT, caps={"7d": 1}))
        if entities:
            story.engine.entities = RestartingEntities(story.core)
        story.profile(-1, email="a@example.org", consents={"EMAIL": True})
        story.score(0.5, operation="SET", points=10)
        story.activity(1, type="nudge.opened", attributes={"nudge_id": "p:m1:1#1"})
        story.until(9)
        return story.outputs

    assert play(entities=True) == play(entities=False)


def test_sent_nudges_are_forgotten_when_neither_cap_nor_attribution_needs_them():
    story = make(caps={"1d": 1})
    for at in (0, 2, 4, 9, 12):
        change(story, at)
    assert [nudge.at_ms for nudge in story.member().cold().sent] == [days(9), days(12)]
    assert story.core.playbooks.policy.remember_ms == 7 * DAY_MS


def test_an_unused_policy_is_the_contracts():
    story = Story(hello())
    assert story.core.playbooks.policy == Policy()
    assert (MONDAY_MS // HOUR_MS) % 24 == 10
