"""The bench's own idea of the inactivity job, against the core that decides for the worker."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from app.domain.outputs import MemberSnapshot, Output
from app.playbooks.loader import load_playbooks
from app.tools.simulate import simulate
from app.tools.world import World
from app.wire.codec import encode_key
from app.wire.lines import format_record
from app.wire.partitioner import murmur2_partition
from bench.generate import Workload
from bench.oracle import GRACE_MS, expect, expect_workload, facts
from bench.site import PLAYBOOKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.events import Activity
    from app.domain.outputs import AnyOutput
    from bench.oracle import Facts

END_MS = 1_767_225_600_000
PARTITIONS = 4
DAY_MS = 86_400_000


def partition_of(activity: Activity) -> int:
    return murmur2_partition(encode_key(activity.member_id), PARTITIONS)


def spread_over(days: int, activities: list[Activity]) -> list[Activity]:
    """The same activities, over so many days."""
    first_ms, last_ms = activities[0].occurred_at, activities[-1].occurred_at
    slower = days * DAY_MS // (last_ms - first_ms)
    return [
        msgspec.structs.replace(each, occurred_at=END_MS - (last_ms - each.occurred_at) * slower)
        for each in activities
    ]


@pytest.fixture(params=["as generated", "over 60 days"])
def activities(request: pytest.FixtureRequest) -> list[Activity]:
    generated = list(Workload(events=3_000, members=400).activities(END_MS))
    return generated if request.param == "as generated" else spread_over(60, generated)


def told(outputs: Iterable[AnyOutput]) -> dict[str, Facts]:
    return {output.event_id: facts(output) for output in outputs if isinstance(output, Output)}


def test_outputs_are_those_of_the_core_under_partition_time(activities: list[Activity]) -> None:
    """Every output with all it says, and every member's last page, those of silent members too."""
    world = World(load_playbooks(PLAYBOOKS), GRACE_MS)
    for activity in activities:
        world.move_partition(activity, partition_of(activity))
        world.apply(activity, partition_of(activity))
    outputs = world.take()
    pages = [output for output in outputs if isinstance(output, MemberSnapshot)]
    expected = expect(activities, PARTITIONS)
    assert expected.sequenced == told(outputs)
    assert expected.pages == {page.member_id: page for page in pages}
    assert expected.most_pages == len(pages)
    assert len(pages) > 1_000


def test_outputs_are_those_simulate_prints(activities: list[Activity]) -> None:
    """`simulate` on the same events as lines, in order."""
    lines = [
        format_record(each.topic, each)[:-1] + f',"partition":{partition_of(each)}}}' for each in activities
    ]
    simulated = simulate(lines, load_playbooks(PLAYBOOKS), in_order=True, grace_ms=GRACE_MS)
    expected = expect(activities, PARTITIONS)
    assert expected.sequenced == told(simulated.outputs)
    assert expected.pages == {page.member_id: page for page in simulated.snapshots}
    assert not simulated.dead_letters


def test_without_silent_timers_only_events_make_outputs() -> None:
    """Members whose last word has been heard are then looked at no more."""
    activities = spread_over(60, list(Workload(events=3_000, members=400).activities(END_MS)))
    lazy = expect(activities, PARTITIONS, silent_timers=False)
    full = expect(activities, PARTITIONS)
    assert lazy.counts["workflow-opened"] == full.counts["workflow-opened"]
    assert lazy.counts["tag-changed ADDED"] < full.counts["tag-changed ADDED"]


def test_kills_fall_where_so_many_percent_of_the_events_have_been_applied() -> None:
    """A prefix of the events causes the outputs before it."""
    activities = list(Workload(events=1_000, members=300).activities(END_MS))
    expected = expect(activities, PARTITIONS)
    assert expected.by_share(25) == len(expect(activities[:250], PARTITIONS).sequenced)
    assert expected.by_share(75) == len(expect(activities[:750], PARTITIONS).sequenced)
    assert expect([], PARTITIONS).by_share(50) == 0


def test_what_several_contenders_must_give_is_computed_once() -> None:
    """The same workload with the same end."""
    workload = Workload(events=200, members=50)
    first = expect_workload(workload, END_MS, PARTITIONS, silent_timers=False)
    assert expect_workload(workload, END_MS, PARTITIONS, silent_timers=False) is first
    assert first == expect(workload.activities(END_MS), PARTITIONS, silent_timers=False)


def test_a_workload_is_the_same_each_time() -> None:
    """Its events depend on its numbers and the end alone."""
    workload = Workload(events=500, members=50)
    assert list(workload.activities(END_MS)) == list(workload.activities(END_MS))
    assert list(workload.activities(END_MS)) != list(replace(workload, seed=8).activities(END_MS))


def test_a_scaled_workload_keeps_how_often_a_member_is_met() -> None:
    """Fewer events come of fewer members over the same time."""
    scaled = Workload().scaled(20_000)
    assert (scaled.events, scaled.members) == (20_000, 2_000)
    assert scaled.span_ms == Workload().span_ms


def test_events_are_in_order_and_end_at_the_end() -> None:
    """So nothing of them lies in the future."""
    instants = [each.occurred_at for each in Workload(events=1_000, members=100).activities(END_MS)]
    assert instants == sorted(set(instants))
    assert instants[-1] == END_MS
