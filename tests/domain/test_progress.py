"""Contract 6.5, sentence by sentence: when an engagement is on track, when it is not, and who is told."""

from __future__ import annotations

import pytest

from app.domain.engagement_state import Track
from app.domain.instants import WEEK_MS
from app.domain.progress import MOVES, IllegalChange, Progress, Template, _check
from tests.domain.coaching import ANY_TIME, Coaching, progress, words
from tests.domain.conftest import days

OFF = ["e1 OFF_TRACK off_track", "opened progress:m1:e1:1 off_track"]
TOLD = [
    "nudge progress:m1:e1:1#1 off_track_coachee IN_APP m1",
    "nudge progress:m1:e1:1#2 off_track_coach EMAIL k1",
    "digest of o1: + m1 e1",
]


def at(day: float, *said: str) -> list[str]:
    return [f"{day:g} {each}" for each in said]


@pytest.fixture(params=[False, True], ids=["kept", "restarting"])
def told(request) -> Coaching:
    return Coaching(restarting=request.param)


class TestTheTemplate:
    def test_its_settings_are_copied_at_the_launch(self, told):
        told.start(0, template="weekly")
        assert told.pass_until(7)[:1] == at(7, "e1 OFF_TRACK off_track")

    def test_an_unknown_one_is_the_default_one(self, told):
        assert told.start(0, template="nonsense") == []
        assert told.pass_until(100) == []

    def test_one_that_is_not_named_is_the_default_one(self, told):
        assert told.start(0, template=None) == []

    def test_the_default_one_may_have_a_threshold(self):
        told = Coaching(progress(templates={"default": Template(WEEK_MS)}))
        told.start(0, template="nonsense")
        assert told.pass_until(7)[:1] == at(7, "e1 OFF_TRACK off_track")

    def test_it_is_copied_at_the_first_event_where_that_is_no_launch(self, told):
        assert told.say(0, "ACTIVATED", template="weekly") == at(0, "e1 ON_TRACK started")
        assert told.pass_until(7)[:1] == at(7, "e1 OFF_TRACK off_track")

    def test_a_launch_that_comes_after_other_events_has_the_last_word(self, told):
        assert told.say(0, "ACTIVATED") == []
        assert told.launch(1, template="weekly") == at(1, "e1 ON_TRACK started")
        assert told.pass_until(7)[:1] == at(7, "e1 OFF_TRACK off_track")

    def test_a_launch_that_names_none_leaves_what_was_named_before(self, told):
        told.say(0, "ACTIVATED", template="weekly")
        assert told.launch(1, template=None) == []
        assert told.pass_until(7)[:1] == at(7, "e1 OFF_TRACK off_track")

    def test_a_second_launch_changes_nothing(self, told):
        told.start(0)
        assert told.launch(1, template="weekly") == []
        assert told.pass_until(20.9) == []

    def test_what_names_another_one_after_the_launch_changes_nothing(self, told):
        told.start(0)
        assert told.schedule(1, "s1", 2, template="weekly") == []
        assert told.pass_until(22.9) == []

    def test_a_launch_under_one_without_threshold_ends_the_tracking(self, told):
        told.say(0, "ACTIVATED", template="weekly")
        assert told.launch(1, template="default") == at(1, "e1 NOT_TRACKING engagement_ended")

    def test_a_change_of_the_template_does_not_touch_an_engagement_that_has_copied_it(self, told):
        told.start(0)
        templates = {"default": Template(None), "executive": Template(WEEK_MS, notifies=False)}
        assert told.use(progress(templates=templates)) == []
        assert told.pass_until(21) == at(21, *OFF, *TOLD)
        told.start(22, "e2")
        assert told.pass_until(29) == at(29, "e2 OFF_TRACK off_track", "opened progress:m1:e2:1 off_track")


