"""`reengage simulate` (contract 7, and 8 under simulate and Lines)."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import UserError, UserErrors
from app.domain.members import MemberCore
from app.playbooks.loader import load_playbooks
from app.tools.simulate import Simulated, run, simulate
from app.tools.world import World
from app.wire.instants import LAST_INSTANT_MS
from app.wire.lines import format_record

if TYPE_CHECKING:
    from pathlib import Path

PLAYBOOKS = load_playbooks(None)


def line(day: float, member: str = "m1", **fields: Any) -> dict[str, Any]:
    """An activity in the app, so many days after 2026-01-01T00:00:00Z (or `at` as it stands)."""
    return {
        "topic": "activity",
        "member_id": member,
        "type": "article.read",
        "channel": "APP",
        "occurred_at": instant(day),
        **fields,
    }


def clock(day: float, **fields: Any) -> dict[str, Any]:
    return {"topic": "clock", "occurred_at": instant(day), **fields}


def instant(day: float) -> int:
    return 1767225600000 + round(day * 86_400_000)


def played(*lines: dict[str, Any], **options: Any) -> Simulated:
    return simulate([json.dumps(each) for each in lines], PLAYBOOKS, **options)


def tags(simulated: Simulated) -> list[tuple[float, str, str, str]]:
    """(day, member, action, reason) of each tag-changed."""
    return [
        ((output.occurred_at - instant(0)) / 86_400_000, output.member_id, output.action, output.reason)
        for output in simulated.outputs
        if output.topic == "tag-changed"
    ]


ADDED_ON_7 = (7.0, "m1", "ADDED", "inactive")


class TestOrder:
    def test_lines_are_applied_by_arrival_whatever_their_order(self):
        lines = [line(0), line(8), line(3, arrived_at=instant(8.5)), clock(30)]
        for number, each in enumerate(lines):
            each.setdefault("event_id", f"e{number}") if each["topic"] != "clock" else None
        assert played(*lines).outputs == played(*reversed(lines)).outputs

    def test_of_one_instant_by_topic_rank_then_line(self):
        transfer = {
            "topic": "transfer",
            "member_id": "m1",
            "type": "TRANSFERRED",
            "mode": "MANUAL",
            "occurred_at": instant(0),
        }
        assert [output.topic for output in played(line(0), transfer).outputs] == [
            "tag-changed",
            "tag-changed",
            "workflow-opened",
        ]

    def test_every_line_moves_time_for_everyone_to_its_arrival(self):
        assert ADDED_ON_7 in tags(played(line(0), line(1, "m2", arrived_at=instant(7))))
        assert ADDED_ON_7 not in tags(played(line(0), line(1, "m2", arrived_at=instant(6.9))))

    def test_a_line_late_by_its_arrival_is_late(self):
        simulated = played(line(0), line(3, arrived_at=instant(9)))
        assert tags(simulated)[-2:] == [ADDED_ON_7, (7.0, "m1", "REMOVED", "late_activity")]

    def test_outputs_come_by_instant_member_and_sequence(self):
        simulated = played(line(0, "b"), line(0, "a"), clock(30))
        order = [(output.occurred_at, output.member_id, output.sequence) for output in simulated.outputs]
        assert order == sorted(order)

    def test_a_company_moves_time_and_nothing_else(self):
        company = {"topic": "company", "company_id": "c", "status": "OPERATIONAL", "occurred_at": instant(8)}
        assert tags(played(line(0), company))[-1] == ADDED_ON_7


class TestInOrder:
    def test_lines_apply_as_they_stand(self):
        simulated = played(line(9), line(8), in_order=True)
        assert {output.occurred_at for output in simulated.outputs} == {instant(9)}

    def test_time_moves_to_occurred_at_and_arrived_at_says_nothing(self):
        assert ADDED_ON_7 not in tags(played(line(0), line(1, "m2", arrived_at=instant(9)), in_order=True))
        assert ADDED_ON_7 in tags(played(line(0), line(7, "m2"), in_order=True))

    def test_a_clock_line_that_comes_first_holds_for_all_that_follow(self):
        assert tags(played(clock(30), line(0), in_order=True))[-1] == (7.0, "m1", "ADDED", "inactive")


class TestPartitions:
    """With --in-order, lines that carry `partition`."""

    def test_a_line_moves_its_own_partitions_time_only(self):
        other = line(9, "m2", partition=1)
        assert ADDED_ON_7 not in tags(played(line(0, partition=0), other, in_order=True))
        assert ADDED_ON_7 in tags(played(line(0, partition=0), {**other, "partition": 0}, in_order=True))

    def test_under_the_grace(self):
        second = 1 / 86_400
        for late, fires in ((1.999, False), (2, True)):
            lines = line(0, partition=0), line(7 + late * second, "m2", partition=0)
            assert (ADDED_ON_7 in tags(played(*lines, in_order=True, grace_ms=2000))) is fires

    def test_a_clock_line_fires_what_is_due_by_its_instant_without_grace(self):
        assert ADDED_ON_7 in tags(played(line(0, partition=0), clock(7, partition=0), in_order=True))
        assert ADDED_ON_7 not in tags(played(line(0, partition=0), clock(7, partition=1), in_order=True))

    def test_a_clock_line_without_partition_is_for_all(self):
        assert ADDED_ON_7 in tags(played(line(0, partition=0), clock(7), in_order=True))

    @pytest.mark.parametrize("fields", [{}, {"partition": 0}])
    def test_a_clock_line_that_comes_first_holds_for_a_partition_too(self, fields: dict[str, int]):
        assert ADDED_ON_7 in tags(played(clock(7, **fields), line(0, partition=0), in_order=True))
        assert ADDED_ON_7 not in tags(played(clock(6.99, **fields), line(0, partition=0), in_order=True))

    def test_but_not_for_another_partition(self):
        assert ADDED_ON_7 not in tags(played(clock(7, partition=1), line(0, partition=0), in_order=True))

    def test_a_mark_fires_timers_up_to_it_exclusive_whatever_the_time(self):
        lines = [line(0, member, partition=0) for member in ("a", "b", "c")]
        mark = clock(9, partition=0, processor="members", mark_due=instant(7), mark_entity="b")
        fired = [member for day, member, *_ in tags(played(*lines, mark, in_order=True)) if day == 7]
        assert fired == ["a"]

    def test_a_mark_holds_for_the_records_before_it_too(self):
        """A worker that was behind with its timers let the late record of b in before b's timer."""
        lines = [line(0, member, partition=0) for member in ("a", "b")]
        record = line(9, "c", partition=0)
        late = line(6, "b", partition=0)
        mark = clock(9, partition=0, mark_due=instant(7), mark_entity="b")
        with_mark = tags(played(*lines, record, late, mark, in_order=True))
        assert [(member, reason) for day, member, _, reason in with_mark if day == 7] == [("a", "inactive")]
        without = tags(played(*lines, record, late, in_order=True))
        assert (7.0, "b", "REMOVED", "late_activity") in without

    def test_marks_of_other_processors_say_nothing(self):
        mark = clock(9, partition=0, processor="desk", mark_due=instant(8), mark_entity="")
        assert ADDED_ON_7 not in tags(played(line(0, partition=0), mark, in_order=True))

    def test_by_arrival_partitions_make_no_difference(self):
        lines = line(0, partition=0), line(7, "m2", partition=1)
        assert ADDED_ON_7 in tags(played(*lines))


