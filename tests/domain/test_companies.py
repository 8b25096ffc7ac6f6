"""Companies: who waits for them, and who is told when (contract 6.4 and 8, "Timers")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.domain.companies import MOST_UPS, SLICE, CompanyCore
from app.domain.company_state import BUCKETS, Company, CompanyHead, bucket_of, first_rank, offset_ms, rank_of
from app.domain.crossings import CompanyUp, CompanyWait
from app.domain.entity import NEVER_MS
from app.domain.errors import UserError
from app.domain.events import CompanyStatus
from app.domain.outputs import Nudge, WorkflowOpened
from app.domain.playbook_set import PlaybookSet
from tests.domain.firm import COMPANY, Firm, offset, released, told, wait
from tests.domain.intents import AUTHENTICATION, MAINTENANCE, Sessions, instant, intent, minutes

H, D = 60, 24 * 60
FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def firm() -> Firm:
    return Firm()


class TestWaiting:
    def test_a_member_is_told_at_its_offset_after_the_company_came_back(self, firm: Firm):
        assert firm.await_it(10, "m1") == firm.until(100) == firm.status(100) == []
        assert firm.until(100 + offset("m1") - 0.001) == []
        assert firm.until(115) == [released(100, "m1")]

    def test_the_offset_is_within_the_span_and_the_members_own(self):
        offsets = [offset_ms(rank_of(f"m{number}"), 900_000) for number in range(2_000)]
        assert 0 <= min(offsets) < 5_000
        assert 895_000 < max(offsets) < 900_000
        assert sum(offsets) / len(offsets) == pytest.approx(450_000, rel=0.05)

    def test_without_a_span_all_are_told_at_once_by_the_companys_record(self):
        firm = Firm(release="0s")
        firm.await_it(10, "m1")
        assert firm.status(100, event_id="back") == ["100 m1/1 back"]

    def test_each_is_told_once(self, firm: Firm):
        firm.await_it(10, "m1")
        firm.status(100)
        firm.until(2 * H)
        firm.status(3 * H)
        assert firm.until(5 * H) == []

    def test_one_that_came_back_between_page_and_end_has_come_back(self, firm: Firm):
        firm.status(5)
        assert firm.await_it(10, "m1", since=5) == ["10 m1/1 end of m1"]

    @pytest.mark.parametrize("up", [4.999, 10.001])
    def test_before_the_page_or_after_the_end_is_not_between(self, firm: Firm, up: float):
        firm.status(4.999)
        assert firm.await_it(10, "m1", since=5) == []
        assert firm.until(9 * D) == []

    def test_at_the_end_is_between(self, firm: Firm):
        firm.status(10)
        assert firm.await_it(10, "m1", since=5) == ["10 m1/1 end of m1"]

    def test_under_maintenance_is_no_coming_back(self, firm: Firm):
        firm.await_it(10, "m1")
        firm.status(20, "UNDER_MAINTENANCE")
        assert firm.until(D) == []

    def test_under_maintenance_again_does_not_stop_a_release(self, firm: Firm):
        firm.await_it(10, "m1")
        firm.status(20)
        firm.status(20.001, "UNDER_MAINTENANCE")
        assert firm.until(H) == [released(20, "m1")]

    def test_of_a_members_waits_the_last_counts(self, firm: Firm):
        firm.await_it(10, "m1")
        firm.await_it(20, "m1")
        firm.status(100)
        assert firm.until(2 * H) == [released(100, "m1", 2)]

    def test_an_older_wait_that_comes_later_changes_nothing(self, firm: Firm):
        firm.hear(wait(20, "m1", 1, workflow=2))
        assert not firm.core.apply(firm.engine.entities.get(COMPANY), wait(10, "m1", 5), firm.sink)

    def test_a_member_may_wait_by_several_playbooks(self, firm: Firm):
        firm.await_it(10, "m1")
        firm.hear(wait(10, "m1", playbook="gone"))
        assert firm.status(20) == ["20 m1/1 OPERATIONAL at 20"]
        assert firm.until(H) == [released(20, "m1")]

    def test_one_that_waits_while_others_are_released_waits_for_the_next_time(self, firm: Firm):
        firm.await_it(10, "m1")
        firm.status(20)
        firm.await_it(20.002, "m2")
        assert firm.until(H) == [released(20, "m1")]
        firm.status(2 * H)
        assert firm.until(3 * H) == [released(2 * H, "m2")]

    def test_two_comings_back_release_side_by_side_each_its_own(self, firm: Firm):
        for number in range(40):
            firm.await_it(10, f"a{number}")
        firm.status(20)
        said = [word for number in range(40) for word in firm.await_it(21, f"b{number}")]
        said += [*firm.status(22), *firm.until(H)]
        everybody = [(20, f"a{n}") for n in range(40)] + [(22, f"b{n}") for n in range(40)]
        assert sorted(said) == sorted(released(up, member) for up, member in everybody)

    def test_who_was_waited_for_is_let_go_of(self, firm: Firm):
        for number in range(50):
            firm.await_it(10, f"m{number}")
        firm.status(20)
        firm.until(H)
        company = firm.engine.entities.get(COMPANY)
        assert company.head.held == bytes(len(company.head.held))
        assert company.head.releases == []
        assert not any(company.bucket(bucket) for bucket in range(BUCKETS))


class TestRaces:
    """A wait and the company's record lie in two topics: either may come first."""

    def test_a_wait_heard_of_after_the_company_came_back_is_released_as_it_would_have_been(self, firm: Firm):
        firm.status(20)
        assert firm.hear(wait(10, "m1"), arrived=20.001) == []
        assert firm.until(H) == [released(20, "m1")]

    def test_if_its_turn_is_over_it_is_told_at_once_with_that_instant(self, firm: Firm):
        firm.status(20)
        firm.status(40, "UNDER_MAINTENANCE")
        assert firm.hear(wait(10, "m1"), arrived=40) == [released(20, "m1")]

    def test_it_joins_a_release_under_way_if_its_turn_is_still_to_come(self, firm: Firm):
        members = sorted((f"m{number}" for number in range(30)), key=offset)
        firm.await_it(10, members[10])
        firm.status(20)
        middle = 20 + offset(members[20])
        early = [released(20, members[10])]
        assert firm.until(middle) == early
        firm.hear(wait(10, members[10 + 15]), arrived=middle)
        assert firm.until(H) == [released(20, members[25])]

    def test_several_that_are_late_join_one_release(self, firm: Firm):
        members = [f"m{number}" for number in range(30)]
        firm.status(20)
        said = [word for member in members for word in firm.hear(wait(10, member), arrived=20.001)]
        said += firm.until(H)
        assert sorted(said) == sorted(released(20, member) for member in members)

    def test_a_late_coming_back_between_page_and_end_counts_from_the_end(self, firm: Firm):
        firm.await_it(10, "m1", since=5)
        firm.hear(told(7), arrived=11)
        assert firm.until(H) == ["10 m1/1 timer:release"]

    def test_a_late_coming_back_from_before_a_newer_one_changes_nothing(self, firm: Firm):
        firm.await_it(10, "m1")
        firm.status(20)
        firm.hear(told(15), arrived=20)
        assert firm.until(H) == [released(20, "m1")]

    def test_but_is_remembered_for_those_that_come_later_still(self, firm: Firm):
        firm.status(20)
        firm.hear(told(9), arrived=20)
        assert firm.hear(wait(10, "m1", since=5), arrived=21) == ["10 m1/1 end of m1"]

    def test_a_record_sent_twice_is_heard_once(self, firm: Firm):
        firm.status(20, event_id="back")
        company = firm.engine.entities.get(COMPANY)
        assert not firm.core.apply(company, told(30, event_id="back"), firm.sink)
        assert len(company.head.ups) == 1

    def test_a_wait_sent_twice_has_the_same_answer_twice(self, firm: Firm):
        firm.status(5)
        assert firm.hear(wait(10, "m1", since=5)) == firm.hear(wait(10, "m1", since=5))


