"""Contract 6.3, sentence by sentence. Instants are minutes; the score crosses at 100, the wait is 20 minutes."""

from __future__ import annotations

import pytest

from app.domain.members import MemberCore
from app.domain.outputs import Nudge, Reactivation, WorkflowOpened
from app.domain.playbook_set import PlaybookSet
from tests.domain.conftest import RestartingEntities
from tests.domain.reactivating import DAY, DONE, OPEN, Funnel, on, said

OPENED = "20 opened react:m1:1 reactivated"
UNTOLD = "20 no nudge react:m1:1#1 reactivated no_channel"


class TestTriggers:
    @pytest.mark.parametrize(("before", "after"), [(99, 100), (0, 500), (-5, 100), (None, 100)])
    def test_a_score_that_crosses_from_below_or_empty_to_at_or_above(self, before, after):
        funnel = Funnel()
        if before is not None:
            funnel.points(-1, before)
        funnel.points(0, after)
        assert funnel.then(20) == ["20 NONE_FOUND"]

    @pytest.mark.parametrize(("before", "after"), [(100, 101), (99, 98), (150, 99), (50, 99)])
    def test_no_other_change_of_the_score(self, before, after):
        funnel = Funnel()
        funnel.points(-100, before)
        funnel.then(-1)
        funnel.points(0, after)
        assert funnel.then(DAY) == []

    def test_nor_a_change_of_another_score(self):
        funnel = Funnel()
        funnel.score(0, score="other", operation="SET", points=200)
        assert funnel.then(DAY) == []

    def test_a_score_that_falls_and_crosses_again_sets_it_off_again(self):
        funnel = Funnel()
        funnel.points(0, 100)
        funnel.points(30, 10)
        funnel.points(40, 100)
        assert funnel.then(DAY) == ["60 NONE_FOUND"]

    def test_a_new_response_in_a_prompt_campaign(self):
        funnel = Funnel(on("response_prompt"))
        funnel.campaign(0, "p1", "Responded", campaign_id="prompt")
        assert funnel.then(20)[0] == "20 PROMPT_KEPT p1 prompt"

    @pytest.mark.parametrize("other", [{"campaign_id": "webinar"}, {"is_response": False}])
    def test_no_response_elsewhere_and_no_non_response_in_it(self, other):
        funnel = Funnel(on("response_prompt"))
        funnel.campaign(0, "p1", "Sent", **{"campaign_id": "prompt", **other})
        assert funnel.then(DAY) == []

    def test_nor_an_update_of_one_that_is_known(self):
        funnel = Funnel(on("response_prompt"))
        funnel.campaign(0, "p1", "Responded", campaign_id="prompt")
        funnel.then(DAY)
        funnel.campaign(DAY, "p1", "Working", campaign_id="prompt")
        assert funnel.then(2 * DAY) == []

    def test_a_non_response_that_becomes_a_response_is_first_seen_as_one_then(self):
        funnel = Funnel(on("response_prompt"))
        funnel.campaign(0, "p1", "Sent", campaign_id="prompt", is_response=False)
        funnel.campaign(5, "p1", "Responded", campaign_id="prompt")
        assert funnel.then(25)[0] == "25 PROMPT_KEPT p1 prompt"

    def test_a_listed_activity(self):
        funnel = Funnel(on("invocable"))
        funnel.asked(0)
        assert funnel.then(20) == ["20 NONE_FOUND"]

    def test_no_other_activity(self):
        funnel = Funnel(on("invocable"))
        funnel.activity(0)
        assert funnel.then(DAY) == []

    @pytest.mark.parametrize(
        ("attributes", "is_met"),
        [
            ({"team": "west", "size": 5}, True),
            ({"team": "west", "size": 5.0, "more": None}, True),
            ({"team": "west"}, False),
            ({"team": "east", "size": 5}, False),
            ({"team": "west", "size": "5"}, False),
            ({"team": "west", "size": None}, False),
            ({}, False),
        ],
    )
    def test_with_those_attributes_all_of_them(self, attributes, is_met):
        funnel = Funnel(on("invocable", where={"team": "west", "size": 5}))
        funnel.asked(0, **attributes)
        assert funnel.then(DAY) == (["20 NONE_FOUND"] if is_met else [])

    @pytest.mark.parametrize(("wanted", "given"), [(True, 1), (1, True), (False, 0)])
    def test_a_number_is_no_boolean(self, wanted, given):
        funnel = Funnel(on("invocable", where={"urgent": wanted}))
        funnel.asked(0, urgent=given)
        assert funnel.then(DAY) == []

    def test_a_lead_status_that_goes_from_an_inactive_one_to_one_that_is_not(self):
        funnel = Funnel(on("active_status"))
        funnel.lead(-5, "Recycled")
        funnel.lead(0, "Open")
        assert funnel.then(20) == ["20 NONE_FOUND"]

    @pytest.mark.parametrize(
        "statuses",
        [["Open"], ["Recycled"], ["Recycled", "Disqualified"], ["Open", "New"], ["Open", "Recycled"]],
    )
    def test_no_other_change_of_the_lead_status(self, statuses):
        funnel = Funnel(on("active_status"))
        for minute, status in enumerate(statuses):
            funnel.lead(minute, status)
        assert funnel.then(DAY) == []

    def test_a_profile_that_says_nothing_of_the_lead_is_no_change(self):
        funnel = Funnel(on("active_status"))
        funnel.lead(0, "Recycled")
        funnel.lead(1, None, owner_id="o1")
        assert funnel.then(DAY) == []

    def test_a_late_word_on_the_lead_does_not_undo_a_newer_one(self):
        funnel = Funnel(on("active_status"))
        funnel.lead(0, "Recycled")
        funnel.lead(10, "Recycled")
        funnel.lead(5, "Open", arrived=12)
        assert funnel.then(DAY) == []

    @pytest.mark.parametrize(
        ("listen", "scenario"),
        [(way, way) for way in ("score", "response_prompt", "invocable", "active_status")],
    )
    def test_the_record_names_the_scenario(self, listen, scenario):
        funnel = Funnel(on(listen))
        funnel.lead(-2, "Recycled")
        funnel.lead(0, "Open")
        funnel.points(0, 100)
        funnel.asked(0)
        funnel.campaign(0, "p1", "Responded", campaign_id="prompt")
        funnel.then(20)
        (record,) = [output for output in funnel.outputs if isinstance(output, Reactivation)]
        assert record.scenario == scenario
        assert (record.playbook, record.cause) == ("react", "timer:wait")