class TestTheClock:
    def test_before_it_starts_nothing_is_tracked(self, told):
        assert told.launch(0) == []
        assert told.schedule(1, "s1", 2) == []
        assert told.pass_until(100) == []

    @pytest.mark.parametrize("start", ["ACTIVATED", "MATCHING_STARTED"])
    def test_it_starts_at_either_start_with_the_status_on_track(self, told, start):
        told.launch(0)
        assert told.say(3, start) == at(3, "e1 ON_TRACK started")
        assert told.pass_until(23.999) == []
        assert told.pass_until(24)[:1] == at(24, "e1 OFF_TRACK off_track")

    def test_a_second_activation_does_not_start_it_anew(self, told):
        told.start(0)
        assert told.say(10, "ACTIVATED") == []
        assert told.pass_until(21)[:1] == at(21, "e1 OFF_TRACK off_track")

    def test_it_starts_again_after_a_deactivation_whatever_was_held_before(self, told):
        told.start(0)
        told.schedule(1, "s1", 2)
        assert told.say(5, "DEACTIVATED") == at(5, "e1 NOT_TRACKING engagement_ended")
        assert told.pass_until(60) == []
        assert told.say(60, "ACTIVATED") == at(60, "e1 ON_TRACK started")
        assert told.pass_until(81)[:1] == at(81, "e1 OFF_TRACK off_track")

    def test_without_a_threshold_nothing_is_tracked(self, told):
        assert told.start(0, template="default") == []
        assert told.say(1, "COMPLETED") == []

    def test_nothing_comes_after_the_end(self, told):
        told.start(0)
        assert told.say(5, "COMPLETED") == at(5, "e1 NOT_TRACKING engagement_ended")
        assert told.say(6, "ACTIVATED") == []
        assert told.schedule(7, "s1", 8) == []
        assert told.pass_until(80) == []


class TestTheReferenceWhenActive:
    def test_it_is_the_start_before_the_first_session(self, told):
        told.start(0)
        assert told.pass_until(21) == at(21, *OFF, *TOLD)

    def test_it_is_the_latest_date_that_is_past_though_nobody_said_it_was_held(self, told):
        told.start(0)
        told.schedule(1, "s1", 5)
        told.schedule(1, "s2", 3)
        assert told.pass_until(25.999) == []
        assert told.pass_until(26)[:1] == at(26, "e1 OFF_TRACK off_track")

    def test_while_one_lies_ahead_it_is_on_track_however_long(self, told):
        told.start(0)
        told.schedule(1, "s1", 100)
        assert told.pass_until(120.999) == []
        assert told.pass_until(121)[:1] == at(121, "e1 OFF_TRACK off_track")

    def test_a_completed_one_counts_with_its_date(self, told):
        told.start(0)
        told.schedule(1, "s1", 5)
        told.say(9, "SESSION_COMPLETED", session_id="s1")
        assert told.pass_until(26)[:1] == at(26, "e1 OFF_TRACK off_track")

    def test_one_completed_before_its_date_has_the_completion_as_its_date(self, told):
        told.start(0)
        told.schedule(1, "s1", 15)
        told.say(5, "SESSION_COMPLETED", session_id="s1")
        assert told.pass_until(26)[:1] == at(26, "e1 OFF_TRACK off_track")

    def test_one_completed_that_nobody_scheduled_has_the_completion_as_its_date(self, told):
        told.start(0)
        told.say(5, "SESSION_COMPLETED", session_id="s1")
        assert told.pass_until(26)[:1] == at(26, "e1 OFF_TRACK off_track")

    def test_a_cancelled_one_counts_with_the_cancelling_when_that_is_before_its_date(self, told):
        told.start(0)
        told.schedule(1, "s1", 15)
        told.say(5, "SESSION_CANCELLED", session_id="s1")
        assert told.pass_until(26)[:1] == at(26, "e1 OFF_TRACK off_track")

    def test_a_cancelled_one_counts_with_its_date_when_that_is_before_the_cancelling(self, told):
        told.start(0)
        told.schedule(1, "s1", 5)
        told.say(9, "SESSION_CANCELLED", session_id="s1")
        assert told.pass_until(26)[:1] == at(26, "e1 OFF_TRACK off_track")

    def test_cancelled_twice_counts_once_with_the_first(self, told):
        told.start(0)
        told.schedule(1, "s1", 15)
        told.say(5, "SESSION_CANCELLED", session_id="s1")
        assert told.say(8, "SESSION_CANCELLED", session_id="s1") == []
        assert told.pass_until(26)[:1] == at(26, "e1 OFF_TRACK off_track")

    def test_one_cancelled_that_nobody_scheduled_counts_for_nothing(self, told):
        told.start(0)
        assert told.say(5, "SESSION_CANCELLED", session_id="s1") == []
        assert told.pass_until(21)[:1] == at(21, "e1 OFF_TRACK off_track")

    def test_the_same_id_scheduled_again_moves_it(self, told):
        told.start(0)
        told.schedule(1, "s1", 15)
        told.schedule(2, "s1", 5)
        assert told.pass_until(26)[:1] == at(26, "e1 OFF_TRACK off_track")

    def test_one_moved_into_the_past_may_put_it_off_track_at_once(self, told):
        told.start(0)
        told.schedule(1, "s1", 40)
        assert told.schedule(30, "s1", 2) == at(30, *OFF, *TOLD)

    def test_one_scheduled_anew_after_it_was_cancelled_is_to_be_again(self, told):
        told.start(0)
        told.schedule(1, "s1", 15)
        told.say(2, "SESSION_CANCELLED", session_id="s1")
        told.schedule(3, "s1", 30)
        assert told.pass_until(51)[:1] == at(51, "e1 OFF_TRACK off_track")

    def test_discovery_calls_do_not_count(self, told):
        told.start(0)
        told.call(1, "d1", 10)
        assert told.pass_until(21)[:1] == at(21, "e1 OFF_TRACK off_track")

    def test_one_from_before_the_clock_started_does_not_put_it_off_track_earlier(self, told):
        told.launch(0)
        told.schedule(0, "s1", 1)
        told.say(10, "ACTIVATED")
        assert told.pass_until(30.999) == []


