"""The world behind `simulate`: what crosses between entities, with partitions and without."""

from __future__ import annotations

from base64 import b64encode
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.outputs import WorkflowResolved
from app.playbooks.loader import load_playbooks
from app.tools.world import World
from app.wire.codec import Codec, shipped_codec
from tests.tools.story import (
    DAY_MS,
    START_MS,
    activity,
    capacity,
    clock,
    command,
    instant,
    page,
    play,
    profile,
    score,
    set_up,
    told,
    transfer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PLAYBOOKS = load_playbooks(None)

WHAT: dict[str, Callable[[float, str], dict[str, Any]]] = {
    "activity": activity,
    "set-up": set_up,
    "score": score,
    "assigned": lambda day, member: transfer(day, member, "PROGRAM_ASSIGNED"),
    "capacity": lambda day, _member: capacity(day, 1),
    "merged": lambda day, member: profile(day, member, merged_into="z"),
    "forgotten": command,
}
KINDS = sorted(WHAT)


def answer(day: float, partition: int, **fields: Any) -> dict[str, Any]:
    """The desk's answer as its internal topic recorded it."""
    return {
        "topic": "internal-transfer-answer",
        "partition": partition,
        "event_id": "m/4#1",
        "occurred_at": instant(day),
        "cause": "line-2",
        "member_id": "m",
        "pool": "default",
        "request_id": "m/4",
        "playbook": "re-engager",
        "type": "TRANSFERRED",
        "attempts": 1,
        **fields,
    }


def in_partition(partition: int, *lines: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**line, "partition": partition} for line in lines]


class TestWithPartitions:
    def test_nothing_crosses_by_itself(self):
        result = play(PLAYBOOKS, *in_partition(1, activity(0), set_up(1)), in_order=True)
        assert told(result) == ["0 m opened first_activity", "1 m asks default"]
        assert page(result).transfer.state == "WAITING"

    def test_what_did_cross_is_taken_as_it_was_recorded(self):
        lines = *in_partition(1, activity(0), set_up(1)), answer(1.5, 1)
        result = play(PLAYBOOKS, *lines, in_order=True)
        resolved = [output for output in result.outputs if isinstance(output, WorkflowResolved)]
        assert [(output.occurred_at, output.cause) for output in resolved] == [(instant(1.5), "line-2")]

    def test_a_desks_partition_is_not_the_members_of_the_same_number(self):
        lines = *in_partition(0, activity(0), capacity(30, 1)), clock(1)
        result = play(PLAYBOOKS, *lines, in_order=True)
        assert told(result, "tag-changed") == ["0 m +inactive never_active", "0 m -inactive activity"]

    def test_an_event_on_its_way_to_another_member_is_applied_there(self):
        fields = {**activity(2, "old"), "event_id": "e"}
        del fields["topic"]
        event = Codec(encoding="json").encode(shipped_codec().from_json("activity", fields))
        moved = {
            "topic": "internal-member-moved",
            "partition": 3,
            "event_id": "x",
            "occurred_at": instant(2),
            "cause": "x",
            "member_id": "new",
            "from_member_id": "old",
            "path": [{"member_id": "old", "merged_at": instant(1)}],
            "source_topic": "activity",
            "appended_at": instant(2),
            "value": b64encode(event).decode(),
        }
        result = play(PLAYBOOKS, *in_partition(3, profile(0, "new")), moved, in_order=True)
        assert told(result, "workflow-opened") == ["2 new opened first_activity"]


class TestInternalLines:
    def test_without_a_partition_one_is_no_line(self):
        line = {name: value for name, value in answer(0, 1).items() if name != "partition"}
        assert told(play(PLAYBOOKS, line, in_order=True)) == ["dead letter 1 missing_field"]

    @pytest.mark.parametrize("partition", [None, 1])
    def test_lines_that_are_sorted_by_arrival_have_none(self, partition: int | None):
        line = {**answer(0, 1), "partition": partition}
        assert told(play(PLAYBOOKS, line)) == ["dead letter 1 bad_value"]


class TestMovingQuietly:
    """What a replay in event-time order does for nearly every record, in place of `move_time`."""

    @staticmethod
    def outputs(lines: list[dict[str, Any]], *, quietly: bool) -> list[Any]:
        world, codec, found = World(PLAYBOOKS, grace_ms=0), shipped_codec(), []
        for number, line in enumerate(lines):
            fields = {"event_id": f"e{number}", **line}
            record = codec.from_json(fields.pop("topic"), fields)
            if not (quietly and world.move_quietly(record.occurred_at)):
                world.move_time(record.occurred_at)
            world.apply(record)
            found += world.take()
        world.pass_time(world.time_ms + 30 * DAY_MS)
        return [*found, *world.take()]

    @given(
        st.lists(st.tuples(st.integers(0, 40), st.sampled_from("abc"), st.sampled_from(KINDS)), max_size=25)
    )
    @settings(max_examples=40)
    def test_it_decides_what_moving_time_decides(self, drawn: list[tuple[int, str, str]]):
        lines = [WHAT[kind](at / 2, member) for at, member, kind in sorted(drawn, key=itemgetter(0))]
        assert self.outputs(lines, quietly=True) == self.outputs(lines, quietly=False)

    def test_it_does_not_when_a_timer_is_due(self):
        world = World(PLAYBOOKS, grace_ms=0)
        world.move_time(START_MS)
        fields = {**activity(0), "event_id": "e"}
        world.apply(shipped_codec().from_json(fields.pop("topic"), fields))
        assert world.move_quietly(START_MS + 1)
        assert not world.move_quietly(START_MS + 8 * DAY_MS)
        assert world.time_ms == START_MS + 1