class TestSlices:
    def test_no_more_than_a_slice_are_released_in_one_go(self):
        firm = Firm(release="0s")
        for number in range(10 * SLICE):
            firm.await_it(10, f"m{number}")
        counts = [len(firm.status(20))]
        counts += [len(firm.until(20 + tick / 60_000)) for tick in range(1, 50)]
        assert max(counts) <= SLICE
        assert sum(counts) == 10 * SLICE

    def test_a_wave_leaves_the_others_of_the_partition_their_turn(self):
        firm = Firm()
        for number in range(500):
            firm.await_it(10, f"m{number}")
        firm.status(20)
        firm.engine.wakes_left = 30
        firm.engine.move_time(instant(D))
        assert 0 < len(firm.said()) <= 30 * SLICE
        assert firm.engine.mark[0] < instant(D)
        firm.engine.wakes_left = NEVER_MS
        firm.until(D)
        assert not firm.engine.entities.get(COMPANY).head.releases

    def test_a_late_wave_is_worked_off_in_slices_too(self):
        firm = Firm()
        for number in range(500):
            firm.await_it(10, f"m{number}")
        firm.until(D)
        first = firm.hear(told(20), arrived=D)
        assert len(first) <= SLICE
        assert len(first) + len(firm.until(D + 1)) == 500


