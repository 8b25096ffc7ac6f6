"""Reactivation explained: as it happened, on random histories, and in the words a person reads."""

from __future__ import annotations

import pytest
from hypothesis import given

from app.domain.explain.reactivation import WAITS
from app.domain.explain.standing import standing_of
from app.domain.reactivation import WAIT_TIMER
from tests.domain import test_reactivation_property as history
from tests.domain.conftest import MONDAY_MS
from tests.domain.explain.test_agreement import Watching, assert_explained
from tests.domain.explain.watching import WatchedStory
from tests.domain.reactivating import DAY, MINUTE_MS, Funnel, on

END_MS = MONDAY_MS + history.END * MINUTE_MS


def arrivals_of(drawn):
    return [
        (MONDAY_MS + arrival.arrived * MINUTE_MS, history.record_of(number, arrival))
        for number, arrival in enumerate(drawn)
    ]


@given(history.histories(whole=True))
def test_reactivations_are_explained_as_they_happened(drawn):
    assert_explained(history.ALL, arrivals_of(drawn), END_MS, ["m1"])


@given(history.histories(whole=True))
def test_a_wait_begins_exactly_if_its_conditions_hold(drawn):
    watching = Watching(history.ALL, "m1")
    watching.play(arrivals_of(drawn), END_MS)
    for step in watching.steps:
        begun = {playbook for _, name, playbook, _ in step.armed if name == WAIT_TIMER}
        told = {each.playbook for each in step.considered if each.outcome == WAITS and each.holds}
        assert begun == told


class WatchedFunnel(WatchedStory, Funnel):
    """A watched story told in minutes."""


@pytest.mark.parametrize(
    ("playbook", "tell", "failed"),
    [
        (on(), lambda story: story.points(0, 99), ["engagement goes from empty to 99, not over 100"]),
        (
            on("invocable", where={"kind": "demo"}),
            lambda story: story.asked(0, kind="call"),
            ["attributes {'kind': 'call'} do not have {'kind': 'demo'}"],
        ),
        (
            on("response_prompt"),
            lambda story: story.campaign(0),
            ["no workflow is open", "response r1 is not the first of its in a prompt campaign (webinar)"],
        ),
        (
            on("active_status"),
            lambda story: story.lead(0, "Open"),
            ["told Open: the lead stays active", "the lead stays active"],
        ),
    ],
)
def test_what_is_no_trigger_says_why(playbook, tell, failed):
    story = WatchedFunnel(playbook)
    story.lead(-1, "New")
    tell(story)
    assert story.why_not("react") == failed


def test_a_trigger_during_a_wait_says_since_when_it_waits():
    story = WatchedFunnel(on("invocable"))
    story.asked(0)
    story.asked(5)
    assert story.why_not("react") == ["a wait is under way since 2026-01-05T10:00:00.000Z"]


def test_an_active_response_ends_the_matter():
    story = WatchedFunnel(on("invocable"))
    story.campaign(0, status="Working")
    story.asked(1)
    story.then(21)
    assert story.why_not("react") == ["response r1 is active already, Working"]


def test_where_nothing_is_eligible_each_candidate_has_its_reason():
    story = WatchedFunnel(on("invocable", eligible="all", exclude_campaigns=["web"], non_responses=False))
    story.campaign(0, "old", "Resolved")
    story.campaign(95 * DAY, "shut", "Closed")
    story.campaign(95 * DAY + 1, "web", campaign_id="web")
    story.asked(100 * DAY)
    story.then(100 * DAY + 20)
    assert story.why_not("react") == [
        "none of 3 responses is eligible (web: campaign web is excluded; shut: status Closed; old: 100 d old)"
    ]


def test_it_says_what_it_waits_for():
    story = WatchedFunnel(on())
    story.points(0, 5)
    standing = standing_of(story.core.playbooks, story.watched.member, MONDAY_MS)
    assert [each.failed.says for each in standing.waiting] == [
        "waits for its trigger: engagement crosses 100"
    ] * 2
    story.points(1, 100)
    standing = standing_of(story.core.playbooks, story.watched.member, MONDAY_MS + MINUTE_MS)
    assert standing.waiting[0].failed.says == "waits until 2026-01-05T10:21:00.000Z, 20 min after its trigger"
    assert standing.wakes[0].purpose == "chooses which past response to make active, with what is known then"