class TestWait:
    def test_what_is_known_at_its_end_decides(self):
        funnel = Funnel()
        funnel.points(0, 100)
        funnel.campaign(19, "r1")
        assert funnel.then(20)[0] == "20 RESPONSE_REACTIVATED r1 webinar"

    def test_what_comes_at_its_very_end_is_too_late(self):
        funnel = Funnel()
        funnel.points(0, 100)
        assert funnel.campaign(20, "r1") == ["20 NONE_FOUND"]

    def test_a_second_trigger_meanwhile_does_nothing(self):
        funnel = Funnel()
        funnel.points(0, 100)
        funnel.points(5, 0)
        funnel.points(10, 100)
        assert funnel.then(DAY) == ["20 NONE_FOUND"]

    def test_a_trigger_at_its_very_end_is_a_new_one(self):
        funnel = Funnel(on("invocable"))
        funnel.asked(0)
        funnel.asked(20)
        assert funnel.then(DAY) == ["40 NONE_FOUND"]

    def test_it_may_be_nothing(self):
        funnel = Funnel(on(wait="0s"))
        funnel.campaign(-5)
        assert funnel.points(0, 100)[0] == "0 RESPONSE_REACTIVATED r1 webinar"

    def test_a_late_trigger_waits_from_its_own_instant_and_decides_at_once_when_that_is_over(self):
        funnel = Funnel(on("invocable"))
        funnel.campaign(60)
        late = funnel.activity(10 / DAY, type="reactivation.requested", arrived=60)
        assert said(late)[0] == "60 RESPONSE_REACTIVATED r1 webinar"

    def test_it_crosses_a_restart(self):
        playbook = on()
        entities = RestartingEntities(MemberCore(PlaybookSet([playbook])))
        funnel = Funnel(playbook, entities=entities)
        funnel.campaign(-5, "r1")
        funnel.points(0, 100)
        funnel.campaign(10, "r2")
        entities.flush()
        parts = {key: dict(each) for key, each in entities.parts.items()}
        again = RestartingEntities(MemberCore(PlaybookSet([playbook])))
        again.parts, again.indexed = parts, dict(entities.indexed)
        after = Funnel(playbook, entities=again)
        for key, due_ms in again.indexed.items():
            after.engine.deadlines.put(due_ms, key)
        assert after.then(20)[0] == "20 RESPONSE_REACTIVATED r2 webinar"

    def test_it_runs_while_a_reactivated_workflow_is_open_and_the_record_is_written_then(self):
        funnel = Funnel(on(skip_if_active=False))
        funnel.lead(-9, None, owner_id="o1")
        funnel.campaign(-5, "r1")
        funnel.points(0, 100)
        funnel.then(30)
        funnel.points(40, 0)
        funnel.campaign(45, "r2")
        funnel.points(50, 100)
        assert funnel.then(DAY) == [
            "70 RESPONSE_REACTIVATED r2 webinar",
            "70 nudge react:m1:1#2 reactivated EMAIL o1",
        ]

    def test_the_workflow_is_then_about_the_response_made_active_last(self):
        funnel = Funnel(on(skip_if_active=False))
        funnel.campaign(-5, "r1")
        funnel.points(0, 100)
        funnel.points(40, 0)
        funnel.campaign(45, "r2")
        funnel.points(50, 100)
        funnel.then(100)
        assert funnel.campaign(110, "r1", "Closed") == []
        assert funnel.campaign(120, "r2", "Closed") == ["120 resolved react:m1:1 response_closed"]