class TestEnd:
    def test_it_ends_with_the_last_line(self):
        assert tags(played(line(0)))[-1] == (0.0, "m1", "REMOVED", "activity")

    def test_until_fires_the_timers_due_by_then(self):
        assert tags(played(line(0), until_ms=instant(7)))[-1] == ADDED_ON_7
        assert tags(played(line(0), until_ms=instant(7) - 1))[-1] != ADDED_ON_7

    @pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
    @pytest.mark.parametrize("ends", ["until", "clock", "arrival"])
    def test_timers_fire_up_to_the_last_instant_that_can_be_written(self, zone: str, ends: str):
        """A nudge due then waits for a morning of the year 10000."""
        profile = {"topic": "profile", "member_id": "m1", "time_zone": zone, "country": "DE"}
        event = {"topic": "engagement", "member_id": "m1", "engagement_id": "e", "template": "standard"}
        session = {"type": "SESSION_SCHEDULED", "session_id": "s", "session_at": "9999-12-10T23:59:59.998Z"}
        lines = [
            {**profile, "occurred_at": instant(0)},
            {**event, "type": "ACTIVATED", "occurred_at": instant(0)},
            {**event, **session, "occurred_at": instant(1)},
        ]
        last = "9999-12-31T23:59:59.999Z"
        if ends == "clock":
            lines.append({"topic": "clock", "occurred_at": last})
        elif ends == "arrival":
            lines.append(line(2, "m2", arrived_at=last))
        simulated = played(*lines, until_ms=LAST_INSTANT_MS if ends == "until" else None)
        off = [output for output in simulated.outputs if output.topic == "track-changed"][-1]
        assert (off.status, off.occurred_at) == ("OFF_TRACK", LAST_INSTANT_MS - 1)

    def test_until_fires_those_of_partitions_too(self):
        simulated = played(line(0, partition=3), until_ms=instant(7), in_order=True, grace_ms=2000)
        assert tags(simulated)[-1] == ADDED_ON_7

    @pytest.mark.parametrize("in_order", [True, False])
    def test_later_lines_are_left_out(self, in_order: bool):
        simulated = played(line(0), line(9, "m2"), clock(50), until_ms=instant(8), in_order=in_order)
        assert {member for _, member, *_ in tags(simulated)} == {"m1"}

    @pytest.mark.parametrize("in_order", [True, False])
    def test_later_bad_lines_too(self, in_order: bool):
        bad = line(9, channel="FAX")
        assert played(bad, until_ms=instant(8), in_order=in_order).dead_letters == []
        assert len(played(bad, until_ms=instant(10), in_order=in_order).dead_letters) == 1

    @pytest.mark.parametrize(
        ("fields", "until", "is_left_out"),
        [
            ({"chanel": 1, "occurred_at": instant(4), "arrived_at": instant(19)}, 9, True),
            ({"occurred_at": instant(19.1), "arrived_at": instant(19)}, 9, True),
            ({"occurred_at": instant(19.1), "arrived_at": instant(4)}, 9, False),
            ({"chanel": 1, "occurred_at": instant(5), "arrived_at": instant(4.9)}, 4.95, False),
            ({"occurred_at": instant(19), "arrived_at": "oops"}, 9, True),
            ({"occurred_at": instant(4), "arrived_at": "oops"}, 9, False),
            ({"occurred_at": "oops", "arrived_at": instant(19)}, 9, True),
            ({"occurred_at": "oops"}, 9, False),
        ],
    )
    def test_bad_lines_stand_where_good_ones_would(
        self, fields: dict[str, Any], until: float, is_left_out: bool
    ):
        simulated = played(line(0), {**line(0), **fields}, until_ms=instant(until))
        assert len(simulated.dead_letters) == (0 if is_left_out else 1)

    @pytest.mark.parametrize(("occurred", "arrived"), [(4, 19), (19, 4)])
    def test_a_clock_line_that_would_take_everyone_further_is_left_out(self, occurred: float, arrived: float):
        lines = line(0), clock(occurred, arrived_at=instant(arrived))
        assert ADDED_ON_7 not in tags(played(*lines, until_ms=instant(6)))
        assert ADDED_ON_7 in tags(played(*lines, until_ms=instant(19)))


