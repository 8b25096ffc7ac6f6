"""In which order a record and the timers before it take effect (contract 5), and what moves nothing."""

import pytest

from app.domain.events import CampaignResponse, EngagementEvent, ScoreCommand
from tests.domain.conftest import Story, days, re_engager, told


class TestDuplicates:
    def test_an_id_seen_again_is_ignored_whatever_the_content(self, story: Story):
        story.activity(0, event_id="x")
        assert story.activity(9, event_id="x", arrived=0) == []
        assert story.member().hot.now_ms == days(0)

    def test_over_all_topics(self, story: Story):
        story.profile(0, event_id="x")
        assert story.activity(1, event_id="x", arrived=0) == []
        assert story.command(1, event_id="x", workflow_id="?") == []

    def test_for_another_member_it_counts(self, story: Story):
        story.activity(0, "m1", event_id="x")
        assert told(story.activity(0, "m2", event_id="x"))

    @pytest.mark.parametrize(
        ("between", "ignored"), [(0, True), (1, True), (62, True), (63, True), (64, False)]
    )
    def test_among_the_last_64_applied(self, story: Story, between: int, ignored: bool):
        """The id itself and 63 after it are remembered."""
        story.profile(0)
        story.activity(1, channel="WEB", event_id="x")
        for _ in range(between):
            story.activity(1, channel="WEB")
        story.activity(2, event_id="x")
        assert (story.member().hot.now_ms == days(1)) is ignored

    def test_a_duplicate_does_not_make_its_id_younger(self, story: Story):
        story.profile(0)
        story.activity(1, channel="WEB", event_id="x")
        for _ in range(63):
            story.activity(1, channel="WEB")
        story.activity(1, channel="WEB", event_id="x")
        story.activity(1, channel="WEB")
        story.activity(2, event_id="x")
        assert story.member().hot.now_ms == days(2)


class TestOrder:
    def test_due_timers_fire_before_the_event_also_at_its_very_instant(self, story: Story):
        story.activity(0)
        outputs = story.activity(7, channel="WEB")
        assert told(outputs) == ["7 +inactive inactive"]

    def test_each_timer_is_stamped_with_its_own_due_time(self, make_story):
        story = make_story(re_engager("a"), re_engager("b", tag="quiet", after=3))
        story.activity(0)
        assert told(story.activity(9, channel="WEB")) == ["3 +quiet inactive", "7 +inactive inactive"]

    def test_timers_of_one_due_and_name_go_by_playbook(self, make_story):
        story = make_story(re_engager("b", tag="tb"), re_engager("a", tag="ta"))
        story.activity(0)
        assert told(story.until(7)) == ["7 +ta inactive", "7 +tb inactive"]

    def test_playbooks_act_by_name_whatever_the_order_they_were_given_in(self, make_story):
        story = make_story(re_engager("b", tag="tb"), re_engager("a", tag="ta"))
        assert told(story.activity(0)) == [
            "0 +ta never_active",
            "0 +tb never_active",
            "0 -ta activity",
            "0 opened a:m1:1 first_activity",
            "0 -tb activity",
            "0 opened b:m1:1 first_activity",
        ]

    def test_now_never_goes_back(self, story: Story):
        story.activity(5)
        story.activity(3)
        assert story.member().hot.now_ms == days(5)

    def test_outputs_of_a_late_record_carry_now(self, story: Story):
        story.profile(5)
        assert {output.occurred_at for output in story.activity(3, arrived=6)} == {days(5)}

    def test_a_timer_moves_now(self, story: Story):
        story.activity(0)
        story.until(8)
        assert story.member().hot.now_ms == days(7)

    def test_sequence_counts_all_outputs_of_a_member_but_snapshots(self, story: Story):
        story.activity(0)
        story.activity(0, "m2")
        story.activity(9)
        sequenced = [o for o in story.outputs if o.topic != "member-snapshot" and o.member_id == "m1"]
        assert [output.sequence for output in sequenced] == [1, 2, 3, 4, 5]
        assert [output.event_id for output in sequenced] == [f"m1/{n}" for n in range(1, 6)]


class TestFirstSeen:
    def test_a_command_does_not_make_a_member(self, story: Story):
        assert story.command(0, type="SNOOZE_NUDGES", until=days(1)) == []
        assert story.engine.entities.get("m1") is None

    @pytest.mark.parametrize(
        "record",
        [
            ScoreCommand(event_id="e", member_id="m1", occurred_at=days(0), operation="ADD", points=1),
            CampaignResponse(
                event_id="e",
                member_id="m1",
                occurred_at=days(0),
                response_id="r",
                campaign_id="c",
                is_response=True,
                status="Open",
            ),
            EngagementEvent(
                event_id="e", member_id="m1", occurred_at=days(0), engagement_id="g", type="LAUNCHED"
            ),
        ],
        ids=lambda record: record.topic,
    )
    def test_any_other_record_does(self, story: Story, record):
        assert told(story.record(record))[0] == "0 +inactive never_active"


class TestResolveWorkflow:
    def test_the_operator_resolves_an_open_workflow_by_its_id(self, story: Story):
        story.activity(0)
        outputs = story.command(1, workflow_id="re-engager:m1:1", event_id="c")
        assert told(outputs) == ["1 resolved re-engager:m1:1 operator"]
        assert (outputs[0].playbook, outputs[0].cause) == ("re-engager", "c")

    @pytest.mark.parametrize("workflow_id", ["re-engager:m1:2", "re-engager:m2:1", "x", None])
    def test_an_unknown_id_is_refused_and_moves_nothing(self, story: Story, workflow_id: str | None):
        story.activity(0)
        story.engine.grace_ms = 10**12
        assert told(story.command(9, workflow_id=workflow_id)) == ["refused unknown_workflow"]
        assert story.member().hot.now_ms == days(0)

    def test_a_closed_one_too(self, story: Story):
        story.activity(0)
        story.transfer(1)
        assert told(story.command(2, workflow_id="re-engager:m1:1")) == ["refused unknown_workflow"]

    def test_of_somebody_unknown_it_is_refused_and_makes_no_member(self, story: Story):
        assert told(story.command(0, workflow_id="re-engager:m1:1")) == ["refused unknown_workflow"]
        assert story.engine.entities.get("m1") is None

    def test_a_refused_command_may_be_sent_again(self, story: Story):
        story.profile(0)
        story.command(1, workflow_id="re-engager:m1:1", event_id="c")
        story.activity(2)
        assert told(story.command(3, workflow_id="re-engager:m1:1", event_id="c")) == [
            "3 resolved re-engager:m1:1 operator"
        ]