class TestActive:
    @pytest.mark.parametrize("status", [OPEN, "Working"])
    def test_a_response_in_an_active_status_ends_the_matter_without_a_record(self, status):
        funnel = Funnel()
        funnel.campaign(-5, "r1")
        funnel.campaign(-4, "r2", status)
        funnel.points(0, 100)
        assert funnel.then(DAY) == []

    def test_also_one_of_an_excluded_campaign_and_a_non_response(self):
        funnel = Funnel(on(exclude_campaigns=["internal"]))
        funnel.campaign(-4, "r2", OPEN, campaign_id="internal", is_response=False)
        funnel.points(0, 100)
        assert funnel.then(DAY) == []

    def test_unless_that_does_not_matter(self):
        funnel = Funnel(on(skip_if_active=False))
        funnel.campaign(-5, "r1")
        funnel.campaign(-4, "r2", "Working")
        funnel.points(0, 100)
        assert funnel.then(20)[0] == "20 RESPONSE_REACTIVATED r2 webinar"

    def test_a_prompt_campaigns_own_is_no_hindrance(self):
        funnel = Funnel(on("response_prompt"))
        funnel.campaign(-5, "r1")
        funnel.campaign(0, "p1", OPEN, campaign_id="prompt")
        assert funnel.then(20)[0] == "20 RESPONSE_REACTIVATED r1 webinar"

    def test_active_statuses_always_hold_the_active_status(self):
        funnel = Funnel(on(active_status="Hot", active_statuses=[]))
        funnel.campaign(-5, "r1", "Hot")
        funnel.points(0, 100)
        assert funnel.then(DAY) == []