class TestTheReferenceWhenMatching:
    @pytest.fixture(autouse=True)
    def matching(self, told):
        told.launch(0)
        told.say(0, "MATCHING_STARTED")

    def test_it_is_the_start_before_the_first_call(self, told):
        assert told.pass_until(21)[:1] == at(21, "e1 OFF_TRACK off_track")

    def test_it_is_the_latest_date_of_a_call(self, told):
        told.call(1, "d1", 5)
        told.call(2, "d2", 3)
        assert told.pass_until(26)[:1] == at(26, "e1 OFF_TRACK off_track")

    def test_a_cancelled_call_counts_as_a_cancelled_session_does(self, told):
        told.call(1, "d1", 15)
        told.say(5, "DISCOVERY_CALL_CANCELLED", session_id="d1")
        assert told.pass_until(26)[:1] == at(26, "e1 OFF_TRACK off_track")

    def test_sessions_do_not_count(self, told):
        told.schedule(1, "s1", 10)
        assert told.pass_until(21)[:1] == at(21, "e1 OFF_TRACK off_track")

    def test_selecting_a_coach_starts_the_active_phase_at_that_moment(self, told):
        told.call(1, "d1", 5)
        assert told.say(10, "COACH_SELECTED", coach_id="k2") == []
        assert told.pass_until(30.999) == []
        said = told.pass_until(31)
        assert said[:1] == at(31, "e1 OFF_TRACK off_track")
        assert "31 nudge progress:m1:e1:1#2 off_track_coach EMAIL k2" in said

    def test_selecting_a_coach_puts_one_off_track_back(self, told):
        told.pass_until(21)
        assert told.say(22, "COACH_SELECTED", coach_id="k2") == at(
            22,
            "e1 ON_TRACK back_on_track",
            "resolved progress:m1:e1:1 back_on_track",
            "digest of o1: - m1 e1",
        )

    def test_a_coach_selected_before_the_clock_starts_only_names_the_coach(self, told):
        told.launch(1, "e2")
        assert told.say(2, "COACH_SELECTED", "e2", coach_id="k2") == []
        assert told.pass_until(20) == []
        assert told.member().engagements()["e2"].coach_id == "k2"