class TestDeadLetters:
    def test_bad_lines_come_by_their_number_and_move_nothing(self):
        simulated = played(line(0), line(9, channel="FAX"), {"topic": "activity"}, line(1, "m2"))
        assert [(letter.source_line, letter.error) for letter in simulated.dead_letters] == [
            (2, "unknown_enum"),
            (3, "missing_field"),
        ]
        assert ADDED_ON_7 not in tags(simulated)

    def test_a_refused_command_is_one_by_its_line(self):
        command = {
            "topic": "command",
            "member_id": "m1",
            "type": "RESOLVE_WORKFLOW",
            "workflow_id": "x",
            "issued_by": "op",
            "occurred_at": instant(2),
        }
        letters = played(line(9, channel="FAX"), command, line(1)).dead_letters
        assert [(letter.source_line, letter.error, letter.source_topic) for letter in letters] == [
            (1, "unknown_enum", "activity"),
            (2, "unknown_workflow", "command"),
        ]
        assert letters[1].occurred_at == instant(2)

    def test_a_record_at_the_end_of_the_calendar_is_one_and_the_other_lines_are_played(self):
        far = {"topic": "score", "member_id": "m2", "operation": "SET", "points": 5}
        simulated = played(line(0), {**far, "occurred_at": "9999-12-31T22:00:00Z"})
        assert [letter.error for letter in simulated.dead_letters] == ["in_the_future"]
        assert simulated.outputs == played(line(0)).outputs

    def test_blank_lines_count_but_say_nothing(self):
        simulated = simulate(["", json.dumps(line(0)), "  \n", "{"], PLAYBOOKS)
        assert simulated.outputs[0].cause == "line-2"
        assert [letter.source_line for letter in simulated.dead_letters] == [4]