class TestChoice:
    def test_the_most_recent_response_by_its_first_instant(self):
        funnel = Funnel()
        funnel.campaign(-9, "r1")
        funnel.campaign(-8, "r2")
        funnel.campaign(-7, "r1")
        funnel.points(0, 100)
        assert funnel.then(20)[0] == "20 RESPONSE_REACTIVATED r2 webinar"

    def test_of_one_instant_the_last_by_its_id(self):
        funnel = Funnel()
        for response_id in ("r2", "r3", "r1"):
            funnel.campaign(-5, response_id)
        funnel.points(0, 100)
        assert funnel.then(20)[0] == "20 RESPONSE_REACTIVATED r3 webinar"

    def test_a_response_before_a_more_recent_non_response(self):
        funnel = Funnel()
        funnel.campaign(-9, "r1")
        funnel.campaign(-8, "n1", is_response=False)
        funnel.points(0, 100)
        assert funnel.then(20)[0] == "20 RESPONSE_REACTIVATED r1 webinar"

    def test_else_the_most_recent_non_response(self):
        funnel = Funnel()
        funnel.campaign(-9, "n1", is_response=False)
        funnel.campaign(-8, "n2", is_response=False)
        funnel.points(0, 100)
        assert funnel.then(20)[0] == "20 NON_RESPONSE_ACTIVATED n2 webinar"

    def test_unless_non_responses_will_not_do(self):
        funnel = Funnel(on(non_responses=False))
        funnel.campaign(-9, "n1", is_response=False)
        funnel.points(0, 100)
        assert funnel.then(20) == ["20 NONE_FOUND"]

    def test_else_the_default_response(self):
        funnel = Funnel(on(default_response={"campaign_id": "web"}))
        funnel.points(0, 100)
        assert funnel.then(20)[0] == "20 DEFAULT_INSERTED default:react:m1:1 web"

    def test_else_none(self):
        funnel = Funnel()
        funnel.points(0, 100)
        assert funnel.then(DAY) == ["20 NONE_FOUND"]
        (record,) = [output for output in funnel.outputs if isinstance(output, Reactivation)]
        assert (record.response_id, record.campaign_id, record.status) == (None, None, None)
        assert (record.sync_fields, record.assign_to) == ({}, None)

    def test_excluded_campaigns_never(self):
        funnel = Funnel(on(exclude_campaigns=["internal"]))
        funnel.campaign(-5, "r1", campaign_id="internal")
        funnel.points(0, 100)
        assert funnel.then(DAY) == ["20 NONE_FOUND"]

    def test_responses_of_prompt_campaigns_are_no_candidates_for_that_way_of_listening(self):
        funnel = Funnel(on("response_prompt"))
        funnel.campaign(-9, "r1")
        funnel.campaign(-5, "p0", campaign_id="prompt", is_response=False)
        funnel.campaign(0, "p1", "Responded", campaign_id="prompt")
        assert funnel.then(20)[0] == "20 RESPONSE_REACTIVATED r1 webinar"

    def test_for_the_others_they_are_responses_like_any(self):
        funnel = Funnel(on("invocable"))
        funnel.campaign(-5, "p1", campaign_id="prompt")
        funnel.asked(0)
        assert funnel.then(20)[0] == "20 RESPONSE_REACTIVATED p1 prompt"

    def test_the_prompt_kept_is_the_one_that_set_it_off(self):
        funnel = Funnel(on("response_prompt"))
        funnel.campaign(0, "p1", "Responded", campaign_id="prompt")
        funnel.campaign(5, "p2", "Responded", campaign_id="prompt")
        assert funnel.then(DAY)[0] == "20 PROMPT_KEPT p1 prompt"
        assert funnel.known()["p1"].status == OPEN
        assert funnel.known()["p2"].status == "Responded"

    def test_a_default_comes_before_the_prompt(self):
        funnel = Funnel(on("response_prompt", default_response={"campaign_id": "web"}))
        funnel.campaign(0, "p1", "Responded", campaign_id="prompt")
        assert funnel.then(20)[0] == "20 DEFAULT_INSERTED default:react:m1:1 web"


def used(funnel: Funnel, response_id: str, at: float) -> None:
    """Have a response reactivated, and closed again, long before."""
    funnel.points(at, 100)
    funnel.then(at + 20)
    funnel.campaign(at + 21, response_id, "Closed")
    funnel.points(at + 22, 0)


LONG_AGO, RECENTLY = -100 * DAY, -5 * DAY


