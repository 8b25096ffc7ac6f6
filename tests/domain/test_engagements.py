"""Engagements as facts: their life, who they belong to, what the page shows, what is forgotten and what is gained."""

from __future__ import annotations

from itertools import permutations

import pytest

from app.domain.bounds import UNTOUCHED_MS
from app.domain.crossings import DigestItem, MemberMoved
from app.domain.engagement_sessions import MOST_SESSIONS
from app.domain.engagement_state import Engagement, decode_engagements, encode_engagements, unpack_calendar
from app.domain.engagements import MOST_WORDS, MOVES
from app.domain.errors import UserError
from app.domain.instants import DAY_MS
from app.domain.outputs import EngagementView, MemberSnapshot
from app.domain.snapshot import page
from tests.domain.coaching import Coaching, words
from tests.domain.conftest import days, re_engager


@pytest.fixture(params=[False, True], ids=["kept", "restarting"])
def told(request) -> Coaching:
    return Coaching(restarting=request.param)


def view(told: Coaching, engagement: str = "e1", member: str = "m1") -> EngagementView:
    (found,) = [each for each in page(told.member(member)).engagements if each.engagement_id == engagement]
    return found


def engagement(told: Coaching) -> Engagement:
    return told.member().engagements()["e1"]


def phase(told: Coaching) -> str:
    return engagement(told).phase


class TestItsLife:
    @pytest.mark.parametrize("move", MOVES, ids=lambda move: f"{move.before}-{move.name}")
    def test_every_move_of_the_table_is_made(self, told, move):
        ways = {
            "LAUNCHED": ["LAUNCHED"],
            "MATCHING": ["MATCHING_STARTED"],
            "ACTIVE": ["ACTIVATED"],
            "DEACTIVATED": ["DEACTIVATED"],
        }
        for step in (*ways[move.before], move.name):
            told.say(0, step)
        assert phase(told) == move.after

    def test_no_move_stands_in_the_table_twice(self):
        assert len({(move.before, move.name) for move in MOVES}) == len(MOVES)

    def test_a_late_word_takes_its_place_among_those_after_it(self, told):
        told.start(5)
        told.say(3, "DEACTIVATED", arrived=6)
        assert phase(told) == "ACTIVE"

    @pytest.mark.parametrize("order", list(permutations(range(4))))
    def test_the_same_comes_of_its_words_in_whatever_order_they_come(self, told, order):
        words = [(1, "MATCHING_STARTED"), (2, "COACH_SELECTED"), (3, "DEACTIVATED"), (4, "ACTIVATED")]
        told.launch(0)
        for place in order:
            at, word = words[place]
            told.say(at, word, arrived=5)
        assert (phase(told), engagement(told).start_ms) == ("ACTIVE", days(4))

    def test_of_words_older_than_the_last_eight_nothing_comes(self, told):
        told.launch(0)
        for at in range(1, 2 + MOST_WORDS):
            told.say(at, "ACTIVATED" if at % 2 else "DEACTIVATED")
        told.say(0.5, "COMPLETED", arrived=20)
        assert phase(told) == "ACTIVE"
        told.say(1.5, "COMPLETED", arrived=20)
        assert phase(told) == "COMPLETED"

    def test_its_template_is_its_first_records_or_that_of_its_launch(self, told):
        told.say(0, "ACTIVATED")
        told.say(1, "SESSION_CANCELLED", session_id="s", template="weekly")
        assert engagement(told).template is None
        told.launch(2)
        assert engagement(told).template == "executive"

    def test_its_first_record_may_be_any(self, told):
        told.schedule(0, "s1", 3)
        assert phase(told) == "LAUNCHED"
        assert view(told).next_session == days(3)


