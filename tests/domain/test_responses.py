"""What is kept of campaign records, how many of them, and what a merge and two years of silence make of them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.bounds import UNTOUCHED_MS
from app.domain.crossings import MemberMoved, MergeStep, MovedResponse
from app.domain.events import Activity
from app.domain.instants import DAY_MS
from app.domain.reactivation_choice import ChoiceRules, choose
from app.domain.responses import MOST_RESPONSES, Response, take_over_responses
from app.domain.sink import Sink
from app.domain.state import COLD_PART, HOT_PART
from tests.domain.conftest import MONDAY_MS, RestartingEntities, days, re_engager
from tests.domain.reactivating import DAY, DONE, MINUTE_MS, OPEN, Funnel, on


def at(minute: float) -> int:
    return MONDAY_MS + round(minute * MINUTE_MS)


class TestFacts:
    def test_a_response_is_kept_whatever_the_playbooks_are(self):
        funnel = Funnel(re_engager())
        funnel.campaign(0, "r1", "Sent", is_response=False)
        assert funnel.known() == {"r1": Response("webinar", False, "Sent", at(0), at(0))}

    def test_the_same_id_again_updates_it_and_keeps_its_first_instant(self):
        funnel = Funnel()
        funnel.campaign(0, "r1", "Sent", is_response=False)
        funnel.campaign(5, "r1", "Responded", campaign_id="fair")
        assert funnel.known() == {"r1": Response("fair", True, "Responded", at(0), at(5))}

    def test_an_update_for_an_unknown_response_is_its_first_sight(self):
        funnel = Funnel()
        assert funnel.campaign(0, "never-heard-of", "Updated", campaign_id="unheard-of") == []
        assert funnel.known()["never-heard-of"].occurred_ms == at(0)

    def test_of_two_words_of_one_instant_the_second_counts(self):
        funnel = Funnel()
        funnel.campaign(0, "r1", "Sent")
        funnel.campaign(0, "r1", "Responded")
        assert funnel.known()["r1"].status == "Responded"

    def test_a_late_word_does_not_undo_a_newer_one_but_its_instant_counts_as_the_first(self):
        funnel = Funnel()
        funnel.campaign(10, "r1", "Responded")
        funnel.campaign(5, "r1", "Sent", is_response=False, arrived=11)
        assert funnel.known() == {"r1": Response("webinar", True, "Responded", at(5), at(10))}

    def test_a_late_word_newer_than_what_is_known_of_that_response_counts(self):
        funnel = Funnel()
        funnel.campaign(0, "r1", "Sent")
        funnel.campaign(10, "r2", "Sent")
        funnel.campaign(5, "r1", "Responded", arrived=11)
        assert funnel.known()["r1"] == Response("webinar", True, "Responded", at(0), at(5))

    def test_a_record_sent_twice_is_one(self):
        funnel = Funnel()
        funnel.campaign(0, "r1", "Sent", event_id="e")
        funnel.campaign(1, "r1", "Responded", event_id="e")
        assert funnel.known()["r1"].status == "Sent"

    def test_it_makes_a_member_and_changes_nothing_on_the_page_after_that(self):
        funnel = Funnel()
        assert len(funnel.outputs) == 0
        funnel.campaign(0, "r1")
        assert [output.topic for output in funnel.outputs] == ["member-snapshot"]
        funnel.campaign(DAY, "r2")
        assert len(funnel.outputs) == 1

    def test_it_lies_in_the_cold_part_which_an_unrelated_event_neither_reads_nor_writes(self):
        funnel = Funnel(on(), re_engager())
        funnel.engine.entities = entities = RestartingEntities(funnel.core)
        for number in range(MOST_RESPONSES):
            funnel.campaign(number, f"r{number}")
        entities.flush()
        read: list[int] = []

        def reading(part: int) -> bytes | None:
            read.append(part)
            return entities.parts["m1"].get(part)

        member = funnel.core.load("m1", reading)
        assert member is not None
        fields: dict[str, Any] = {"event_id": "unrelated", "member_id": "m1", "occurred_at": days(1)}
        assert funnel.core.apply(member, Activity(**fields, type="article.read", channel="APP"), Sink())
        written = dict(funnel.core.dump(member))
        assert COLD_PART not in read
        assert COLD_PART not in written
        assert len(written[HOT_PART] or b"") < 300


class TestBound:
    def test_the_hundred_and_first_pushes_out_the_oldest(self):
        funnel = Funnel()
        for number in range(MOST_RESPONSES + 1):
            funnel.campaign(number, f"r{number}")
        assert list(funnel.known()) == [f"r{number}" for number in range(1, MOST_RESPONSES + 1)]

    def test_those_no_playbook_can_need_go_first(self):
        funnel = Funnel(on(exclude_campaigns=["internal"], non_responses=False))
        funnel.campaign(0, "oldest")
        for number in range(MOST_RESPONSES):
            fields = {"campaign_id": "internal"} if number % 2 else {"is_response": False}
            funnel.campaign(10 + number, f"useless{number:02}", **fields)
        assert "oldest" in funnel.known()
        assert "useless00" not in funnel.known()

    def test_what_one_playbook_excludes_another_may_need(self):
        funnel = Funnel(on(exclude_campaigns=["internal"]), on("invocable", name="other"))
        funnel.campaign(0, "old", "Closed", is_response=False)
        for number in range(MOST_RESPONSES):
            funnel.campaign(10 + number, f"r{number}", campaign_id="internal")
        # The only non-response is what either would fall back on.
        assert {"old", "r99"} <= set(funnel.known())
        assert "r0" not in funnel.known()

    def test_without_any_playbook_that_needs_them_the_oldest_go(self):
        funnel = Funnel(re_engager())
        for number in range(MOST_RESPONSES + 5):
            funnel.campaign(number, f"r{number}")
        assert min(response.occurred_ms for response in funnel.known().values()) == at(5)

    def test_the_response_being_worked_on_stays_and_so_does_the_prompt_of_a_wait(self):
        funnel = Funnel(on(skip_if_active=False, notify=[]), on("response_prompt", name="prompted"))
        funnel.campaign(0, "r1")
        funnel.points(1, 100)
        funnel.then(21)
        funnel.campaign(22, "p1", "Responded", campaign_id="prompt")
        for number in range(3 * MOST_RESPONSES):
            funnel.campaign(23 + number / 100, f"n{number}")
        assert {"r1", "p1"} <= set(funnel.known())
        assert len(funnel.known()) == MOST_RESPONSES
        assert funnel.campaign(30, "r1", "Closed") == ["30 resolved react:m1:1 response_closed"]

    @given(st.data())
    def test_what_a_playbook_would_decide_now_is_the_same_after_thinning(self, data: st.DataObject):
        listen = data.draw(st.sampled_from(["invocable", "response_prompt"]))
        keys: dict[str, Any] = {
            "eligible": data.draw(st.sampled_from(["any", "all"])),
            "skip_if_active": data.draw(st.booleans()),
            "non_responses": data.draw(st.booleans()),
            "exclude_campaigns": ["internal"],
            "look_back": "1d",
            "wait": "0s",
        }
        funnel = Funnel(on(listen, **keys))
        status = st.sampled_from([DONE] * 3 + ["Closed"] * 3 + [OPEN])
        campaign = st.sampled_from(["webinar", "internal", "fair"])
        kept: dict[str, Response] = {}
        size = MOST_RESPONSES + data.draw(st.integers(1, 30))
        rnd = data.draw(st.randoms(use_true_random=False))
        skew = data.draw(
            st.lists(st.tuples(campaign, st.booleans(), status, st.booleans()), min_size=1, max_size=6)
        )
        for number in range(size):
            campaign_id, is_response, word, reactivated = rnd.choice(skew)
            told = at(-number * 20)
            kept[f"r{number}"] = Response(campaign_id, is_response, word, told, told, reactivated)
        funnel.lead(0, None)
        rules: ChoiceRules = funnel.core.playbooks.by_name["react"].rules  # type: ignore[attr-defined]
        before = choose(rules, kept, at(1))
        funnel.engine.apply("m1", moved_history(kept))
        assert len(funnel.known()) == MOST_RESPONSES
        assert choose(rules, funnel.known(), at(1)) == before


def moved_history(responses: dict[str, Response]) -> Any:
    """The history of somebody with these responses, merged into m1 a minute after that Monday."""
    return MemberMoved(
        event_id="moved",
        occurred_at=at(1),
        cause="e",
        member_id="m1",
        from_member_id="old",
        path=[MergeStep(member_id="old", merged_at=at(1))],
        responses=[
            MovedResponse(
                response_id=name,
                campaign_id=each.campaign_id,
                is_response=each.is_response,
                status=each.status,
                occurred_at=each.occurred_ms,
                told_at=each.told_ms,
                reactivated=each.reactivated,
            )
            for name, each in responses.items()
        ],
    )


class TestMerge:
    def test_the_new_member_has_the_responses_of_both(self):
        funnel = Funnel()
        funnel.campaign(0, "r1", member="old")
        funnel.campaign(1, "r2", member="new")
        funnel.lead(2, None, member="old", merged_into="new")
        assert set(funnel.known("new")) == {"r1", "r2"}

    def test_of_one_both_know_the_first_sight_the_newest_word_and_the_mark_count(self):
        funnel = Funnel(on(notify=[]))
        funnel.campaign(0, "r1", member="old")
        funnel.points(0, 100, member="old")
        funnel.then(20)
        funnel.campaign(10, "r1", "Early", member="new", arrived=21)
        funnel.campaign(30, "r2", "Early", member="old")
        funnel.campaign(31, "r2", "Newest", member="new")
        funnel.lead(40, None, member="old", merged_into="new")
        assert funnel.known("new") == {
            "r1": Response("webinar", True, OPEN, at(0), at(20), True),
            "r2": Response("webinar", True, "Newest", at(30), at(31)),
        }

    def test_of_two_words_of_one_instant_the_new_members_own_counts(self):
        funnel = Funnel()
        funnel.campaign(0, "r1", "Old", member="old")
        funnel.campaign(0, "r1", "Own", member="new")
        funnel.lead(1, None, member="old", merged_into="new")
        assert funnel.known("new")["r1"].status == "Own"

    def test_later_records_of_the_old_id_are_the_new_members(self):
        funnel = Funnel(on("response_prompt", notify=[]))
        funnel.lead(0, None, member="new")
        funnel.lead(1, None, member="old", merged_into="new")
        funnel.campaign(2, "p1", "Responded", member="old", campaign_id="prompt")
        assert funnel.then(22) == ["22 PROMPT_KEPT p1 prompt", "22 opened react:new:1 reactivated"]

    def test_a_merge_keeps_to_the_bound(self):
        funnel = Funnel()
        for number in range(80):
            funnel.campaign(number, f"o{number}", member="old")
            funnel.campaign(number, f"n{number}", member="new")
        funnel.lead(100, None, member="old", merged_into="new")
        assert len(funnel.known("new")) == MOST_RESPONSES
        assert {"o79", "n79"} <= set(funnel.known("new"))

    def test_a_history_without_responses_touches_nothing(self):
        take_over_responses(None, [])  # type: ignore[arg-type]


class TestTwoYears:
    def test_a_member_untouched_loses_its_responses_and_keeps_its_profile(self):
        funnel = Funnel()
        funnel.lead(0, None, email="a@example.org")
        funnel.campaign(1, "r1")
        funnel.until(UNTOUCHED_MS / DAY_MS)
        assert set(funnel.known()) == {"r1"}
        funnel.until(UNTOUCHED_MS / DAY_MS + 1)
        assert funnel.known() == {}
        assert funnel.member().cold().profile.email == "a@example.org"

    def test_the_stored_part_loses_them_too(self):
        funnel = Funnel()
        funnel.engine.entities = entities = RestartingEntities(funnel.core)
        funnel.campaign(0, "r1")
        funnel.until(UNTOUCHED_MS / DAY_MS + 1)
        assert funnel.known() == {}
        entities.flush()
        assert b"webinar" not in entities.parts["m1"][COLD_PART]

    def test_with_a_reactivated_workflow_open_nothing_goes(self):
        funnel = Funnel(on(notify=[]))
        funnel.campaign(0, "r1")
        funnel.points(1, 100)
        funnel.until(3 * UNTOUCHED_MS / DAY_MS)
        assert set(funnel.known()) == {"r1"}
        assert funnel.member().hot.now_ms < days(1)