class TestEligible:
    """Three signs: not reactivated before, an eligible status, not too old."""

    @pytest.mark.parametrize(
        ("before", "status", "at", "by_any", "by_all"),
        [
            (False, DONE, RECENTLY, True, True),
            (False, DONE, LONG_AGO, True, False),
            (False, "Closed", RECENTLY, True, False),
            (False, "Closed", LONG_AGO, True, False),
            (True, DONE, RECENTLY, True, False),
            (True, DONE, LONG_AGO, True, False),
            (True, "Closed", RECENTLY, True, False),
            (True, "Closed", LONG_AGO, False, False),
        ],
    )
    def test_any_one_of_them_or_all(self, before, status, at, by_any, by_all):
        for word, expected in (("any", by_any), ("all", by_all)):
            funnel = Funnel(on(eligible=word))
            funnel.campaign(at, "r1")
            if before:
                used(funnel, "r1", at + 1)
            funnel.campaign(-60, "r1", status)
            funnel.points(0, 100)
            found = "20 RESPONSE_REACTIVATED r1 webinar" if expected else "20 NONE_FOUND"
            assert funnel.then(20)[0] == found

    @pytest.mark.parametrize(
        ("age_ms", "expected"), [(0, "RESPONSE_REACTIVATED"), (1, "NONE_FOUND"), (-1, "RESPONSE_REACTIVATED")]
    )
    def test_a_response_exactly_look_back_before_the_trigger_is_recent_enough(self, age_ms, expected):
        funnel = Funnel(on(eligible="all", look_back="90d"))
        funnel.campaign(-90 * DAY - age_ms / 60_000, "r1")
        funnel.points(0, 100)
        assert funnel.then(20)[0].split()[1] == expected

    def test_the_look_back_is_from_the_trigger_not_from_the_end_of_the_wait(self):
        funnel = Funnel(on(eligible="all", look_back="1d"))
        funnel.campaign(-DAY, "r1")
        funnel.points(0, 100)
        assert funnel.then(20)[0] == "20 RESPONSE_REACTIVATED r1 webinar"

    def test_a_response_during_the_wait_is_recent(self):
        funnel = Funnel(on(eligible="all", look_back="0s"))
        funnel.points(0, 100)
        funnel.campaign(10, "r1")
        assert funnel.then(20)[0] == "20 RESPONSE_REACTIVATED r1 webinar"

    def test_all_with_no_eligible_status_finds_nothing(self):
        funnel = Funnel(on(eligible="all", eligible_statuses=[]))
        funnel.campaign(-5, "r1")
        funnel.points(0, 100)
        assert funnel.then(20) == ["20 NONE_FOUND"]

    @pytest.mark.parametrize("is_response", [True, False])
    def test_reactivated_and_activated_mark_the_response(self, is_response):
        funnel = Funnel()
        funnel.campaign(-5, "r1", is_response=is_response)
        funnel.points(0, 100)
        funnel.then(20)
        assert funnel.known()["r1"].reactivated
        assert funnel.known()["r1"].is_response is is_response

    def test_kept_does_not(self):
        funnel = Funnel(on("response_prompt"))
        funnel.campaign(0, "p1", "Responded", campaign_id="prompt")
        funnel.then(20)
        assert not funnel.known()["p1"].reactivated

    def test_inserted_does_not_so_it_is_a_candidate_later(self):
        funnel = Funnel(
            on(eligible="all", eligible_statuses=["Closed"], default_response={"campaign_id": "web"})
        )
        funnel.points(0, 100)
        funnel.then(20)
        assert not funnel.known()["default:react:m1:1"].reactivated
        funnel.campaign(30, "default:react:m1:1", "Closed", campaign_id="web")
        funnel.points(40, 0)
        funnel.points(50, 100)
        assert funnel.then(70)[0] == "70 RESPONSE_REACTIVATED default:react:m1:1 web"

    def test_the_mark_holds_for_all_playbooks(self):
        either = {"eligible": "all", "skip_if_active": False}
        funnel = Funnel(on(name="a", **either), on("invocable", name="b", **either))
        funnel.campaign(-5, "r1")
        funnel.points(0, 100)
        funnel.then(20)
        funnel.campaign(21, "r1")
        funnel.asked(30)
        assert funnel.then(50) == ["50 NONE_FOUND"]