class TestStored:
    def test_a_wait_rewrites_one_bucket_and_a_release_none_until_its_end(self):
        firm = Firm()
        members = [f"m{number}" for number in range(1_000)]
        for member in members:
            firm.await_it(10, member)
        company = firm.engine.entities.get(COMPANY)
        list(company.dump())
        firm.await_it(11, "m5")
        assert [part for part, _ in company.dump()] == [0, bucket_of(rank_of("m5")) + 1]
        firm.status(20)
        first = sorted((member for member in members if bucket_of(rank_of(member)) == 0), key=offset)
        for place, member in enumerate(first, 1):
            firm.until(20 + offset(member))
            changed = [part for part, _ in company.dump()]
            assert changed == ([0] if place < len(first) else [0, 1])

    def test_a_bucket_nobody_waits_in_any_more_is_deleted(self, firm: Firm):
        firm.await_it(10, "m1")
        company = firm.engine.entities.get(COMPANY)
        list(company.dump())
        firm.status(20)
        firm.until(H)
        parts = dict(company.dump())
        assert parts[bucket_of(rank_of("m1")) + 1] is None

    def test_higher_ranks_lie_in_higher_buckets(self):
        for bucket in range(BUCKETS):
            assert bucket_of(first_rank(bucket)) == bucket
            assert not bucket or bucket_of(first_rank(bucket) - 1) == bucket - 1

    def test_those_whose_workflow_has_expired_are_let_go_of(self, firm: Firm):
        members = [f"m{number}" for number in range(5_000)]
        neighbours = [member for member in members if bucket_of(rank_of(member)) == 7][:2]
        firm.await_it(10, neighbours[0])
        firm.await_it(10 + 15 * D, neighbours[1])
        assert [holder for holder, _ in firm.engine.entities.get(COMPANY).bucket(7)] == neighbours[1:]

    def test_only_the_last_times_it_came_back_are_remembered(self, firm: Firm):
        for number in range(MOST_UPS + 10):
            firm.status(number)
        ups = firm.engine.entities.get(COMPANY).head.ups
        assert len(ups) == MOST_UPS
        assert ups[-1].at_ms == instant(MOST_UPS + 9)

    def test_times_nobody_waited_for_begin_no_release(self, firm: Firm):
        for number in range(10):
            firm.status(number)
        assert firm.engine.entities.get(COMPANY).head.releases == []

    def test_a_part_of_a_newer_version_is_refused(self):
        with pytest.raises(UserError, match="version 2"):
            Company.load("c", {0: b"\x02"}.get)

    def test_a_changed_release_holds_for_those_still_to_come(self, firm: Firm):
        members = sorted((f"m{number}" for number in range(30)), key=offset)
        for member in members:
            firm.await_it(10, member)
        firm.status(20)
        assert len(firm.until(20 + offset(members[9]))) == 10
        firm.engine.core = CompanyCore(PlaybookSet([intent(release="1h")]))
        said = firm.until(2 * H)
        assert [word.split()[1] for word in said] == [f"{member}/1" for member in members[10:]]
        assert said[0].startswith(f"{20 + offset(members[10], 3_600_000):.6g} ")

    def test_what_it_is_not_told_of_is_a_bug(self, firm: Firm):
        with pytest.raises(TypeError):
            firm.core.apply(Company("c", CompanyHead("h")), object(), firm.sink)


