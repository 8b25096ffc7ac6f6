"""The events of `python -m bench.backlog`: who is behind, and who is not."""

from app.wire.partitioner import murmur2_partition
from bench.backlog import LIVE, backlog, live_activity
from bench.site import PARTITIONS


def partition_of(activity):
    return murmur2_partition(activity.member_id.encode(), PARTITIONS)


def test_the_live_partition_has_no_backlog_and_each_other_one_ends_with_its_mark():
    activities = list(backlog(10_000))
    assert len(activities) == 10_000
    assert len({activity.event_id for activity in activities}) == 10_000
    others = {number for number in range(PARTITIONS) if number != LIVE}
    assert {partition_of(activity) for activity in activities} == others
    marks = activities[-len(others) :]
    assert [activity.event_id for activity in marks] == [f"last{number}" for number in sorted(others)]
    assert {partition_of(mark) for mark in marks} == others
    assert {mark.member_id for mark in marks}.isdisjoint(activity.member_id for activity in activities[:-3])


def test_live_events_are_of_members_of_their_own_in_the_partition_without_one():
    live = [live_activity(number) for number in range(50)]
    assert {partition_of(activity) for activity in live} == {LIVE}
    assert len({activity.member_id for activity in live}) == 50
    assert [activity.event_id for activity in live] == [f"e{number}" for number in range(50)]
