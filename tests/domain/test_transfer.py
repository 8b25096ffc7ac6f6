"""The member's side of the transfer: what is asked, of whom, and what an answer does (contract 6.1)."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.crossings import TransferAnswer, TransferQueued, TransferWithdrawn
from app.domain.instants import DAY_MS
from app.domain.outputs import MemberSnapshot, Nudge
from app.domain.playbook_set import PlaybookSet
from app.domain.pools import PoolSettings
from app.domain.rearm import rearm_member
from app.domain.transfer import DONE, FAILED, MOVES, NONE, PENDING, WAITING, TransferRules
from tests.domain.conftest import Story, days, re_engager, told
from tests.domain.scoring import on_score

UNMANAGED = TransferRules(managed=False, max_lag_ms=DAY_MS // 4)


def set_up(story: Story, at: float, **fields: Any) -> list[Any]:
    return story.activity(at, type="setup.completed", channel="WEB", **fields)


def answer(at: float, outcome: str, attempts: int, *, number: int, final: bool = False) -> TransferAnswer:
    return TransferAnswer(
        event_id=f"m1/{number}#{attempts}",
        occurred_at=days(at),
        cause="the request's",
        member_id="m1",
        pool="default",
        playbook="re-engager",
        request_id=f"m1/{number}",
        type=outcome,
        attempts=attempts,
        final=final,
        next_attempt_at=None if final or outcome == "TRANSFERRED" else days(at + 1),
    )


def crossings(outputs: list[Any]) -> list[Any]:
    return [output for output in outputs if output.topic.startswith("internal-")]


def public(outputs: list[Any]) -> list[str]:
    return told([output for output in outputs if not output.topic.startswith("internal-")])


def state(story: Story) -> tuple[str, int]:
    """State and attempts as the page shows them."""
    pages = [output for output in story.outputs if isinstance(output, MemberSnapshot)]
    return pages[-1].transfer.state, pages[-1].transfer.attempts


@pytest.fixture
def waiting(story: Story) -> Story:
    """A member with an open workflow whose request number 4 has not been answered."""
    story.activity(0)
    set_up(story, 1)
    assert state(story) == (WAITING, 0)
    return story


@pytest.fixture
def unmanaged() -> Story:
    story = Story(re_engager(transfer=UNMANAGED))
    story.activity(0)
    set_up(story, 1)
    return story


class TestTheTable:
    def test_each_state_has_one_way_for_each_event(self):
        assert len({(move.before, move.name) for move in MOVES}) == len(MOVES)

    def test_every_state_can_be_reached_and_left(self):
        states = {NONE, PENDING, WAITING, FAILED, DONE}
        assert {move.after for move in MOVES} == states
        assert {move.before for move in MOVES} == states


class TestAsking:
    def test_the_request_goes_out_and_a_copy_to_the_desk(self, story: Story):
        story.activity(0)
        outputs = set_up(story, 1)
        assert public(outputs) == ["1 asks default for None, attempt 1"]
        (copy,) = crossings(outputs)
        assert isinstance(copy, TransferQueued)
        assert (copy.request_id, copy.cause, copy.pool, copy.occurred_at) == (
            "m1/4",
            "e2",
            "default",
            days(1),
        )

    def test_a_transfer_names_the_pool_before_the_profile_and_that_before_the_playbook(self, story: Story):
        story.profile(0, pool="of-the-profile", program="p")
        assert public(set_up(story, 1)) == ["1 asks of-the-profile for p, attempt 1"]
        story.transfer(2, type="PROGRAM_ASSIGNED", pool="of-the-transfer", program="q")
        assert public(set_up(story, 3)) == ["3 asks of-the-transfer for q, attempt 1"]

    def test_a_program_without_a_pool_is_asked_of_the_profiles(self, story: Story):
        story.profile(0, pool="of-the-profile")
        story.transfer(1, type="PROGRAM_ASSIGNED", pool="of-the-transfer")
        story.transfer(2, type="PROGRAM_ASSIGNED", program="q")
        assert public(set_up(story, 3)) == ["3 asks of-the-profile for q, attempt 1"]

    @pytest.mark.parametrize("channel", ["APP", "WEB", "EMAIL", "SMS", "PHONE", "SYSTEM"])
    def test_the_set_up_counts_on_any_channel(self, story: Story, channel: str):
        assert "transfer-requested" in [
            output.topic for output in story.activity(0, type="setup.completed", channel=channel)
        ]

    def test_completed_again_meanwhile_nothing_is_asked(self, waiting: Story):
        assert public(set_up(waiting, 2)) == []

    def test_completed_again_after_the_transfer_or_after_the_last_attempt_nothing_is_asked(
        self, waiting: Story
    ):
        waiting.record(answer(2, "ATTEMPT_FAILED", 3, number=4, final=True))
        assert public(set_up(waiting, 3)) == []
        waiting.transfer(4)
        assert public(set_up(waiting, 5)) == []

    def test_a_new_program_makes_a_transfer_pending_again(self, waiting: Story):
        waiting.record(answer(1, "TRANSFERRED", 1, number=4))
        waiting.transfer(2, type="PROGRAM_ASSIGNED", program="next")
        assert state(waiting) == (PENDING, 0)
        assert public(set_up(waiting, 3)) == ["3 asks default for next, attempt 1"]

    def test_set_up_before_the_program_counts_no_more(self, story: Story):
        set_up(story, 0)
        assert public(story.transfer(1, type="PROGRAM_ASSIGNED")) == []

    def test_a_late_program_takes_its_request_from_the_set_up_after_it(self, waiting: Story):
        outputs = waiting.transfer(0.5, type="PROGRAM_ASSIGNED", program="p", arrived=2)
        assert public(outputs) == ["1 asks default for p, attempt 1"]
        assert [type(crossing) for crossing in crossings(outputs)] == [TransferWithdrawn, TransferQueued]

    def test_late_set_up_from_before_the_program_counts_no_more(self, story: Story):
        story.transfer(2, type="PROGRAM_ASSIGNED")
        assert public(set_up(story, 1, arrived=3)) == []

    def test_a_cancelled_transfer_is_pending_again_only_with_a_program(self, story: Story):
        story.transfer(0, type="CANCELLED")
        assert public(set_up(story, 1)) == []
        story.transfer(2, type="PROGRAM_ASSIGNED")
        assert public(set_up(story, 3)) == ["3 asks default for None, attempt 1"]


class TestTheDesksAnswer:
    def test_transferred_resolves_the_workflow(self, waiting: Story):
        outputs = waiting.record(answer(1, "TRANSFERRED", 1, number=4))
        assert told(outputs) == ["1 resolved re-engager:m1:1 transferred"]
        assert outputs[0].cause == "the request's"
        assert state(waiting) == (DONE, 1)

    def test_a_failed_attempt_is_told_and_the_workflow_stays(self, waiting: Story):
        assert told(waiting.record(answer(1, "ATTEMPT_FAILED", 1, number=4))) == ["1 failed 1, next 2"]
        assert state(waiting) == (WAITING, 1)

    def test_the_last_failed_attempt_is_final(self, waiting: Story):
        waiting.record(answer(1, "ATTEMPT_FAILED", 1, number=4))
        outputs = waiting.record(answer(2, "ATTEMPT_FAILED", 2, number=4, final=True))
        assert told(outputs) == ["2 failed 2, final"]
        assert state(waiting) == (FAILED, 2)

    def test_one_that_comes_twice_is_heard_once(self, waiting: Story):
        waiting.record(answer(1, "ATTEMPT_FAILED", 1, number=4))
        assert told(waiting.record(answer(1, "ATTEMPT_FAILED", 1, number=4))) == []

    @pytest.mark.parametrize("word", ["CANCELLED", "PROGRAM_ASSIGNED", "TRANSFERRED"])
    def test_one_that_comes_after_the_request_was_withdrawn_is_for_nobody(self, waiting: Story, word: str):
        waiting.transfer(2, type=word)
        before = state(waiting)
        assert told(waiting.record(answer(1, "TRANSFERRED", 1, number=4))) == []
        assert state(waiting) == before

    def test_one_to_an_earlier_request_is_for_nobody(self, waiting: Story):
        waiting.transfer(2, type="PROGRAM_ASSIGNED")
        set_up(waiting, 3)
        assert told(waiting.record(answer(3, "TRANSFERRED", 1, number=4))) == []
        assert state(waiting) == (WAITING, 0)

    def test_one_nobody_asked_for_changes_nothing_and_makes_no_member(self, story: Story):
        assert story.record(answer(1, "TRANSFERRED", 1, number=1)) == []
        assert story.engine.entities.get("m1") is None
        story.activity(2)
        assert told(story.record(answer(3, "TRANSFERRED", 1, number=9))) == []

    def test_a_late_one_resolves_a_workflow_that_was_opened_late_by_what_happened_before_it(
        self, story: Story
    ):
        story.transfer(2, type="CANCELLED")
        story.activity(0, arrived=2)
        assert public(story.transfer(1, mode="MANUAL", arrived=2)) == [
            "2 resolved re-engager:m1:1 manually_transferred"
        ]

    def test_a_late_one_does_not_resolve_a_workflow_opened_after_it(self, story: Story):
        set_up(story, 0)
        story.activity(1)
        outputs = story.record(answer(0, "TRANSFERRED", 1, number=2))
        assert told(outputs) == []
        assert state(story) == (DONE, 1)

    def test_one_for_another_playbook_is_not_heard(self):
        story = Story(re_engager("one", tag="one"), re_engager("two", tag="two"))
        story.activity(0)
        requests = [output for output in set_up(story, 1) if isinstance(output, TransferQueued)]
        assert [request.playbook for request in requests] == ["one", "two"]
        reply = answer(1, "TRANSFERRED", 1, number=int(requests[1].request_id.partition("/")[2]))
        fields = {name: getattr(reply, name) for name in reply.__struct_fields__}
        outputs = story.record(TransferAnswer(**{**fields, "playbook": "two"}))
        assert told(outputs) == ["1 resolved two:m1:1 transferred"]


class TestWordsFromOutside:
    @pytest.mark.parametrize(
        ("mode", "resolution"),
        [("MANUAL", "manually_transferred"), ("AUTOMATIC", "transferred"), (None, "transferred")],
    )
    def test_transferred_elsewhere_leaves_the_queue(self, waiting: Story, mode: str | None, resolution: str):
        outputs = waiting.transfer(2, mode=mode)
        assert public(outputs) == [f"2 resolved re-engager:m1:1 {resolution}"]
        (crossing,) = crossings(outputs)
        assert isinstance(crossing, TransferWithdrawn)
        assert (crossing.request_id, crossing.reason) == ("m1/4", "transferred")
        assert state(waiting) == (DONE, 0)

    def test_transferred_by_hand_twice_resolves_once(self, waiting: Story):
        waiting.transfer(2, mode="MANUAL")
        assert told(waiting.transfer(3, mode="MANUAL")) == []
        assert state(waiting) == (DONE, 0)

    def test_transferred_before_anybody_asked_ends_what_is_pending(self, story: Story):
        story.transfer(0, mode="MANUAL")
        assert public(set_up(story, 1)) == []

    def test_a_member_unknown_so_far_who_was_transferred_is_one(self, story: Story):
        assert told(story.transfer(0, mode="MANUAL")) == ["0 +inactive never_active"]
        assert state(story) == (DONE, 0)

    def test_cancelled_leaves_the_queue_and_the_workflow_open(self, waiting: Story):
        outputs = waiting.transfer(2, type="CANCELLED")
        assert public(outputs) == []
        assert [crossing.reason for crossing in crossings(outputs)] == ["cancelled"]
        assert state(waiting) == (NONE, 0)

    def test_a_late_word_does_not_undo_a_newer_one(self, waiting: Story):
        waiting.transfer(4, type="CANCELLED")
        waiting.transfer(3, type="PROGRAM_ASSIGNED", arrived=5)
        waiting.transfer(2, mode="MANUAL", arrived=5)
        assert state(waiting) == (NONE, 0)

    def test_an_attempt_of_somebody_else_is_refused_and_makes_no_member(self, story: Story):
        assert told(story.transfer(0, type="ATTEMPT_FAILED")) == ["refused not_managed"]
        assert story.engine.entities.get("m1") is None

    def test_where_nobody_manages_transfers_it_is_only_a_fact(self):
        story = Story(on_score())
        assert told(story.transfer(0, type="ATTEMPT_FAILED")) == []


class TestUnmanaged:
    def test_no_desk_is_asked(self):
        story = Story(re_engager(transfer=UNMANAGED))
        assert crossings(set_up(story, 0)) == []

    def test_the_member_counts_the_attempts_and_the_last_is_final(self, unmanaged: Story):
        told_all = []
        for at in (1.1, 2, 3, 4):
            told_all += told(unmanaged.transfer(at, type="ATTEMPT_FAILED", attempt=7))
        assert told_all == ["1.1 failed 1, no next known", "2 failed 2, no next known", "3 failed 3, final"]
        assert state(unmanaged) == (FAILED, 3)

    def test_transferred_resolves_and_the_failed_attempts_stay_on_the_page(self, unmanaged: Story):
        unmanaged.transfer(1.1, type="ATTEMPT_FAILED")
        assert told(unmanaged.transfer(3, mode="AUTOMATIC")) == ["3 resolved re-engager:m1:1 transferred"]
        assert state(unmanaged) == (DONE, 1)

    def test_without_an_answer_the_operators_are_told_once(self, unmanaged: Story):
        outputs = unmanaged.until(3)
        assert told(outputs) == [
            "1.25 nudge re-engager:m1:1#1 transfer_overdue IN_APP operators",
        ]
        (nudge,) = [output for output in outputs if isinstance(output, Nudge)]
        assert (nudge.cause, nudge.recipient_role) == ("timer:overdue", "OPERATOR")
        assert nudge.context == {"pool": "default", "requested_at": "2026-01-06T10:00:00.000Z"}

    def test_without_a_workflow_the_nudge_belongs_to_the_playbook(self):
        story = Story(re_engager(transfer=UNMANAGED))
        set_up(story, 0)
        (nudge,) = [output for output in story.until(1) if isinstance(output, Nudge)]
        assert (nudge.nudge_id, nudge.workflow_id) == ("re-engager:m1#1", None)

    @pytest.mark.parametrize("word", ["ATTEMPT_FAILED", "TRANSFERRED", "CANCELLED", "PROGRAM_ASSIGNED"])
    def test_any_answer_in_time_spares_them(self, unmanaged: Story, word: str):
        unmanaged.transfer(1.2, type=word)
        assert told(unmanaged.until(1.5)) == []

    def test_an_answer_without_a_request_is_only_a_fact(self):
        story = Story(re_engager(transfer=UNMANAGED))
        story.activity(0)
        assert told(story.transfer(1, type="ATTEMPT_FAILED")) == []
        assert state(story) == (PENDING, 0)

    def test_an_answer_from_before_the_request_is_not_one_to_it(self, unmanaged: Story):
        assert told(unmanaged.transfer(0.5, type="ATTEMPT_FAILED", arrived=2)) == [
            "1.25 nudge re-engager:m1:1#1 transfer_overdue IN_APP operators"
        ]
        assert state(unmanaged) == (WAITING, 0)

    def test_an_answer_by_a_clock_a_little_behind_the_members_is_one(self):
        """The member's phone is 3 minutes fast, and the other system answers after 2 seconds."""
        story = Story(re_engager(transfer=UNMANAGED))
        set_up(story, 1 + 3 / (24 * 60))
        assert told(story.transfer(1, type="ATTEMPT_FAILED")) == ["1.00208 failed 1, no next known"]

    def test_with_one_managed_playbook_and_one_not_a_failed_attempt_is_the_latters(self):
        story = Story(re_engager("ours", tag="a"), re_engager("theirs", tag="b", transfer=UNMANAGED))
        set_up(story, 0)
        outputs = story.transfer(1, type="ATTEMPT_FAILED")
        assert [output.playbook for output in outputs if output.topic == "transfer-failed"] == ["theirs"]