class TestOutcome:
    def test_the_record_with_its_fields_then_the_workflow_then_the_nudges(self):
        funnel = Funnel(
            on(sync_fields={"funnel": "restart"}, assign_to="sdr", notify=["owner", "coach", "member"])
        )
        funnel.lead(-9, None, owner_id="o1", coach_id="c1", email="m@example.org")
        funnel.campaign(-5, "r1")
        funnel.points(0, 100)
        funnel.then(20)
        outputs = [
            output for output in funnel.outputs if isinstance(output, (Reactivation, WorkflowOpened, Nudge))
        ]
        record, opened, *nudges = outputs
        assert record.action == "RESPONSE_REACTIVATED"
        assert (record.status, record.sync_fields, record.assign_to) == (OPEN, {"funnel": "restart"}, "sdr")
        assert (opened.workflow_id, opened.kind, opened.reason) == (
            "react:m1:1",
            "reactivation",
            "reactivated",
        )
        assert opened.context == {
            "action": "RESPONSE_REACTIVATED",
            "response_id": "r1",
            "campaign_id": "webinar",
        }
        assert [(nudge.nudge_id, nudge.recipient_id, nudge.template) for nudge in nudges] == [
            ("react:m1:1#1", "o1", "reactivated"),
            ("react:m1:1#2", "c1", "reactivated"),
            ("react:m1:1#3", "m1", "reactivated"),
        ]
        assert all(nudge.workflow_id == "react:m1:1" and nudge.context == opened.context for nudge in nudges)

    def test_an_owner_nobody_knows_is_a_suppressed_nudge(self):
        funnel = Funnel()
        funnel.campaign(-5, "r1")
        funnel.points(0, 100)
        assert funnel.then(20) == ["20 RESPONSE_REACTIVATED r1 webinar", OPENED, UNTOLD]

    def test_nobody_to_notify_is_no_nudge(self):
        funnel = Funnel(on(notify=[]))
        funnel.campaign(-5, "r1")
        funnel.points(0, 100)
        assert funnel.then(20) == ["20 RESPONSE_REACTIVATED r1 webinar", OPENED]

    def test_the_response_takes_the_active_status(self):
        funnel = Funnel(on(active_status="Hot"))
        funnel.campaign(-5, "r1")
        funnel.points(0, 100)
        funnel.then(20)
        assert funnel.known()["r1"].status == "Hot"

    def test_inserted_defaults_are_counted_and_open_a_workflow(self):
        default = {"campaign_id": "web", "status": "Responded"}
        funnel = Funnel(on(default_response=default, skip_if_active=False, eligible="all", notify=[]))
        funnel.points(0, 100)
        assert funnel.then(20) == ["20 DEFAULT_INSERTED default:react:m1:1 web", OPENED]
        opened = funnel.outputs[-2]
        assert opened.context["inserted_status"] == "Responded"
        assert funnel.known()["default:react:m1:1"].is_response
        funnel.points(30, 0)
        funnel.points(40, 100)
        assert funnel.then(60) == ["60 DEFAULT_INSERTED default:react:m1:2 web"]

    def test_a_second_workflow_has_the_next_number(self):
        funnel = Funnel(on(notify=[]))
        funnel.campaign(-5, "r1")
        funnel.points(0, 100)
        funnel.then(20)
        funnel.campaign(30, "r1")
        funnel.points(40, 0)
        funnel.points(50, 100)
        assert funnel.then(70)[1] == "70 opened react:m1:2 reactivated"


@pytest.fixture
def working() -> Funnel:
    """A member whose response r1 was reactivated at 20."""
    funnel = Funnel(on(inactive_statuses=["Recycled"], notify=[]))
    funnel.campaign(-5, "r1")
    funnel.points(0, 100)
    funnel.then(20)
    return funnel


