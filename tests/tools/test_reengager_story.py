"""Contract 6.1, sentence by sentence, through all processors together: `simulate` over a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.playbooks.loader import load_playbooks
from tests.tools.story import (
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
    from pathlib import Path

    from app.domain.playbook_set import PlaybookSet

EVENING = 7 / 24
"""Resets are at 17:00 UTC, the story begins at 10:00."""


@pytest.fixture
def playbooks(tmp_path: Path) -> Callable[..., PlaybookSet]:
    """The re-engager with these transfer settings, and other playbooks by their text."""

    def make(*others: str, **transfer: Any) -> PlaybookSet:
        settings = {"time_zone": "UTC", **transfer}
        table = ", ".join(f"{name} = {_toml(value)}" for name, value in settings.items())
        (tmp_path / "re-engager.toml").write_text(f'kind = "reengager"\ntransfer = {{ {table} }}\n')
        for number, text in enumerate(others):
            (tmp_path / f"other-{number}.toml").write_text(text)
        return load_playbooks(tmp_path)

    return make


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, (bool, int)) else f'"{value}"'


@pytest.fixture
def ours(playbooks: Callable[..., PlaybookSet]) -> PlaybookSet:
    return playbooks()


class TestTheTag:
    @pytest.mark.parametrize(
        "first",
        [
            profile(0),
            transfer(0),
            score(0),
            activity(0, kind="page.viewed", channel="WEB"),
        ],
        ids=lambda line: line["topic"],
    )
    def test_a_member_first_seen_gets_it_at_once_whatever_the_first_record(self, ours, first):
        assert told(play(ours, first), "tag-changed") == ["0 m +inactive never_active"]

    def test_after_seven_days_without_qualifying_activity_it_is_added_at_last_activity_plus_seven_days(
        self, ours
    ):
        lines = activity(0), activity(1), activity(6, channel="WEB"), clock(20)
        assert told(play(ours, *lines), "tag-changed")[-1] == "8 m +inactive inactive"

    def test_a_gap_of_exactly_seven_days_is_inactive(self, ours):
        found = told(play(ours, activity(0), transfer(1), activity(7)), "tag-changed", "workflow-opened")
        assert found[-3:] == ["7 m +inactive inactive", "7 m -inactive activity", "7 m opened returned"]

    @pytest.mark.parametrize(
        ("kind", "channel", "qualifies"),
        [("article.read", "APP", True), ("article.read", "WEB", False), ("article.liked", "APP", False)],
    )
    def test_only_a_listed_type_on_a_listed_channel_qualifies_and_web_never(
        self, ours, kind, channel, qualifies
    ):
        found = told(play(ours, activity(0, kind=kind, channel=channel)), "tag-changed")
        assert ("0 m -inactive activity" in found) == qualifies

    def test_without_it_nothing_opens(self, ours):
        result = play(ours, activity(0), transfer(1), activity(2))
        assert told(result, "workflow-opened") == ["0 m opened first_activity"]

    def test_tag_and_timer_go_on_while_a_workflow_is_open_and_no_second_one_opens(self, ours):
        result = play(ours, activity(0), activity(9), clock(20))
        assert told(result, "workflow-opened") == ["0 m opened first_activity"]
        assert told(result, "tag-changed")[2:] == [
            "7 m +inactive inactive",
            "9 m -inactive activity",
            "16 m +inactive inactive",
        ]

    def test_the_workflow_says_since_when_what_and_after_how_many_whole_days(self, ours):
        result = play(ours, activity(0), transfer(1), activity(9.9, kind="reminder.created"))
        opened = [output for output in result.outputs if output.topic == "workflow-opened"]
        assert opened[0].context == {"activity": "article.read", "inactive_since": "2026-01-05T10:00:00.000Z"}
        assert opened[1].context == {
            "activity": "reminder.created",
            "inactive_since": "2026-01-12T10:00:00.000Z",
            "inactive_days": "9",
        }


class TestSetUp:
    @pytest.mark.parametrize("channel", ["APP", "WEB", "EMAIL", "SMS", "PHONE", "SYSTEM"])
    def test_completed_on_any_channel_the_transfer_is_asked_for(self, ours, channel):
        assert told(play(ours, set_up(0, channel=channel)), "transfer-requested") == ["0 m asks default"]

    def test_it_is_pending_for_every_new_member_and_again_after_each_program(self, ours):
        lines = set_up(0), set_up(1), transfer(2, kind="PROGRAM_ASSIGNED"), set_up(3)
        assert told(play(ours, *lines), "transfer-requested") == ["0 m asks default", "3 m asks default"]

    def test_a_program_assigned_to_an_existing_member_opens_nothing_and_leaves_what_is_open(self, ours):
        result = play(ours, activity(0), transfer(1, kind="PROGRAM_ASSIGNED", program="next"))
        assert told(result) == ["0 m opened first_activity"]
        assert (page(result).transfer.state, page(result).transfer.program) == ("PENDING", "next")

    def test_the_pool_is_that_of_the_transfer_else_of_the_profile_else_of_the_playbook(self, ours):
        lines = (
            set_up(0, "a"),
            profile(0, "b", pool="profiles"),
            set_up(0, "b"),
            profile(0, "c", pool="profiles"),
            transfer(0, "c", kind="PROGRAM_ASSIGNED", pool="transfers"),
            set_up(0, "c"),
        )
        assert told(play(ours, *lines), "transfer-requested") == [
            "0 a asks default",
            "0 b asks profiles",
            "0 c asks transfers",
        ]

    def test_completed_again_meanwhile_nothing(self, playbooks):
        lines = set_up(0), set_up(0.1), clock(0.2)
        assert len(told(play(playbooks(slots_per_day=0), *lines), "transfer-requested")) == 1

    def test_not_completed_the_workflow_stays_open(self, ours):
        result = play(
            ours, activity(0), activity(1, kind="setup.step_completed", attributes={"step": "photo"})
        )
        assert [workflow.workflow_id for workflow in page(result).workflows] == ["re-engager:m:1"]
        assert page(result).setup_steps == ["photo"]


class TestTheDesk:
    def test_a_free_slot_is_given_at_once(self, ours):
        assert told(play(ours, activity(0), set_up(1)))[1:] == [
            "1 m asks default",
            "1 m resolved transferred",
        ]

    def test_full_the_attempt_has_failed_and_the_workflow_stays(self, playbooks):
        result = play(playbooks(slots_per_day=0), activity(0), set_up(0.1))
        assert told(result)[1:] == ["0.1 m asks default", f"0.1 m failed 1 next {EVENING:g}"]
        assert (page(result).transfer.state, len(page(result).workflows)) == ("WAITING", 1)

    def test_reset_comes_before_the_waiting_and_these_before_the_request(self, playbooks):
        lines = set_up(0, "a"), set_up(0.1, "b"), set_up(EVENING, "a2")
        assert told(play(playbooks(slots_per_day=1), *lines), "transfer-failed") == [
            f"0.1 b failed 1 next {EVENING:g}",
            f"{EVENING:g} a2 failed 1 next {EVENING + 1:g}",
        ]

    def test_at_each_reset_the_waiting_are_served_by_request_then_member(self, playbooks):
        lines = set_up(0, "x"), set_up(0.1, "c"), set_up(0.05, "b"), set_up(0.1, "a"), clock(5)
        lines = (*(activity(-1, member) for member in "abcx"), *lines)
        assert told(play(playbooks(slots_per_day=1), *lines), "workflow-resolved") == [
            "0 x resolved transferred",
            f"{EVENING:g} b resolved transferred",
            f"{EVENING + 1:g} a resolved transferred",
        ]

    def test_each_not_served_has_one_more_attempt_failed_and_after_the_last_the_desk_stops(self, playbooks):
        result = play(
            playbooks(slots_per_day=0), activity(0), set_up(0.1), clock(9), capacity(9, 5), clock(10)
        )
        assert told(result, "transfer-failed") == [
            f"0.1 m failed 1 next {EVENING:g}",
            f"{EVENING:g} m failed 2 next {EVENING + 1:g}",
            f"{EVENING + 1:g} m failed 3 final",
        ]
        assert told(result, "workflow-resolved") == []
        assert (page(result).transfer.state, page(result).transfer.attempts) == ("FAILED", 3)

    def test_max_attempts_is_the_playbooks(self, playbooks):
        result = play(playbooks(slots_per_day=0, max_attempts=1), set_up(0), clock(3))
        assert told(result, "transfer-failed") == ["0 m failed 1 final"]

    def test_a_raise_serves_the_waiting_at_once_and_the_others_keep_their_count(self, playbooks):
        lines = set_up(0, "a"), set_up(0.1, "b"), set_up(0.1, "c"), capacity(0.2, 2), clock(EVENING)
        lines = (*(activity(-1, member) for member in "abc"), *lines)
        result = play(playbooks(slots_per_day=1), *lines)
        assert told(result, "workflow-resolved") == [
            "0 a resolved transferred",
            "0.2 b resolved transferred",
            f"{EVENING:g} c resolved transferred",
        ]
        assert [page(result, member).transfer.attempts for member in "abc"] == [1, 2, 2]

    def test_lowered_there_are_no_new_ones_until_the_reset(self, playbooks):
        lines = set_up(0, "a"), set_up(0, "b"), capacity(0.1, 1), set_up(0.2, "c"), clock(EVENING)
        assert told(play(playbooks(slots_per_day=3), *lines), "transfer-failed") == [
            f"0.2 c failed 1 next {EVENING:g}"
        ]

    @pytest.mark.parametrize(
        "leaves",
        [
            transfer(0.2, "b", mode="MANUAL"),
            transfer(0.2, "b", kind="CANCELLED"),
            command(0.2, "b"),
            profile(0.2, "b", merged_into="z"),
            transfer(0.2, "b", kind="PROGRAM_ASSIGNED"),
        ],
        ids=["by hand", "cancelled", "forgotten", "merged", "re-assigned"],
    )
    def test_who_leaves_the_queue_is_not_tried_again_and_the_next_one_is_served(self, playbooks, leaves):
        lines = set_up(0, "a"), set_up(0.1, "b"), set_up(0.15, "c"), leaves, clock(3)
        result = play(playbooks(slots_per_day=1), *lines)
        assert told(result, "transfer-failed") == [
            f"0.1 b failed 1 next {EVENING:g}",
            f"0.15 c failed 1 next {EVENING:g}",
        ]
        assert page(result, "c").transfer.state == "DONE"

    def test_manual_transfers_use_no_slot(self, playbooks):
        lines = transfer(0, "a", mode="MANUAL"), set_up(0.1, "b")
        assert told(play(playbooks(slots_per_day=1), *lines), "transfer-failed") == []

    def test_transferred_elsewhere_leaves_the_queue_and_uses_no_slot(self, playbooks):
        lines = (
            activity(-1, "b"),
            capacity(-1, 0),
            set_up(0, "b"),
            transfer(0.1, "b"),
            capacity(0.2, 1),
            set_up(0.2, "c"),
        )
        result = play(playbooks(), *lines)
        assert told(result, "workflow-resolved") == ["0.1 b resolved transferred"]
        assert page(result, "c").transfer.state == "DONE"

    @pytest.mark.parametrize("reverse", [False, True])
    def test_of_two_requests_at_one_instant_the_first_member_id_is_taken_first(self, playbooks, reverse):
        lines = [set_up(0, "a"), set_up(0, "b")]
        result = play(playbooks(slots_per_day=1), *(reversed(lines) if reverse else lines))
        assert told(result, "transfer-failed") == [f"0 b failed 1 next {EVENING:g}"]

    def test_reset_capacity_and_request_at_one_instant_are_taken_in_that_order(self, playbooks):
        lines = (
            set_up(0, "a"),
            set_up(0.1, "b"),
            set_up(EVENING, "d"),
            set_up(EVENING, "c"),
            capacity(EVENING, 2),
        )
        assert told(play(playbooks(slots_per_day=1), *lines), "transfer-failed") == [
            f"0.1 b failed 1 next {EVENING:g}",
            f"{EVENING:g} d failed 1 next {EVENING + 1:g}",
        ]

    def test_each_pool_has_a_desk_of_its_own(self, playbooks):
        lines = (
            profile(0, "b", pool="other"),
            set_up(0.1, "a"),
            set_up(0.1, "b"),
            capacity(0, 1),
            capacity(0, 1, pool="other"),
        )
        assert told(play(playbooks(), *lines), "transfer-failed") == []

    def test_what_the_desk_does_carries_the_cause_of_what_set_it_off(self, playbooks):
        lines = (
            activity(-1, "a"),
            activity(-1, "b"),
            activity(-1, "c"),
            set_up(0, "a"),
            set_up(0.1, "b"),
            set_up(0.1, "c"),
            clock(EVENING),
            {**capacity(0.5, 2), "event_id": "raise"},
        )
        result = play(playbooks(slots_per_day=1), *lines)
        causes = {o.member_id: o.cause for o in result.outputs if o.topic == "workflow-resolved"}
        assert causes == {"a": "line-4", "b": "timer:reset", "c": "raise"}


class TestTheEnd:
    def test_by_hand_it_is_told_apart(self, ours):
        result = play(ours, activity(0), transfer(1, mode="MANUAL"))
        assert told(result, "workflow-resolved") == ["1 m resolved manually_transferred"]

    def test_workflows_of_other_playbooks_stay(self, playbooks):
        other = 'kind = "score"\nwhen = ">= 1"\n[[actions]]\ndo = "open_workflow"\n'
        result = play(playbooks(other), activity(0), score(0), set_up(1))
        assert [workflow.kind for workflow in page(result).workflows] == ["score"]

    def test_cancelled_nothing_is_pending_until_a_program_is_assigned(self, ours):
        lines = activity(0), transfer(1, kind="CANCELLED"), set_up(2)
        result = play(ours, *lines)
        assert told(result)[1:] == []
        assert page(result).transfer.state == "NONE"
        again = play(ours, *lines, transfer(3, kind="PROGRAM_ASSIGNED"), set_up(4))
        assert told(again, "workflow-resolved") == ["4 m resolved transferred"]

    def test_a_member_who_returns_after_the_transfer_has_a_workflow_but_none_pending(self, ours):
        result = play(ours, activity(0), set_up(1), activity(20), set_up(21))
        assert told(result)[3:] == ["20 m opened returned"]


class TestUnmanaged:
    def test_another_system_answers_and_the_member_counts(self, playbooks):
        lines = (
            activity(0),
            set_up(1),
            transfer(1.01, kind="ATTEMPT_FAILED"),
            transfer(2, kind="ATTEMPT_FAILED"),
            transfer(3, kind="ATTEMPT_FAILED"),
        )
        result = play(playbooks(managed=False), *lines)
        assert told(result)[1:] == [
            "1 m asks default",
            "1.01 m failed 1 no next",
            "2 m failed 2 no next",
            "3 m failed 3 final",
        ]

    def test_without_an_answer_within_the_lag_the_operators_are_told_once(self, playbooks):
        result = play(playbooks(managed=False, max_lag="6h"), activity(0), set_up(1), clock(9))
        assert told(result, "nudge") == ["1.25 m nudge transfer_overdue IN_APP operators"]

    def test_what_the_other_system_does_resolves_as_with_a_desk_of_ours(self, playbooks):
        result = play(playbooks(managed=False), activity(0), set_up(1), transfer(1.001, mode="AUTOMATIC"))
        assert told(result)[2:] == ["1.001 m resolved transferred"]


class TestBadInput:
    """Defined, explained in docs/reengager.md, and nothing opened or resolved wrongly."""

    def test_a_transfer_of_a_member_nobody_has_seen_makes_one_and_resolves_nothing(self, ours):
        result = play(ours, transfer(0, mode="MANUAL"), activity(1))
        assert told(result) == ["1 m opened first_activity"]
        assert page(result).transfer.state == "DONE"

    def test_a_failed_attempt_where_a_desk_of_ours_makes_them_is_a_dead_letter_and_makes_no_member(
        self, ours
    ):
        result = play(ours, transfer(0, kind="ATTEMPT_FAILED"))
        assert told(result) == ["dead letter 1 not_managed"]
        assert result.snapshots == []

    def test_an_answer_without_a_request_is_only_a_fact(self, playbooks):
        result = play(playbooks(managed=False), activity(0), transfer(1, kind="ATTEMPT_FAILED"))
        assert told(result) == ["0 m opened first_activity"]
        assert page(result).transfer.state == "PENDING"

    def test_negative_capacity_is_a_dead_letter_and_changes_nothing(self, ours):
        result = play(ours, capacity(0, -1), activity(0), set_up(1))
        assert told(result) == [
            "dead letter 1 bad_value",
            "0 m opened first_activity",
            "1 m asks default",
            "1 m resolved transferred",
        ]

    def test_a_pool_nobody_has_heard_of_is_served_like_the_playbooks(self, playbooks):
        result = play(playbooks(slots_per_day=1), profile(0, "a", pool="nowhere"), set_up(0, "a"))
        assert page(result, "a").transfer.state == "DONE"
        assert page(result, "a").transfer.pool == "nowhere"

    def test_capacity_of_a_pool_nobody_uses_is_known_when_somebody_does(self, ours):
        lines = capacity(0, 0, pool="west"), profile(1, pool="west"), set_up(2)
        assert told(play(ours, *lines), "transfer-failed") == [f"2 m failed 1 next {2 + EVENING:g}"]

    def test_transferred_by_hand_twice_resolves_once(self, ours):
        result = play(ours, activity(0), transfer(1, mode="MANUAL"), transfer(2, mode="MANUAL"))
        assert told(result, "workflow-resolved") == ["1 m resolved manually_transferred"]

    def test_a_zone_nobody_has_heard_of_in_a_profile_does_no_harm(self, ours):
        assert told(play(ours, profile(0, time_zone="Mars/Olympus"), activity(1))) == [
            "1 m opened first_activity"
        ]

    def test_merging_into_oneself_or_in_a_circle_is_a_dead_letter(self, ours):
        lines = (
            profile(0, "a", merged_into="a"),
            profile(1, "a", merged_into="b"),
            profile(2, "b", merged_into="a"),
        )
        assert told(play(ours, *lines)) == ["dead letter 1 merge_cycle", "dead letter 3 merge_cycle"]


class TestMergingAndForgetting:
    def test_a_merged_members_history_and_later_events_are_the_others(self, ours):
        lines = (
            activity(0, "a"),
            activity(0, "b"),
            activity(5, "a"),
            profile(6, "a", merged_into="b"),
            clock(30),
        )
        result = play(ours, *lines)
        assert told(result, "workflow-resolved") == ["6 a resolved merged"]
        assert told(result, "tag-changed")[-1] == "12 b +inactive inactive"
        assert [snapshot.member_id for snapshot in result.snapshots] == ["b"]

    def test_a_forgotten_member_has_no_page_until_it_comes_again(self, ours):
        assert play(ours, activity(0), command(1)).snapshots == []
        assert page(play(ours, activity(0), command(1), activity(2))).occurred_at == instant(2)


class TestTime:
    def test_a_desks_resets_and_members_timers_fire_in_one_order_however_far_time_jumps(self, playbooks):
        lines = activity(0), set_up(0.1)
        ours = playbooks(slots_per_day=0, max_attempts=20)
        stepwise = play(ours, *lines, *(clock(day / 10) for day in range(2, 200)))
        at_once = play(ours, *lines, clock(19.9))
        assert at_once.outputs == stepwise.outputs

    def test_the_end_of_the_story_waits_for_the_requests_of_its_last_instant(self, ours):
        assert page(play(ours, set_up(0))).transfer.state == "DONE"
        assert page(play(ours, set_up(0), until_ms=instant(0))).transfer.state == "DONE"

    def test_in_order_lines_without_a_partition_cross_too(self, ours):
        assert page(play(ours, activity(0), set_up(1), in_order=True)).transfer.state == "DONE"