class TestBugs:
    """What comes of a bug in the rules."""

    @pytest.fixture(autouse=True)
    def _rules_fail(self, monkeypatch: pytest.MonkeyPatch):
        apply, fire = MemberCore.apply, MemberCore.fire

        def failing_apply(core: MemberCore, member: Any, record: Any, sink: Any) -> bool:
            applied = apply(core, member, record, sink)
            if getattr(record, "type", None) == "broken.record":
                raise RuntimeError("no such luck")
            return applied

        def failing_fire(core: MemberCore, member: Any, until_ms: int, sink: Any) -> None:
            if member.key == "broken":
                raise RuntimeError("no such luck")
            fire(core, member, until_ms, sink)

        monkeypatch.setattr(MemberCore, "apply", failing_apply)
        monkeypatch.setattr(MemberCore, "fire", failing_fire)

    @pytest.mark.parametrize("in_order", [True, False])
    def test_a_record_that_sets_one_off_is_a_dead_letter_and_the_member_is_as_before(self, in_order: bool):
        lines = line(0), line(9, type="broken.record"), line(1, "m2"), clock(20)
        simulated = played(*lines, in_order=in_order)
        (letter,) = simulated.dead_letters
        assert (letter.source_line, letter.error, letter.key) == (2, "internal", "m1")
        assert (letter.occurred_at, "no such luck" in letter.message) == (instant(9), True)
        without = played(lines[0], {"topic": "clock", "occurred_at": 0}, *lines[2:], in_order=in_order)
        assert simulated.outputs == without.outputs

    @pytest.mark.parametrize("fields", [{}, {"partition": 0}])
    def test_timers_that_set_one_off_are_left_alone(self, fields: dict[str, int]):
        lines = line(0, "broken", **fields), line(0, **fields), clock(30), line(31, "broken", **fields)
        simulated = played(*lines[:3], in_order=True)
        assert simulated.dead_letters == []
        assert [member for day, member, *_ in tags(simulated) if day == 7] == ["m1"]

    def test_in_a_world_that_is_watched_it_is_raised(self):
        with pytest.raises(RuntimeError, match="no such luck"):
            played(line(0, type="broken.record"), world=World(PLAYBOOKS, 0))


class TestSnapshots:
    def test_there_is_one_per_member_the_last_written(self):
        snapshots = played(line(0, "b"), line(0, "a"), line(1, "b"), clock(3)).snapshots
        assert [(each.member_id, each.last_in_app_activity) for each in snapshots] == [
            ("a", instant(0)),
            ("b", instant(1)),
        ]


class TestRun:
    @pytest.fixture
    def events(self, tmp_path: Path) -> Path:
        path = tmp_path / "events.jsonl"
        path.write_text(json.dumps(line(0)) + "\nnonsense\n")
        return path

    def test_it_prints_dead_letters_then_outputs_as_lines(self, events: Path, capsys):
        assert run(events, None) == 0
        printed = capsys.readouterr().out.splitlines()
        assert [json.loads(each)["topic"] for each in printed] == [
            "dead-letter",
            "tag-changed",
            "tag-changed",
            "workflow-opened",
        ]
        assert printed[1] == format_record("tag-changed", played(line(0)).outputs[0])

    def test_snapshots_come_last_and_only_on_request(self, events: Path, capsys):
        run(events, None, None, snapshots=True)
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["topic"] == "member-snapshot"

    def test_it_ends_at_until(self, events: Path, capsys):
        run(events, None, "2026-01-08T00:00:00Z")
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["reason"] == "inactive"

    def test_a_dash_is_standard_input(self, events: Path, capsys, monkeypatch):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(events.read_bytes())))
        assert run("-", None) == 0
        assert len(capsys.readouterr().out.splitlines()) == 4

    def test_where_nothing_can_be_printed_nothing_is_begun(self, events: Path, monkeypatch):
        monkeypatch.setattr("sys.stdout", None)
        with pytest.raises(UserError) as caught:
            run(events, None)
        assert (caught.value.reference, caught.value.place) == ("closed-output", "standard output")

    def test_so_is_an_instant_that_is_none(self, events: Path):
        with pytest.raises(UserError) as caught:
            run(events, None, "tomorrow")
        assert caught.value.reference == "bad-instant"

    def test_so_are_bad_playbooks(self, events: Path, tmp_path: Path):
        with pytest.raises(UserErrors):
            run(events, tmp_path / "none")


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.sampled_from(["a", "b"]), st.sampled_from(["APP", "WEB"])),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_lines_of_different_arrival_may_stand_in_any_order(events, random):
    instants = {}
    for day, member, channel in events:
        instants.setdefault(day, line(day, member, channel=channel, event_id=f"e{day}"))
    lines = list(instants.values())
    expected = played(*lines)
    random.shuffle(lines)
    assert played(*lines) == expected


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.booleans()), max_size=15))
def test_members_in_partitions_of_their_own_get_what_they_get_together(events):
    """For records that are not late, and once everybody's time has come to the same end."""
    ordered = sorted(events)
    together = [line(day, f"m{n}", channel="APP" if app else "WEB") for day, n, app in ordered]
    apart = [{**each, "partition": int(each["member_id"][1:])} for each in together]
    end = instant(60)
    assert played(*apart, in_order=True, until_ms=end).outputs == played(*together, until_ms=end).outputs