class TestResolved:
    def test_when_that_response_takes_a_status_that_is_not_active(self, working: Funnel):
        assert working.campaign(30, "r1", "Closed") == ["30 resolved react:m1:1 response_closed"]

    def test_not_when_it_takes_another_active_one(self, working: Funnel):
        assert working.campaign(30, "r1", "Working") == []

    def test_not_when_another_response_does(self, working: Funnel):
        assert working.campaign(30, "r2", "Closed") == []

    def test_not_by_a_late_word_from_before_it_was_made_active(self, working: Funnel):
        assert working.campaign(15, "r1", "Closed", arrived=30) == []
        assert working.known()["r1"].status == OPEN

    def test_when_the_lead_turns_inactive(self, working: Funnel):
        assert working.lead(30, "Open") == []
        assert working.lead(31, "Recycled") == ["31 resolved react:m1:1 lead_inactive"]

    def test_a_lead_that_was_inactive_before_does_not_turn_so(self):
        funnel = Funnel(on(inactive_statuses=["Recycled", "Lost"], notify=[]))
        funnel.lead(-9, "Recycled")
        funnel.campaign(-5, "r1")
        funnel.points(0, 100)
        funnel.then(20)
        assert funnel.lead(30, "Lost") == []
        funnel.lead(31, "Open")
        assert funnel.lead(32, "Lost") == ["32 resolved react:m1:1 lead_inactive"]

    def test_by_hand_after_which_nothing_of_it_is_left_to_resolve(self, working: Funnel):
        assert working.order(30, workflow_id="react:m1:1") == ["30 resolved react:m1:1 operator"]
        assert working.campaign(31, "r1", "Closed") == []

    def test_by_another_playbook_that_gives_the_response_a_status_of_its_own(self):
        funnel = Funnel(
            on(name="a", notify=[]),
            on("invocable", name="b", active_status="Hot", skip_if_active=False, notify=[]),
        )
        funnel.campaign(-5, "r1")
        funnel.points(0, 100)
        funnel.then(20)
        funnel.asked(30)
        assert funnel.then(50) == [
            "50 RESPONSE_REACTIVATED r1 webinar",
            "50 resolved a:m1:1 response_closed",
            "50 opened b:m1:1 reactivated",
        ]

    def test_its_nudges_that_wait_are_dropped(self):
        funnel = Funnel(on(notify=["member"]))
        funnel.lead(0, None, time_zone="Europe/Berlin", email="m@example.org")
        funnel.campaign(1, "r1")
        # 23:40 in Berlin when the wait is over: quiet hours.
        funnel.points(740, 100)
        assert funnel.then(760)[1:] == ["760 opened react:m1:1 reactivated"]
        assert funnel.campaign(770, "r1", "Closed") == [
            "770 resolved react:m1:1 response_closed",
            "770 no nudge react:m1:1#1 reactivated workflow_resolved",
        ]


class TestForgottenAndMerged:
    def test_forgotten_nothing_is_known_and_no_id_is_used_twice(self):
        funnel = Funnel(on(default_response={"campaign_id": "web"}, notify=[]))
        funnel.points(0, 100)
        funnel.then(20)
        assert funnel.order(30, type="FORGET_MEMBER")[0] == "30 resolved react:m1:1 forgotten"
        assert funnel.known() == {}
        funnel.points(40, 100)
        assert funnel.then(60) == [
            "60 DEFAULT_INSERTED default:react:m1:2 web",
            "60 opened react:m1:2 reactivated",
        ]

    def test_forgotten_while_it_waits_nothing_comes_of_it(self):
        funnel = Funnel()
        funnel.points(0, 100)
        funnel.order(10, type="FORGET_MEMBER")
        assert funnel.then(DAY) == []

    def test_merged_away_while_it_waits_the_wait_is_over_and_the_other_has_the_responses(self):
        funnel = Funnel(on("invocable", notify=[]))
        funnel.campaign(-5, "r1", member="old")
        funnel.asked(0, "old")
        funnel.lead(0, None, member="new")
        funnel.lead(10, None, member="old", merged_into="new")
        assert funnel.then(DAY) == []
        assert list(funnel.known("new")) == ["r1"]
        funnel.asked(DAY, "new")
        assert funnel.then(DAY + 20)[0] == f"{DAY + 20} RESPONSE_REACTIVATED r1 webinar"

    def test_a_merged_score_that_crosses_sets_it_off_and_merged_prompts_do_not(self):
        funnel = Funnel(on(notify=[]), on("response_prompt", name="prompted", notify=[]))
        funnel.campaign(-5, "p1", "Responded", member="old", campaign_id="prompt")
        funnel.then(20)
        funnel.campaign(21, "p1", "Closed", member="old", campaign_id="prompt")
        funnel.points(30, 60, member="old")
        funnel.points(30, 60, member="new")
        funnel.lead(40, None, member="old", merged_into="new")
        assert funnel.then(60) == [
            "60 RESPONSE_REACTIVATED p1 prompt",
            "60 opened react:new:1 reactivated",
        ]
        assert funnel.then(DAY) == []

    def test_a_merge_that_closes_the_response_resolves_the_new_members_workflow(self):
        funnel = Funnel(on(notify=[]))
        funnel.campaign(-5, "r1", member="new")
        funnel.points(0, 100, member="new")
        funnel.then(20)
        funnel.campaign(30, "r1", "Closed", member="old")
        assert "40 resolved react:new:1 response_closed" in funnel.lead(
            40, None, member="old", merged_into="new"
        )


