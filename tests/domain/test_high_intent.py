"""Contract 6.4, and 8, "High intent": members who nearly converted. Instants are minutes (see `intents.Sessions`)."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.members import MemberCore
from app.domain.outputs import MemberSnapshot, Nudge, WorkflowOpened, WorkflowResolved
from app.domain.playbook_set import PlaybookSet
from tests.domain.conftest import re_engager
from tests.domain.intents import (
    AUTHENTICATION,
    HOUR,
    LATE,
    LATENCY,
    MAINTENANCE,
    MFA,
    MINUTE,
    SUCCESS,
    TASK_FAILED,
    Sessions,
    instant,
    intent,
    minutes,
)
from tests.domain.scoring import policy

H, D = 60, 24 * 60


@pytest.fixture
def story() -> Sessions:
    return Sessions()


class TestSessions:
    def test_one_that_is_closed_on_an_errors_page_opens_a_workflow(self, story: Sessions):
        assert story.start(0) == story.page(1, AUTHENTICATION) == []
        assert story.close(2) == ["2 opened i:m1:1 known_error:authentication"]

    def test_one_without_an_end_times_out_after_its_last_event(self, story: Sessions):
        story.start(0)
        story.page(20, AUTHENTICATION)
        assert story.wait(49.9) == []
        assert story.wait(50) == ["50 opened i:m1:1 known_error:authentication"]
        assert story.outputs[-2].cause == "timer:session"

    def test_an_event_at_the_very_end_of_the_timeout_comes_too_late(self, story: Sessions):
        story.page(0, AUTHENTICATION)
        assert story.page(30) == ["30 opened i:m1:1 known_error:authentication"]

    def test_a_page_or_a_start_puts_the_timeout_off(self, story: Sessions):
        story.page(0, AUTHENTICATION)
        story.page(29, AUTHENTICATION)
        assert story.wait(58) == []
        assert story.wait(59) != []

    def test_a_page_without_a_session_starts_one(self, story: Sessions):
        story.page(0, MFA)
        assert story.close(1) == ["1 opened i:m1:1 known_error:mfa"]

    def test_a_new_start_ends_the_one_before(self, story: Sessions):
        story.page(0, MFA)
        assert story.start(5) == ["5 opened i:m1:1 known_error:mfa"]
        assert story.wait(35) == []
        assert story.member().hot.states["i"].session is None

    def test_the_page_before_a_new_start_is_not_of_the_new_session(self, story: Sessions):
        story.page(0, MFA)
        story.start(5)
        story.close(6)
        assert story.member().cold().intents["i"].attempts == 2
        assert [each.reason for each in story.kept(WorkflowOpened)] == ["known_error:mfa"]

    def test_a_close_without_a_session_is_nothing(self, story: Sessions):
        assert story.close(0) == []
        assert story.wait(D) == []

    def test_activities_of_other_types_are_no_part_of_it(self, story: Sessions):
        story.page(0, MFA)
        story.activity(20 * MINUTE, type="article.read")
        assert story.wait(30) == ["30 opened i:m1:1 known_error:mfa"]

    def test_the_channel_does_not_matter(self, story: Sessions):
        story.activity(0, type="transact.interaction", channel="WEB", attributes={"name": MFA})
        assert story.close(1, channel="SYSTEM") == ["1 opened i:m1:1 known_error:mfa"]

    def test_unknown_pages_are_facts_only(self, story: Sessions):
        assert story.fail(0, "Somewhere else") == []

    @pytest.mark.parametrize("name", [None, 3, True, ""])
    def test_a_page_without_a_name_is_a_page(self, story: Sessions, name: Any):
        story.page(0, MFA)
        story.activity(MINUTE, type="transact.interaction", attributes={} if name is None else {"name": name})
        assert story.close(2) == []

    def test_two_playbooks_keep_sessions_of_their_own(self):
        other = {"start": "x.started", "page": "x.page", "finish": "x.finished", "close": "x.closed"}
        story = Sessions(intent(), intent("j", session=other))
        story.page(0, MFA)
        story.activity(MINUTE, type="x.page", attributes={"name": AUTHENTICATION})
        assert story.activity(2 * MINUTE, type="x.closed")[0].workflow_id == "j:m1:1"
        assert story.close(3) == ["3 opened i:m1:1 known_error:mfa"]

    def test_the_timeout_is_the_playbooks(self):
        story = Sessions(session={"timeout": "5m"})
        story.page(0, MFA)
        assert story.wait(5) == ["5 opened i:m1:1 known_error:mfa"]


class TestLateWords:
    """Facts at their own time; nothing is undone."""

    def test_a_late_page_of_the_running_session_that_is_not_its_last_changes_no_page(self, story: Sessions):
        story.page(0, MFA)
        story.page(10, AUTHENTICATION)
        story.page(5, LATENCY, arrived=11)
        assert story.close(12) == ["12 opened i:m1:1 known_error:authentication"]

    def test_a_late_last_page_is_the_last_page(self, story: Sessions):
        story.page(0, MFA)
        story.profile(10 * MINUTE)
        story.page(5, AUTHENTICATION, arrived=10)
        assert story.close(12) == ["12 opened i:m1:1 known_error:authentication"]

    def test_a_late_page_counts_as_a_late_page_wherever_it_was_seen(self, story: Sessions):
        story.page(0)
        story.page(10)
        story.page(5, LATE, arrived=11)
        assert story.close(12) == ["12 opened i:m1:1 unknown_exit"]

    def test_a_page_of_a_session_that_is_over_starts_none(self, story: Sessions):
        story.page(0, "Home")
        story.close(5)
        story.page(3, MFA, arrived=6)
        assert story.wait(D) == []

    def test_a_page_after_the_last_one_of_a_session_that_timed_out_starts_one(self, story: Sessions):
        story.page(0)
        story.wait(40)
        story.page(20, MFA, arrived=40)
        assert story.wait(50) == ["50 opened i:m1:1 known_error:mfa"]

    def test_a_start_or_a_close_from_before_the_last_event_changes_nothing(self, story: Sessions):
        story.page(0)
        story.page(10, MFA)
        assert story.start(5, arrived=11) == story.close(6, arrived=12) == []
        assert story.wait(40) == ["40 opened i:m1:1 known_error:mfa"]

    def test_a_page_from_long_before_the_session_is_not_of_it(self, story: Sessions):
        story.page(100)
        story.page(60, LATE, arrived=101)
        assert story.close(102) == []

    def test_a_late_end_is_timed_from_its_own_instant_and_what_is_due_by_now_is_sent_now(
        self, story: Sessions
    ):
        story.page(0, MFA)
        story.profile(20 * MINUTE)
        story.close(10, arrived=20)
        assert story.wait(70) == ["70 nudge i:m1:1#1 known_error:mfa"]
        story = Sessions(session={"timeout": "7d"})
        story.page(0, MFA)
        story.profile(30 * HOUR)
        assert story.close(1, arrived=30 * H) == [
            "1800 opened i:m1:1 known_error:mfa",
            "1800 nudge i:m1:1#1 known_error:mfa",
            "1800 nudge i:m1:1#2 day-known_error:mfa",
        ]

    def test_a_late_success_converts_and_is_attributed_by_its_own_instant(self, story: Sessions):
        story.fail(0)
        story.wait(2 * H)
        story.profile(3 * HOUR)
        assert story.finish(30, arrived=3 * H) == [
            "180 resolved i:m1:1 converted",
            "180 no nudge i:m1:1#2 day-known_error:authentication workflow_resolved",
            "180 no nudge i:m1:1#3 known_error:authentication workflow_resolved",
        ]
        assert story.kept(WorkflowResolved)[0].attributed_nudge is None

    def test_a_late_success_from_before_the_running_session_leaves_it_running(self, story: Sessions):
        story.fail(0)
        story.page(5 * H, MFA)
        story.finish(2 * H, arrived=5 * H)
        assert story.wait(6 * H) == ["330 opened i:m1:2 known_error:mfa"]

    def test_nothing_from_before_its_start_is_of_a_session_that_said_when_it_started(self, story: Sessions):
        story.start(60)
        story.page(61, MFA)
        story.page(55, LATE, arrived=62)
        assert story.finish(45, arrived=62) == []
        assert story.close(63) == ["63 opened i:m1:1 known_error:mfa"]

    def test_a_late_success_makes_attempts_start_anew_from_its_own_instant(self):
        story = Sessions(attempts={"count": 3})
        story.fail(0, "Home")
        story.fail(20, "Home")
        story.finish(10, arrived=30)
        assert story.fail(40, "Home") == []
        assert story.fail(50, "Home") == ["51 opened i:m1:1 multiple_attempts"]


class TestSuccess:
    def test_the_success_page_with_its_state_converts(self, story: Sessions):
        story.fail(0)
        assert story.page(5, SUCCESS, state="completed")[0] == "5 resolved i:m1:1 converted"

    @pytest.mark.parametrize("state", [{}, {"state": "started"}, {"state": True}, {"state": None}])
    def test_the_page_alone_is_a_page(self, story: Sessions, state: dict[str, Any]):
        story.fail(0)
        assert story.page(5, SUCCESS, **state) == []
        assert story.wait(34) == []
        assert story.member().hot.states["i"].session is not None

    def test_another_page_with_that_state_is_a_page(self, story: Sessions):
        story.fail(0)
        assert story.page(5, "Home", state="completed") == []

    def test_a_finish_converts_with_or_without_a_session(self, story: Sessions):
        story.fail(0)
        assert story.finish(5)[0] == "5 resolved i:m1:1 converted"
        story.fail(10)
        story.page(20, TASK_FAILED)
        assert story.finish(21)[0] == "21 resolved i:m1:2 converted"

    def test_it_ends_the_session_which_then_opens_nothing(self, story: Sessions):
        story.page(0, MFA)
        assert story.finish(1) == []
        assert story.close(2) == []
        assert story.wait(D) == []

    def test_a_success_before_the_timeout_leaves_nothing_to_time_out(self, story: Sessions):
        story.page(0, MFA)
        story.page(10, SUCCESS, state="completed")
        assert story.wait(D) == []
        assert all(timer[1] != "session" for timer in story.member().hot.timers)

    def test_a_success_at_the_instant_of_the_timeout_comes_after_it(self, story: Sessions):
        story.page(0, MFA)
        assert story.finish(30)[:2] == [
            "30 opened i:m1:1 known_error:mfa",
            "30 resolved i:m1:1 converted",
        ]

    def test_without_an_open_workflow_it_resolves_nothing(self, story: Sessions):
        assert story.finish(0) == []
        assert story.page(1, SUCCESS, state="completed") == []

    def test_what_was_planned_is_suppressed_in_plan_order_due_or_not(self, story: Sessions):
        story.fail(0)
        story.wait(2 * H)
        assert story.finish(3 * H) == [
            "180 resolved i:m1:1 converted",
            "180 no nudge i:m1:1#2 day-known_error:authentication workflow_resolved",
            "180 no nudge i:m1:1#3 known_error:authentication workflow_resolved",
        ]

    def test_workflows_of_other_playbooks_stay(self):
        story = Sessions(intent(), re_engager())
        story.activity(0)
        story.fail(1)
        story.finish(5)
        assert list(story.member().hot.workflows or {}) == ["re-engager"]


class TestAttribution:
    def converted(self, story: Sessions, at: float) -> str | None:
        story.finish(at)
        return story.kept(WorkflowResolved)[-1].attributed_nudge

    def test_it_goes_to_the_workflows_last_nudge(self, story: Sessions):
        story.fail(0)
        assert self.converted(story, 2 * D) == "i:m1:1#2"

    def test_a_nudge_sent_seven_days_before_counts_one_sent_earlier_does_not(self):
        for more, nudge in ((0, "i:m1:1#1"), (1 / 60_000, None)):
            story = Sessions(nudges=[{"after": "1h"}])
            story.fail(0)
            assert self.converted(story, 61 + 7 * D + more) == nudge

    def test_without_a_nudge_there_is_none(self, story: Sessions):
        story.fail(0)
        assert self.converted(story, 30) is None

    def test_a_suppressed_nudge_does_not_count(self):
        story = Sessions(rules=policy(hold_out_percent=100))
        story.fail(0)
        assert self.converted(story, 5 * D) is None

    def test_nudges_of_earlier_workflows_and_of_other_playbooks_do_not_count(self):
        other = {"start": "x.started", "page": "x.page", "finish": "x.finished", "close": "x.closed"}
        story = Sessions(intent(), intent("j", session=other))
        story.fail(0)
        assert self.converted(story, 2 * H) == "i:m1:1#1"
        story.activity(3 * HOUR, type="x.page", attributes={"name": MFA})
        story.activity(3 * HOUR, type="x.closed")
        story.fail(3 * H)
        assert self.converted(story, 3.9 * H) is None


class TestSegments:
    PAGES = (
        ("high_latency", LATENCY),
        ("authentication", AUTHENTICATION),
        ("mfa", MFA),
        ("task_failed", TASK_FAILED),
    )

    @pytest.mark.parametrize(("key", "page"), [*PAGES, ("maintenance", MAINTENANCE)])
    def test_the_page_of_an_error_seen_last_is_that_known_error(self, story: Sessions, key: str, page: str):
        story.page(0, LATE)
        story.page(1, page)
        assert story.close(2) == [f"2 opened i:m1:1 known_error:{key}"]

    @pytest.mark.parametrize("page", [page for _, page in PAGES])
    def test_an_errors_page_that_was_not_the_last_is_none(self, story: Sessions, page: str):
        story.page(0, page)
        story.page(1, "Home")
        assert story.close(2) == []

    def test_a_session_without_pages_is_none(self, story: Sessions):
        story.start(0)
        assert story.close(1) == []

    def test_a_late_page_is_an_unknown_exit_also_if_others_followed(self, story: Sessions):
        story.page(0, LATE)
        story.page(1, "Home")
        assert story.close(2) == ["2 opened i:m1:1 unknown_exit"]

    def test_a_late_page_of_the_session_before_is_none(self, story: Sessions):
        story.page(0, LATE)
        story.finish(1)
        story.page(2, "Home")
        assert story.close(3) == []

    def test_the_second_unsuccessful_end_is_multiple_attempts(self, story: Sessions):
        assert story.fail(0, "Home") == []
        assert story.fail(10, "Home") == ["11 opened i:m1:1 multiple_attempts"]

    def test_ends_count_within_the_span_which_leaves_out_its_beginning(self):
        for gap, opened in ((7 * D - 1, True), (7 * D, False)):
            story = Sessions()
            story.fail(0, "Home")
            story.page(gap, "Home")
            assert bool(story.close(1 + gap)) is opened

    def test_three_attempts_are_three(self):
        story = Sessions(attempts={"count": 3})
        assert story.fail(0, "Home") == story.fail(10, "Home") == []
        assert story.fail(20, "Home") == ["21 opened i:m1:1 multiple_attempts"]

    def test_attempts_start_anew_after_a_success(self, story: Sessions):
        story.fail(0, "Home")
        story.finish(5)
        assert story.fail(10, "Home") == []

    @pytest.mark.parametrize("resolve", ["operator", "expired"])
    def test_attempts_start_anew_after_a_resolved_workflow(self, resolve: str):
        story = Sessions(expires="1h", nudges=[])
        story.fail(0, MFA)
        if resolve == "operator":
            story.command(50 * MINUTE, workflow_id="i:m1:1")
        story.wait(70)
        assert story.kept(WorkflowResolved)[0].resolution == resolve
        assert story.fail(80, "Home") == []
        assert story.fail(90, "Home") == ["91 opened i:m1:2 multiple_attempts"]

    def test_an_error_of_ones_own_is_known_by_its_key(self):
        story = Sessions(errors={"bank_down": "Bank Page"}, precedence=["bank_down"])
        assert story.fail(0, "Bank Page") == ["1 opened i:m1:1 known_error:bank_down"]

    def test_what_is_left_out_of_the_precedence_never_applies(self):
        story = Sessions(precedence=["mfa"])
        assert story.fail(0) == story.fail(10, LATE) == []
        assert story.fail(20, MFA) == ["21 opened i:m1:1 known_error:mfa"]

    def test_an_end_without_a_segment_leaves_an_open_workflow_its_own(self, story: Sessions):
        story = Sessions(attempts={"count": 9})
        story.fail(0, MFA)
        story.fail(10, "Home")
        assert story.wait(71) == ["71 nudge i:m1:1#1 known_error:mfa"]


class TestWorkflow:
    def test_it_says_page_company_step_and_attempts(self, story: Sessions):
        story.fail(0, company_id="acme", step="login")
        (opened,) = story.kept(WorkflowOpened)
        assert opened.context == {
            "page": AUTHENTICATION,
            "company_id": "acme",
            "step": "login",
            "attempts": "1",
        }

    def test_what_is_not_known_is_left_out(self, story: Sessions):
        story.fail(0)
        assert story.kept(WorkflowOpened)[0].context == {"page": AUTHENTICATION, "attempts": "1"}

    def test_without_a_company_on_the_page_the_profiles_counts(self, story: Sessions):
        story.profile(0, company_id="globex")
        story.page(1, "Home", company_id="acme", step="login")
        story.fail(2)
        assert story.kept(WorkflowOpened)[0].context["company_id"] == "globex"

    @pytest.mark.parametrize("number", [17, 17.0])
    def test_a_company_given_as_a_number_is_its_digits(self, story: Sessions, number: float):
        story.fail(0, company_id=number)
        assert story.kept(WorkflowOpened)[0].context["company_id"] == "17"

    def test_the_number_of_attempts_is_that_of_the_span(self, story: Sessions):
        for number in range(4):
            story.fail(10 * number, "Home" if number < 3 else MFA)
        assert story.member().cold().intents["i"].attempts == 4

    def test_one_that_is_open_takes_the_new_segment_and_is_not_opened_again(self, story: Sessions):
        story.fail(0, MFA)
        assert story.fail(10, AUTHENTICATION) == []
        assert story.wait(71) == ["71 nudge i:m1:1#1 known_error:authentication"]

    def test_it_expires(self, story: Sessions):
        story.fail(0)
        story.wait(5 * D)
        assert story.wait(1 + 14 * D - 1 / 60_000) == []
        assert story.wait(1 + 14 * D) == ["20161 resolved i:m1:1 expired"]

    def test_expiry_suppresses_what_was_not_sent(self):
        story = Sessions(expires="2h")
        story.fail(0)
        assert story.wait(D) == [
            "61 nudge i:m1:1#1 known_error:authentication",
            "121 resolved i:m1:1 expired",
            "121 no nudge i:m1:1#2 day-known_error:authentication workflow_resolved",
            "121 no nudge i:m1:1#3 known_error:authentication workflow_resolved",
        ]
        assert story.kept(WorkflowResolved)[0].attributed_nudge is None

    def test_it_counts_from_the_opening_whatever_came_since(self):
        story = Sessions(expires="2h", nudges=[])
        story.fail(0)
        story.fail(100)
        assert story.wait(121) == ["121 resolved i:m1:1 expired"]

    def test_a_resolved_one_does_not_expire(self, story: Sessions):
        story.fail(0)
        story.command(HOUR, workflow_id="i:m1:1")
        assert [timer for timer in story.member().hot.timers if timer[1] == "expire"] == []
        story.fail(D)
        assert story.wait(D + 1 + 14 * D)[-1] == "21601 resolved i:m1:2 expired"

    def test_it_is_resolved_by_an_operator(self, story: Sessions):
        story.fail(0)
        story.command(HOUR, workflow_id="i:m1:1")
        assert story.kept(WorkflowResolved)[0].resolution == "operator"
        assert story.wait(D) == []


class TestPlan:
    def test_each_step_is_sent_once_its_after_from_the_end_on(self, story: Sessions):
        story.fail(0)
        assert story.wait(10 * D) == [
            "61 nudge i:m1:1#1 known_error:authentication",
            "1441 nudge i:m1:1#2 day-known_error:authentication",
            "4321 nudge i:m1:1#3 known_error:authentication",
        ]
        assert [nudge.cause for nudge in story.kept(Nudge)] == ["timer:nudge"] * 3
        assert [nudge.incentive for nudge in story.kept(Nudge)] == [None, None, "gift"]

    def test_without_steps_none_are_sent(self):
        story = Sessions(nudges=[])
        story.fail(0)
        assert story.wait(10 * D) == []

    def test_a_step_without_after_is_judged_at_once(self):
        story = Sessions(nudges=[{"after": "0s"}])
        assert story.fail(0)[1:] == ["1 nudge i:m1:1#1 known_error:authentication"]
        assert story.kept(Nudge)[0].cause == "e2"

    def test_every_unsuccessful_end_times_what_is_left_anew(self, story: Sessions):
        story.fail(0)
        story.wait(2 * H)
        story.fail(3 * H, MFA)
        assert story.wait(20 * D)[:2] == [
            f"{181 + D} nudge i:m1:1#2 day-known_error:mfa",
            f"{181 + 3 * D} nudge i:m1:1#3 known_error:mfa",
        ]

    def test_nothing_is_sent_while_a_session_runs(self):
        story = Sessions(session={"timeout": "2h"})
        story.fail(0)
        story.page(30, AUTHENTICATION)
        assert story.wait(100) == []
        story.close(101)
        assert story.wait(161) == ["161 nudge i:m1:1#1 known_error:authentication"]

    def test_nothing_is_sent_at_the_end_with_which_the_next_session_begins(self):
        story = Sessions(nudges=[{"after": "0s"}])
        story.page(0, MFA)
        assert story.start(1) == ["1 opened i:m1:1 known_error:mfa"]
        assert story.close(2) == ["2 nudge i:m1:1#1 multiple_attempts"]

    def test_a_nudge_due_at_the_instant_of_a_start_is_sent(self, story: Sessions):
        story.fail(0)
        assert story.start(61) == ["61 nudge i:m1:1#1 known_error:authentication"]

    def test_the_link_leads_back_with_its_values_encoded(self, story: Sessions):
        story.fail(0, member="a/b", company_id="A&B", step="log in?")
        story.wait(2 * H)
        assert story.kept(Nudge)[0].call_to_action == "app://go?s=log%20in%3F&c=A%26B&m=a%2Fb"

    def test_a_missing_value_is_nothing(self, story: Sessions):
        story.fail(0)
        story.wait(2 * H)
        assert story.kept(Nudge)[0].call_to_action == "app://go?s=&c=&m=m1"

    def test_the_context_says_what_would_help(self, story: Sessions):
        story.fail(0, company_id="acme", step="login")
        story.fail(10, MFA, company_id="globex")
        story.wait(2 * H)
        assert story.kept(Nudge)[0].context == {
            "segment": "known_error:mfa",
            "page": MFA,
            "company_id": "globex",
            "attempts": "2",
        }

    def test_a_steps_channels_count(self):
        story = Sessions(nudges=[{"after": "1h", "channels": ["PUSH", "IN_APP"]}])
        story.profile(0, consents={"PUSH": True})
        story.fail(0)
        story.wait(2 * H)
        assert story.kept(Nudge)[0].channel == "PUSH"

    def test_the_policy_judges_each(self):
        story = Sessions(rules=policy(caps={"30d": 1}))
        story.fail(0)
        assert story.wait(10 * D)[1:] == [
            "1441 no nudge i:m1:1#2 day-known_error:authentication capped",
            "4321 no nudge i:m1:1#3 known_error:authentication capped",
        ]

    def test_what_quiet_hours_hold_is_timed_anew_with_the_others(self):
        # 10 o'clock is quiet until 20 o'clock.
        story = Sessions(nudges=[{"after": "1h"}], rules=policy(quiet={"from": "10:00", "to": "20:00"}))
        story.fail(0)
        story.wait(2 * H)
        (pending,) = story.member().cold().pending.values()
        assert pending.held
        story.page(10 * H - 1, MFA)
        assert not pending.held
        assert story.wait(10 * H + 4) == story.close(10 * H + 5) == []
        assert story.wait(2 * D) == ["665 nudge i:m1:1#1 known_error:mfa"]

    def test_what_quiet_hours_hold_is_not_sent_while_a_session_runs(self):
        quiet = policy(quiet={"from": "10:00", "to": "20:00"})
        story = Sessions(nudges=[{"after": "1h"}], rules=quiet, session={"timeout": "7d"})
        story.fail(0)
        story.wait(2 * H)
        story.start(3 * H)
        story.profile(4 * HOUR, time_zone="Asia/Tokyo")
        assert story.wait(5 * D) == []

    def test_a_snoozed_workflows_nudges_are_suppressed(self, story: Sessions):
        story.fail(0)
        story.command(10 * MINUTE, type="SNOOZE_NUDGES", workflow_id="i:m1:1", until=instant(2 * D))
        assert [said.split()[-1] for said in story.wait(10 * D)] == [
            "snoozed",
            "snoozed",
            "known_error:authentication",
        ]

    def test_planned_nudges_stand_on_the_page_while_they_are_timed(self, story: Sessions):
        story.fail(0)
        page = story.kept(MemberSnapshot)[-1]
        assert [minutes(nudge.due_at) for nudge in page.pending_nudges] == [61, 1441, 4321]
        assert page.workflows[0].reason == "known_error:authentication"
        story.start(10)
        story.wait(11)
        assert story.kept(MemberSnapshot)[-1].pending_nudges == []
        story.close(12)
        story.wait(13)
        assert len(story.kept(MemberSnapshot)[-1].pending_nudges) == 3

    def test_more_than_a_member_can_have_are_suppressed(self):
        rules = policy(quiet={"from": "00:00", "to": "23:59"})
        plan = [{"after": "30d"}] * 50
        names = {kind: f"{kind}.x" for kind in ("start", "page", "finish", "close")}
        others = [
            intent(f"p{number}", nudges=plan, session={**names, "page": f"page.{number}"})
            for number in range(3)
        ]
        story = Sessions(*others, rules=rules)
        said: list[str] = []
        for number in range(3):
            story.activity(number * MINUTE, type=f"page.{number}", attributes={"name": MFA})
            said += story.say(story.activity((number + 0.5) * MINUTE, type="close.x"))
        assert sum(each.endswith("known_error:mfa capped") for each in said) == 50


class TestMembersWhoGo:
    def test_a_forgotten_member_has_neither_session_nor_plan(self, story: Sessions):
        story.fail(0)
        story.start(10)
        story.command(11 * MINUTE, type="FORGET_MEMBER")
        assert story.kept(WorkflowResolved)[0].resolution == "forgotten"
        assert story.wait(30 * D) == []
        assert story.fail(31 * D, "Home") == []
        assert story.member().cold().intents["i"].attempts == 1

    def test_ids_go_on_after_that(self, story: Sessions):
        story.fail(0)
        story.command(11 * MINUTE, type="FORGET_MEMBER")
        assert story.fail(20) == ["21 opened i:m1:2 known_error:authentication"]

    def test_a_merged_member_keeps_nothing_and_gives_nothing(self, story: Sessions):
        story.fail(0, member="old")
        story.start(10, member="old")
        story.profile(11 * MINUTE, "new")
        story.profile(12 * MINUTE, "old", merged_into="new")
        assert story.kept(WorkflowResolved)[0].resolution == "merged"
        assert story.member("old").hot.states == {}
        assert story.wait(30 * D) == []

    def test_two_silent_years_take_past_sessions(self, story: Sessions):
        story.fail(0, "Home")
        story.wait(731 * D)
        member = story.member()
        assert member.hot.states == {}
        assert member.cold().intents == {}


class TestChangedPlaybooks:
    def change(self, story: Sessions, **keys: Any) -> list[str]:
        playbooks = [intent(**keys)] if keys else [re_engager()]
        story.engine.core = story.core = MemberCore(PlaybookSet(playbooks, policy()))
        story.engine.rearm(story.member())
        return story.say(story._take())

    def test_timeout_expiry_and_steps_are_timed_by_todays(self, story: Sessions):
        story.fail(0)
        self.change(story, expires="2h", nudges=[{"after": "90m"}, {"after": "100m"}, {"after": "110m"}])
        assert [said.split()[0] for said in story.wait(D)] == ["91", "101", "111", "121"]

    def test_a_running_session_times_out_by_todays_timeout(self, story: Sessions):
        story.page(0, MFA)
        self.change(story, session={"timeout": "5m"})
        assert story.wait(D)[0] == "5 opened i:m1:1 known_error:mfa"

    def test_steps_the_plan_no_longer_has_are_dropped(self, story: Sessions):
        story.fail(0)
        assert self.change(story, nudges=[{"after": "2h"}]) == [
            "1 no nudge i:m1:1#1 day-known_error:authentication workflow_resolved",
            "1 no nudge i:m1:1#2 known_error:authentication workflow_resolved",
        ]
        assert story.wait(D) == ["121 nudge i:m1:1#3 known_error:authentication"]

    def test_what_a_session_has_stopped_stays_stopped(self, story: Sessions):
        story.fail(0)
        story.start(10)
        self.change(story, session={"timeout": "2d"})
        assert story.wait(D) == []

    def test_a_playbook_that_is_gone_takes_everything_with_it(self, story: Sessions):
        story.fail(0)
        story.page(10, MFA)
        assert self.change(story)[0] == "10 resolved i:m1:1 playbook_removed"
        member = story.member()
        assert "i" not in member.hot.states
        assert member.cold().intents == {}
        assert [timer for timer in member.hot.timers if timer[2] == "i"] == []