class TestThePage:
    def test_it_shows_what_the_care_team_needs(self, told):
        told.profile(0, location_id="zurich")
        told.start(0, company_id="acme")
        told.schedule(1, "s1", 2)
        told.schedule(1, "s2", 3)
        told.schedule(1, "s3", 5)
        told.pass_until(4)
        told.say(4, "NOTIFICATIONS_OFF")
        assert view(told) == EngagementView(
            engagement_id="e1",
            status="ON_TRACK",
            off_track_since=None,
            last_session=days(3),
            next_session=days(5),
            owner_id="o1",
            coach_id="k1",
            company_id="acme",
            location_id="zurich",
        )

    def test_where_the_engagement_names_nobody_the_profile_does(self, told):
        told.profile(0, owner_id="o9", coach_id="k9", company_id="c9", location_id="l9")
        told.start(0, owner_id=None, coach_id=None)
        found = view(told)
        assert (found.owner_id, found.coach_id, found.company_id, found.location_id) == (
            "o9",
            "k9",
            "c9",
            "l9",
        )

    def test_a_late_word_does_not_undo_a_newer_one(self, told):
        told.start(0)
        told.say(5, "NOTIFICATIONS_ON", coach_id="k5")
        told.say(3, "NOTIFICATIONS_ON", coach_id="k3", owner_id="o3", arrived=6)
        assert (view(told).coach_id, view(told).owner_id) == ("k5", "o3")

    def test_while_a_coach_is_looked_for_it_shows_the_calls(self, told):
        told.launch(0)
        told.schedule(0, "s1", 9)
        told.call(0, "d1", 4)
        assert view(told).next_session == days(9)
        told.say(1, "MATCHING_STARTED")
        assert view(told).next_session == days(4)

    def test_sessions_move_from_ahead_to_past_with_the_members_time(self, told):
        told.start(0)
        told.schedule(0, "s1", 2)
        told.activity(3, channel="WEB")
        assert (view(told).last_session, view(told).next_session) == (days(2), None)

    def test_off_track_it_says_since_when(self, told):
        told.start(0)
        told.pass_until(21)
        assert (view(told).status, view(told).off_track_since) == ("OFF_TRACK", days(21))

    def test_a_change_of_status_is_seen_at_once(self, told):
        told.start(0)
        said = told.until(21)
        (written,) = [each for each in said if isinstance(each, MemberSnapshot)]
        assert written.engagements[0].status == "OFF_TRACK"

    def test_engagements_stand_by_id(self, told):
        for engagement in ("e2", "e1", "e3"):
            told.launch(0, engagement)
        assert [each.engagement_id for each in page(told.member()).engagements] == ["e1", "e2", "e3"]


class TestTheBounds:
    def test_fifty_sessions_and_as_many_calls_are_kept(self, told):
        told.start(0)
        for number in range(60):
            told.schedule(1, f"s{number}", 2 + number)
            told.call(1, f"d{number}", 2 + number)
        calendar = unpack_calendar(told.member().engagements()["e1"])
        assert len(calendar.sessions) == len(calendar.calls) == MOST_SESSIONS
        assert told.pass_until(61 + 20.9) == []

    def test_a_completed_one_is_kept_for_ninety_days(self, told):
        told.start(0)
        told.say(1, "COMPLETED")
        told.activity(90.9)
        assert len(page(told.member()).engagements) == 1
        told.activity(91)
        assert page(told.member()).engagements == []
        told.launch(92, "e2")
        assert list(told.member().engagements()) == ["e2"]

    def test_a_deactivated_one_is_kept_for_it_may_go_on(self, told):
        told.start(0)
        told.say(1, "DEACTIVATED")
        told.launch(200, "e2")
        assert told.say(201, "ACTIVATED") == ["201 e1 ON_TRACK started"]

    def test_a_member_untouched_for_two_years_loses_them(self, told):
        told.start(0, template="default")
        told.pass_until(1 + UNTOUCHED_MS / DAY_MS)
        assert not told.member().hot.has_engagements
        assert page(told.member()).engagements == []


class TestForgotten:
    def test_all_is_gone_but_the_numbers_and_the_digest_is_told(self, told):
        told.start(0)
        told.pass_until(21)
        said = words(told.command(22, type="FORGET_MEMBER"))
        assert said == [
            "22 resolved progress:m1:e1:1 forgotten",
            "22 digest of o1: - m1 e1",
            "page of m1 gone",
        ]
        assert not told.member().hot.has_engagements
        told.start(30)
        assert "51 opened progress:m1:e1:2 off_track" in told.pass_until(51)

    def test_a_stored_part_is_deleted(self):
        told = Coaching(restarting=True)
        told.start(0)
        told.command(1, type="FORGET_MEMBER")
        told.engine.entities.flush()
        assert set(told.engine.entities.parts["m1"]) == {0}


