"""The story shows what it says it shows, and comes out the same on however many partitions."""

import msgspec
import pytest

from app.playbooks.loader import load_playbooks
from app.tools.demo.script import deliveries, instant_ms
from app.tools.demo.story import POOLS, STORY, WEEKS
from app.tools.simulate import simulate
from app.wire.partitioner import murmur2_partition
from app.wire.topics import load_topics

PARTITIONS = load_topics()["activity"].partitions
SENT = deliveries(STORY, POOLS)
SIMULATED = simulate([delivery.line for delivery in SENT], load_playbooks(None))

ASKING = {output.member_id for output in SIMULATED.outputs if output.topic == "transfer-requested"}


def outputs_of(member_id, topic="", **fields):
    return [
        output
        for output in SIMULATED.outputs
        if output.member_id == member_id
        and topic in ("", output.topic)
        and all(getattr(output, name) == value for name, value in fields.items())
    ]


def test_the_characters_are_different_people():
    assert len({character.member_id for character in STORY}) == len(STORY)
    assert len({character.name for character in STORY}) == len(STORY)


def test_the_story_takes_the_weeks_it_says():
    assert SENT[0].arrived_ms >= instant_ms("Jan 05 00:00")
    days = (SENT[-1].arrived_ms - instant_ms("Jan 05 00:00")) / 86_400_000
    assert WEEKS * 7 - 1 <= days < WEEKS * 7


def test_every_partition_has_a_record_on_the_last_day_and_no_timer_is_due_after_it():
    last = {
        murmur2_partition(delivery.key.encode(), PARTITIONS): delivery.arrived_ms
        for delivery in SENT
        if delivery.topic != "capacity"
    }
    assert sorted(last) == list(range(PARTITIONS))
    assert min(last.values()) >= instant_ms("Mar 15 00:00")
    assert (
        max(o.occurred_at for o in SIMULATED.outputs if o.cause.startswith("timer:"))
        < min(last.values()) - 2_000
    )


@pytest.mark.parametrize("partitions", [1, PARTITIONS])
def test_partitions_that_go_by_their_own_time_give_what_one_world_gives(partitions):
    lines = []
    for delivery in SENT:
        line = msgspec.json.decode(delivery.line)
        line["partition"] = murmur2_partition(delivery.key.encode(), partitions)
        lines.append(msgspec.json.encode(line))
    outputs = simulate(lines, load_playbooks(None), in_order=True).outputs
    # What a desk answers crosses between partitions, which needs a broker.
    assert [o for o in outputs if o.member_id not in ASKING] == [
        o for o in SIMULATED.outputs if o.member_id not in ASKING
    ]


def test_a_first_activity_opens_a_workflow():
    assert outputs_of("amara.okafor", "workflow-opened", reason="first_activity")


def test_a_steady_member_never_turns_inactive():
    assert not outputs_of("mei.chen", "tag-changed", reason="inactive")


def test_a_member_who_stops_turns_inactive_and_opens_nothing():
    assert len(outputs_of("chloe.dubois", "tag-changed", reason="inactive")) == 1
    assert len(outputs_of("chloe.dubois", "workflow-opened", kind="reengager")) == 1


def test_a_member_who_returns_has_a_workflow_that_says_after_how_long():
    (opened,) = outputs_of("diego.ramirez", "workflow-opened", reason="returned")
    assert opened.context["inactive_days"] == "28"
    assert outputs_of("diego.ramirez", "workflow-resolved", resolution="manually_transferred")


def test_the_web_does_not_count():
    assert [output.topic for output in outputs_of("emi.tanaka")] == ["tag-changed"]


def test_a_late_activity_takes_the_tag_back_and_opens_nothing():
    assert outputs_of("farid.haddad", "tag-changed", reason="late_activity")
    assert not outputs_of("farid.haddad", "workflow-opened", reason="returned")


def test_a_duplicate_changes_nothing():
    assert len([delivery for delivery in SENT if delivery.fields["event_id"] == "grace.mbeki-2"]) == 2
    assert len(outputs_of("grace.mbeki", "workflow-opened")) == 1


def test_what_is_marked_unreadable_and_nothing_else_becomes_a_dead_letter():
    unreadable = [delivery.key for delivery in SENT if not delivery.readable]
    assert unreadable == ["hugo.martins"]
    assert [letter.key for letter in SIMULATED.dead_letters] == unreadable


def test_exactly_seven_days_are_inactive():
    at_ms = instant_ms("Jan 21 10:00")
    tags = [output.action for output in outputs_of("kavya.nair", "tag-changed", occurred_at=at_ms)]
    assert tags == ["ADDED", "REMOVED"]


def test_a_member_who_never_came_stays_inactive():
    assert [output.reason for output in outputs_of("jonas.weber")] == ["never_active"]


def test_a_return_while_a_workflow_is_open_opens_no_second_one():
    assert len(outputs_of("liam.oconnor", "tag-changed", reason="activity")) == 3
    assert len(outputs_of("liam.oconnor", "workflow-opened")) == 1


def test_capacity_runs_out_and_who_waits_is_served_at_a_reset_in_the_order_of_the_requests():
    assert outputs_of("rosa.lindqvist", "workflow-resolved", occurred_at=instant_ms("Feb 09 09:00"))
    assert not outputs_of("rosa.lindqvist", "transfer-failed")
    for member_id, failed in (("samir.khan", 1), ("tessa.devries", 2)):
        attempts = outputs_of(member_id, "transfer-failed")
        assert [attempt.attempts for attempt in attempts] == list(range(1, failed + 1))
        assert not any(attempt.final for attempt in attempts)
        (resolved,) = outputs_of(member_id, "workflow-resolved", cause="timer:reset")
        assert resolved.occurred_at == attempts[-1].next_attempt_at


def test_a_message_of_the_evening_is_held_by_quiet_hours_and_the_owners_is_dropped_with_its_workflow():
    (opened,) = outputs_of("chloe.dubois", "workflow-opened", kind="score")
    assert opened.occurred_at == instant_ms("Feb 03 21:30")
    (nudge,) = outputs_of("chloe.dubois", "nudge")
    assert instant_ms("Feb 04 07:00") <= nudge.occurred_at < instant_ms("Feb 04 07:15")
    (dropped,) = outputs_of("chloe.dubois", "nudge-suppressed")
    assert (dropped.recipient_role, dropped.reason) == ("OWNER", "workflow_resolved")


def test_the_message_that_is_opened_is_the_one_that_was_sent():
    opened = [delivery for delivery in SENT if delivery.fields.get("type") == "nudge.opened"]
    sent = [output.nudge_id for output in SIMULATED.outputs if output.topic == "nudge"]
    assert [delivery.fields["attributes"]["nudge_id"] for delivery in opened] == sent