class TestOffTrack:
    def test_at_reference_and_threshold_it_opens_a_workflow_and_tells_everybody_once(self, told):
        told.start(0)
        assert told.pass_until(20.999) == []
        assert told.pass_until(21) == at(21, *OFF, *TOLD)
        assert told.pass_until(200) == []

    def test_the_records_say_which_since_when_and_by_what(self):
        told = Coaching()
        told.start(0)
        told.pass_until(21)
        (track,) = [each for each in told.outputs if getattr(each, "status", "") == "OFF_TRACK"]
        assert (track.engagement_id, track.off_track_since, track.cause) == (
            "e1",
            days(21),
            "timer:off_track",
        )
        (opened,) = [each for each in told.outputs if each.topic == "workflow-opened"]
        assert opened.context == {
            "engagement_id": "e1",
            "phase": "active",
            "reference": "2026-01-05T10:00:00.000Z",
        }

    def test_a_session_ahead_puts_it_back_on_track_and_resolves_the_workflow(self, told):
        told.start(0)
        told.pass_until(21)
        assert told.schedule(22, "s1", 30) == at(
            22,
            "e1 ON_TRACK back_on_track",
            "resolved progress:m1:e1:1 back_on_track",
            "digest of o1: - m1 e1",
        )
        assert told.pass_until(51)[:2] == at(
            51, "e1 OFF_TRACK off_track", "opened progress:m1:e1:2 off_track"
        )

    def test_a_session_held_lately_puts_it_back_too(self, told):
        told.start(0)
        told.pass_until(21)
        assert told.schedule(22, "s1", 10)[:1] == at(22, "e1 ON_TRACK back_on_track")
        assert told.pass_until(31)[:1] == at(31, "e1 OFF_TRACK off_track")

    def test_a_session_too_long_ago_does_not(self, told):
        told.start(0)
        told.pass_until(21)
        assert told.schedule(40, "s1", 10) == []

    @pytest.mark.parametrize("end", ["DEACTIVATED", "COMPLETED"])
    def test_the_end_resolves_the_workflow(self, told, end):
        told.start(0)
        told.pass_until(21)
        assert told.say(22, end) == at(
            22,
            "e1 NOT_TRACKING engagement_ended",
            "resolved progress:m1:e1:1 engagement_ended",
            "digest of o1: - m1 e1",
        )

    def test_a_workflow_an_operator_resolved_is_not_resolved_again(self, told):
        told.start(0)
        told.pass_until(21)
        told.command(22, workflow_id="progress:m1:e1:1")
        assert told.schedule(23, "s1", 30) == at(23, "e1 ON_TRACK back_on_track", "digest of o1: - m1 e1")

    def test_a_late_activation_whose_threshold_has_passed_puts_it_off_track_at_once(self, told):
        told.launch(30)
        assert told.say(2, "ACTIVATED", arrived=30) == at(30, *OFF, *TOLD)

    def test_several_engagements_go_their_own_ways(self, told):
        told.start(0, "e2", template="weekly")
        told.start(1, "e1", template="weekly")
        assert [each for each in told.pass_until(7) if "TRACK" in each] == at(7, "e2 OFF_TRACK off_track")
        assert [each for each in told.pass_until(8) if "TRACK" in each] == at(8, "e1 OFF_TRACK off_track")
        assert told.schedule(9, "s1", 20, "e2")[0] == "9 e2 ON_TRACK back_on_track"
        assert set(told.member().hot.workflows) == {"progress:e1"}

    def test_those_of_one_instant_go_by_id(self, told):
        for engagement in ("e3", "e1", "e2"):
            told.start(0, engagement)
        tracks = [each for each in told.pass_until(21) if "TRACK" in each]
        assert tracks == at(21, *(f"{each} OFF_TRACK off_track" for each in ("e1", "e2", "e3")))

    def test_two_playbooks_have_a_workflow_each(self):
        told = Coaching(progress("a"), progress("b", templates={"default": Template(WEEK_MS)}))
        told.start(0)
        assert [each for each in told.pass_until(7) if "opened" in each] == ["7 opened b:m1:e1:1 off_track"]
        assert [each for each in told.pass_until(21) if "opened" in each] == ["21 opened a:m1:e1:1 off_track"]