class TestMerged:
    """m1 is merged into m2; the history crosses by hand."""

    def merge(self, told: Coaching, at: float) -> list[str]:
        outputs = told.profile(at, "m1", merged_into="m2")
        (moved,) = [each for each in outputs if isinstance(each, MemberMoved)]
        return [*words([each for each in outputs if each is not moved]), *words(told.record(moved))]

    def test_an_engagement_on_track_goes_on_with_the_other(self, told):
        told.start(0)
        told.launch(1, "own", "m2")
        assert self.merge(told, 5) == ["page of m1 gone", "5 e1 ON_TRACK merged"]
        assert told.pass_until(21)[:2] == [
            "21 e1 OFF_TRACK off_track",
            "21 opened progress:m2:e1:1 off_track",
        ]
        assert [each.engagement_id for each in page(told.member("m2")).engagements] == ["e1", "own"]

    def test_one_off_track_stays_so_opens_nothing_and_tells_nobody_again(self, told):
        told.start(0)
        told.pass_until(21)
        assert self.merge(told, 22) == [
            "22 resolved progress:m1:e1:1 merged",
            "page of m1 gone",
            "22 e1 OFF_TRACK merged",
        ]
        assert view(told, member="m2").off_track_since == days(21)
        assert told.pass_until(100) == []

    def test_back_on_track_it_leaves_the_digest_it_was_put_into_under_its_old_id(self, told):
        told.start(0)
        told.pass_until(21)
        self.merge(told, 22)
        assert told.schedule(23, "s1", 30, member="m2") == [
            "23 e1 ON_TRACK back_on_track",
            "23 digest of o1: - m1 e1",
        ]

    def test_one_that_both_know_stays_the_others_own_with_the_sessions_of_both(self, told):
        told.start(0)
        told.schedule(0, "s1", 30)
        told.start(1, member="m2")
        assert self.merge(told, 5) == ["page of m1 gone"]
        assert told.pass_until(50.9) == []
        assert told.pass_until(51)[0] == "51 e1 OFF_TRACK off_track"

    def test_of_a_session_that_both_know_the_newer_word_counts(self, told):
        told.start(0)
        told.schedule(3, "s1", 60)
        told.start(0, member="m2")
        told.schedule(1, "s1", 4, member="m2")
        self.merge(told, 5)
        assert view(told, member="m2").next_session == days(60)

    def test_one_that_both_know_leaves_the_digest_if_only_the_one_that_goes_was_off_track(self, told):
        told.start(0)
        told.pass_until(21)
        told.start(21, member="m2")
        said = self.merge(told, 22)
        assert said[-1] == "22 digest of o1: - m1 e1"

    def test_without_engagements_nothing_is_handed_over(self, told):
        told.activity(0)
        (moved,) = [each for each in told.profile(1, merged_into="m2") if isinstance(each, MemberMoved)]
        assert moved.engagements is None


def test_a_part_of_a_newer_version_is_refused_with_what_to_do():
    with pytest.raises(UserError, match="newer one") as caught:
        decode_engagements(b"\xff")
    assert caught.value.reference == "state-too-new"


def test_what_is_written_is_read():
    told = Coaching()
    told.start(0)
    told.schedule(0, "s1", 3)
    engagements = told.member().engagements()
    assert decode_engagements(encode_engagements(engagements)) == engagements


def test_an_event_that_has_to_do_with_no_engagement_neither_reads_nor_writes_them():
    told = Coaching(re_engager(), *Coaching().core.playbooks.playbooks, restarting=True)
    told.start(0)
    told.engine.entities.flush()
    parts = dict(told.engine.entities.parts["m1"])
    told.activity(1, channel="WEB")
    member = told.member()
    assert member._engagements is None
    assert told.engine.entities.parts["m1"][3] == parts[3]


def test_a_member_has_one_timer_however_many_engagements(told):
    for number in range(10):
        told.start(number, f"e{number}")
    timers = [timer for timer in told.member().hot.timers if timer[1] == "off_track"]
    assert timers == [(days(21), "off_track", "progress", "")]
    assert not [each for each in told.outputs if isinstance(each, DigestItem)]