class TestMembers:
    """Both sides together."""

    @pytest.fixture
    def story(self) -> Sessions:
        return Sessions(nudges=[{"after": "1h"}])

    def test_maintenance_waits_for_the_company(self, story: Sessions):
        story.page(0, MAINTENANCE, company_id="acme")
        assert story.close(1) == ["1 opened i:m1:1 known_error:maintenance"]
        (waiting,) = story.crossed
        assert (waiting.company_id, waiting.since, waiting.cause) == ("acme", instant(0), "e2")
        assert story.wait(2 * D) == []
        story.status(2 * D)
        up = 2 * D + offset("m1")
        assert story.wait(up + H - 0.01) == []
        assert story.wait(up + H) == [f"{up + H:g} nudge i:m1:1#1 known_error:maintenance"]

    def test_if_the_company_came_back_in_the_meantime_it_is_timed_from_the_end(self, story: Sessions):
        story.page(0, MAINTENANCE, company_id="acme")
        story.status(5)
        story.close(10)
        assert story.wait(70) == ["70 nudge i:m1:1#1 known_error:maintenance"]

    def test_another_company_does_not_help(self, story: Sessions):
        story.fail(0, MAINTENANCE, company_id="acme")
        story.status(5, company="globex")
        assert story.wait(D) == []

    def test_the_profiles_company_counts_where_the_page_names_none(self, story: Sessions):
        story.profile(0, company_id="globex")
        story.fail(0, MAINTENANCE)
        story.status(5, company="globex")
        assert len(story.wait(D)) == 1

    def test_without_a_company_nobody_can_be_waited_for(self, story: Sessions):
        story.fail(0, MAINTENANCE)
        assert story.crossed == []
        assert story.wait(61) == ["61 nudge i:m1:1#1 known_error:maintenance"]

    def test_without_anything_to_send_nobody_waits(self):
        story = Sessions(nudges=[])
        story.fail(0, MAINTENANCE, company_id="acme")
        assert story.crossed == []

    def test_another_end_meanwhile_changes_what_is_waited_for(self, story: Sessions):
        story.fail(0, MAINTENANCE, company_id="acme")
        story.fail(10, AUTHENTICATION, company_id="acme")
        assert story.wait(71) == ["71 nudge i:m1:1#1 known_error:authentication"]
        story.status(H * 2)
        assert story.wait(D) == []

    def test_an_end_without_a_segment_goes_on_waiting_for_the_page_that_was_seen(self):
        story = Sessions(nudges=[{"after": "1h"}], attempts={"count": 9})
        story.fail(0, MAINTENANCE, company_id="acme")
        story.start(10)
        story.status(15)
        story.close(20)
        assert story.wait(80) == ["80 nudge i:m1:1#1 known_error:maintenance"]
        assert [type(each) for each in story.crossed[:2]] == [CompanyWait, CompanyWait]
        assert story.crossed[1].since == instant(0)

    def test_an_answer_while_a_session_runs_sends_nothing(self):
        story = Sessions(nudges=[{"after": "0s"}], session={"timeout": "7d"}, release="0s")
        story.fail(0, MAINTENANCE, company_id="acme")
        story.start(10)
        story.status(15)
        assert story.wait(D) == []

    def test_a_converted_member_is_told_for_nothing(self, story: Sessions):
        story.fail(0, MAINTENANCE, company_id="acme")
        story.finish(10)
        before = len(story.outputs)
        story.status(20)
        story.wait(D)
        assert any(isinstance(each, CompanyUp) for each in story.crossed)
        assert story.kept(Nudge) == []
        assert len(story.outputs) == before

    @pytest.mark.parametrize("go", ["forgotten", "merged"])
    def test_so_is_one_who_went(self, story: Sessions, go: str):
        story.fail(0, MAINTENANCE, company_id="acme")
        if go == "forgotten":
            story.command(1 / 24 / 60 * 5, type="FORGET_MEMBER")
        else:
            story.profile(1 / 24 / 60 * 5, merged_into="m2")
        story.status(20)
        assert story.wait(D) == []
        assert not story.member().hot.born

    def test_the_answer_to_an_earlier_workflow_is_not_this_ones(self, story: Sessions):
        story.fail(0, MAINTENANCE, company_id="acme")
        story.finish(10)
        story.fail(20, MAINTENANCE, company_id="globex")
        assert story.kept(WorkflowOpened)[-1].workflow_id == "i:m1:2"
        story.status(30)
        assert story.wait(D) == []

    def test_what_was_sent_before_is_not_sent_again(self):
        story = Sessions()
        story.fail(0)
        story.wait(2 * H)
        story.fail(2 * H, MAINTENANCE, company_id="acme")
        story.status(3 * H)
        said = story.wait(20 * D)
        assert [word.split()[2:] for word in said[:2]] == [
            ["i:m1:1#2", "day-known_error:maintenance"],
            ["i:m1:1#3", "known_error:maintenance"],
        ]

    def test_a_nudge_that_is_due_at_once_carries_the_cause_of_the_crossing(self):
        for keys, cause in (({"release": "0s"}, "OPERATIONAL 5"), ({"release": "1m"}, "timer:release")):
            story = Sessions(nudges=[{"after": "0s"}], **keys)
            story.fail(0, MAINTENANCE, company_id="acme")
            story.status(5)
            story.wait(H)
            assert [nudge.cause for nudge in story.kept(Nudge)] == [cause]


def test_companies_of_version_1_are_read():
    parts = {0: (FIXTURES / "company-0-1.bin").read_bytes(), 8: (FIXTURES / "company-8-1.bin").read_bytes()}
    company = Company.load("acme", parts.get)
    assert company is not None
    assert [member for member, _ in company.bucket(7)] == ["m40"]
    assert dict(company.dump())[0] == parts[0]


def _record(at: float) -> Any:
    return CompanyStatus(event_id="x", company_id="c", occurred_at=instant(at), status="OPERATIONAL")


def test_an_unknown_company_is_a_company_like_any_other():
    core = CompanyCore(PlaybookSet([intent()]))
    company = core.new("c")
    firm = Firm()
    assert core.apply(company, _record(5), firm.sink)
    assert core.next_due_ms(company) == NEVER_MS
    assert minutes(company.head.now_ms) == 5