class TestWhoIsTold:
    def test_an_internal_coachee_has_no_account_and_is_not_told(self, told):
        told.profile(0, record_type="INTERNAL")
        told.start(0)
        assert "21 no nudge progress:m1:e1:1#1 off_track_coachee recipient_excluded" in told.pass_until(21)

    def test_an_invited_coachee_is(self, told):
        told.profile(0, record_type="INVITED")
        told.start(0)
        assert "21 nudge progress:m1:e1:1#1 off_track_coachee IN_APP m1" in told.pass_until(21)

    def test_without_a_coach_nobody_is_told_in_their_place(self, told):
        told.start(0, coach_id=None)
        assert "21 no nudge progress:m1:e1:1#2 off_track_coach no_channel" in told.pass_until(21)

    def test_without_an_owner_that_is_said_on_the_member(self, told):
        told.start(0, owner_id=None)
        said = told.pass_until(21)
        assert said[-1] == "21 no nudge progress:m1:e1:1#3 off_track_digest no_channel"
        (suppressed,) = [each for each in told.outputs if each.topic == "nudge-suppressed"]
        assert (suppressed.recipient_role, suppressed.recipient_id) == ("OWNER", None)

    def test_coach_and_owner_of_the_profile_stand_in(self, told):
        told.profile(0, coach_id="k9", owner_id="o9")
        told.start(0, coach_id=None, owner_id=None)
        said = told.pass_until(21)
        assert "21 nudge progress:m1:e1:1#2 off_track_coach EMAIL k9" in said
        assert "21 digest of o9: + m1 e1" in said

    def test_a_template_without_notifications_gives_no_nudges_and_no_suppressions(self, told):
        told.start(0, template="silent", owner_id=None, coach_id=None)
        assert told.pass_until(21) == at(21, *OFF)
        assert told.schedule(22, "s1", 30) == at(
            22, "e1 ON_TRACK back_on_track", "resolved progress:m1:e1:1 back_on_track"
        )

    @pytest.mark.parametrize(
        ("template", "word", "is_told"),
        [("silent", "NOTIFICATIONS_ON", True), ("executive", "NOTIFICATIONS_OFF", False)],
    )
    def test_the_engagements_own_word_counts_over_the_template(self, told, template, word, is_told):
        told.start(0, template=template)
        assert told.say(1, word) == []
        assert told.pass_until(21) == at(21, *OFF, *(TOLD if is_told else []))

    def test_a_late_word_on_notifications_does_not_undo_a_newer_one(self, told):
        told.start(0)
        told.say(2, "NOTIFICATIONS_OFF")
        told.say(1, "NOTIFICATIONS_ON", arrived=3)
        assert told.pass_until(21) == at(21, *OFF)

    def test_the_coachees_nudge_passes_the_policy_and_is_dropped_when_it_is_back(self):
        told = Coaching(policy=type(ANY_TIME)(holidays=False, caps={}, quiet_from=9 * 60, quiet_to=11 * 60))
        told.start(0)
        assert "nudge progress:m1:e1:1#1 off_track_coachee IN_APP m1" not in " ".join(told.pass_until(21))
        said = told.schedule(21.01, "s1", 30)
        assert "21.01 no nudge progress:m1:e1:1#2 off_track_coachee workflow_resolved" in said


class TestPlaybooksChange:
    def test_engagements_known_before_the_playbook_are_tracked_from_then_on(self):
        told = Coaching(progress("other"))
        told.start(0)
        assert told.use(progress()) == [
            "0 e1 NOT_TRACKING playbook_removed",
            "0 e1 ON_TRACK started",
        ]
        assert told.pass_until(21) == at(21, *OFF, *TOLD)

    def test_one_that_is_gone_leaves_workflow_and_status(self):
        told = Coaching(progress("other"), progress())
        told.start(0, template="weekly")
        told.pass_until(7)
        assert told.use(progress()) == [
            "7 resolved other:m1:e1:1 playbook_removed",
            "7 e1 NOT_TRACKING playbook_removed",
        ]
        assert told.member().engagements()["e1"].tracks.keys() == {"progress"}

    def test_one_that_is_gone_leaves_no_timer(self):
        told = Coaching(progress("other"), progress())
        told.start(0)
        told.use(progress())
        assert [timer[2] for timer in told.member().hot.timers if timer[1] == "off_track"] == ["progress"]


def test_every_change_of_status_stands_in_the_table_once():
    assert len({(move.before, move.name, move.after) for move in MOVES}) == len(MOVES)
    with pytest.raises(IllegalChange):
        _check(Track(status="ON_TRACK"), "ON_TRACK", "started")


def test_without_settings_of_its_own_a_playbook_tracks_nothing():
    told = Coaching(Progress(name="progress", version="v"))
    assert words([*told.start(0), *told.pass_until(100)]) == []