class TestChangedPlaybooks:
    @staticmethod
    def change(funnel: Funnel, *playbooks) -> list[str]:
        funnel.engine.core = funnel.core = MemberCore(PlaybookSet(playbooks))
        for member in funnel.engine.entities.by_key.values():
            funnel.engine.rearm(member)
        return said(funnel._take())

    def test_a_wait_that_runs_is_timed_anew_from_its_trigger(self):
        funnel = Funnel()
        funnel.points(0, 100)
        assert self.change(funnel, on(wait="2h")) == []
        assert funnel.then(DAY) == ["120 NONE_FOUND"]

    def test_one_that_would_be_over_decides_at_once_at_the_members_now(self):
        funnel = Funnel()
        funnel.points(0, 100)
        funnel.lead(15, None, owner_id="o")
        assert self.change(funnel, on(wait="5m")) == ["15 NONE_FOUND"]

    def test_a_status_that_is_no_longer_active_resolves(self, working: Funnel):
        working.campaign(30, "r1", "Working")
        assert self.change(working, on(active_statuses=[], notify=[])) == [
            "30 resolved react:m1:1 response_closed"
        ]

    def test_a_lead_status_that_is_inactive_by_now_resolves(self, working: Funnel):
        working.lead(30, "Lost")
        assert self.change(working, on(inactive_statuses=["Lost"])) == [
            "30 resolved react:m1:1 lead_inactive"
        ]

    def test_nothing_is_set_off_and_a_new_playbook_knows_the_lead(self):
        funnel = Funnel()
        funnel.lead(0, "Recycled")
        assert self.change(funnel, on("active_status", name="back")) == []
        funnel.lead(10, "Open")
        assert funnel.then(DAY) == ["30 NONE_FOUND"]

    def test_a_playbook_that_is_gone_takes_wait_and_workflow_with_it_but_not_the_count(self):
        default = {"default_response": {"campaign_id": "web"}, "notify": []}
        funnel = Funnel(on(**default))
        funnel.points(0, 100)
        funnel.then(20)
        funnel.campaign(25, "default:react:m1:1", "Closed", campaign_id="web")
        funnel.points(30, 0)
        funnel.points(40, 100)
        assert self.change(funnel, on("invocable", name="other")) == []
        assert funnel.then(DAY) == []
        self.change(funnel, on(eligible="all", **default))
        funnel.points(DAY + 1, 0)
        funnel.points(DAY + 2, 100)
        assert funnel.then(2 * DAY)[0] == f"{DAY + 22} DEFAULT_INSERTED default:react:m1:2 web"

    def test_a_playbook_that_is_gone_resolves_its_workflow(self, working: Funnel):
        assert self.change(working, on("invocable", name="other")) == [
            "20 resolved react:m1:1 playbook_removed"
        ]