class TestChangedPlaybooks:
    def rearmed(self, story: Story, *playbooks: Any) -> list[Any]:
        rearm_member(story.member(), PlaybookSet(playbooks), story.sink)
        return story.sink.take()

    def test_a_request_at_our_desk_is_made_anew_when_another_system_takes_over(self, waiting: Story):
        outputs = self.rearmed(waiting, re_engager(transfer=UNMANAGED))
        assert public(outputs) == ["1 asks default for None, attempt 1"]
        assert [crossing.reason for crossing in crossings(outputs)] == ["playbook_changed"]

    def test_a_request_elsewhere_comes_to_the_desk_with_the_attempts_made(self, unmanaged: Story):
        unmanaged.transfer(2, type="ATTEMPT_FAILED")
        outputs = self.rearmed(unmanaged, re_engager())
        (copy,) = crossings(outputs)
        assert (type(copy), copy.attempt) == (TransferQueued, 2)

    def test_another_lag_moves_the_deadline(self, unmanaged: Story):
        self.rearmed(unmanaged, re_engager(transfer=TransferRules(managed=False, max_lag_ms=DAY_MS)))
        assert (days(2), "overdue", "re-engager", "") in unmanaged.member().hot.timers

    def test_a_playbook_that_goes_takes_its_request_back(self, waiting: Story):
        outputs = self.rearmed(waiting)
        assert [crossing.reason for crossing in crossings(outputs)] == ["playbook_removed"]

    def test_other_settings_of_the_pool_are_the_desks_business(self, waiting: Story):
        rules = TransferRules(settings=PoolSettings(slots_per_day=1))
        assert crossings(self.rearmed(waiting, re_engager(transfer=rules))) == []
