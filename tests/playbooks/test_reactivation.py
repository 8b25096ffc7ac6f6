"""`kind = "reactivation"`: defaults, refusals with their place and likely fix, and the four shipped scenarios."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.errors import UserErrors
from app.domain.instants import DAY_MS, MINUTE_MS
from app.domain.reactivation import Reactivation
from app.domain.reactivation_choice import ChoiceRules
from app.domain.reactivation_triggers import ActivityTrigger, ScoreTrigger
from app.playbooks.loader import DEFAULTS, load_playbooks
from app.playbooks.reactivation import ReactivationModel
from tests.domain.reactivating import DAY, Funnel

Folder = Callable[..., Path]

SCORE = 'kind = "reactivation"\nlisten = "score"\nthreshold = 100\n'
PROMPT = 'kind = "reactivation"\nlisten = "response_prompt"\nprompt_campaigns = ["contact-us"]\n'
ASKED = 'kind = "reactivation"\nlisten = "invocable"\non = ["a.b"]\n'
LEAD = 'kind = "reactivation"\nlisten = "active_status"\ninactive_statuses = ["Recycled"]\n'

REFUSED = {
    'kind = "reactivation"': ("listen", "must be given", ""),
    'kind = "reactivation"\nlisten = "scores"': ("listen", "'scores' is none of", "did you mean score?"),
    'kind = "reactivation"\nlisten = "score"': ("threshold", "must be given", "threshold = 100"),
    'kind = "reactivation"\nlisten = "response_prompt"': (
        "prompt_campaigns",
        "must be given",
        'prompt_campaigns = ["contact-us"]',
    ),
    'kind = "reactivation"\nlisten = "response_prompt"\nprompt_campaigns = []': (
        "prompt_campaigns",
        "must be given",
        "",
    ),
    'kind = "reactivation"\nlisten = "invocable"': ("on", "must be given", 'listen = "invocable" needs it'),
    'kind = "reactivation"\nlisten = "active_status"': ("inactive_statuses", "must be given", "Disqualified"),
    ASKED + "threshold = 5": ("threshold", 'belongs to listen = "score"', ""),
    ASKED + 'score = "engagement"': ("score", 'belongs to listen = "score"', ""),
    SCORE + 'prompt_campaigns = ["x"]': ("prompt_campaigns", 'belongs to listen = "response_prompt"', ""),
    LEAD + 'on = ["a.b"]': ("on", 'belongs to listen = "invocable"', ""),
    PROMPT + "where = {}": ("where", 'here it is "response_prompt"; leave it out', ""),
    SCORE + "default_response = {}": ("default_response.campaign_id", "must be given", ""),
    SCORE + 'default_response = { campaign_id = "" }': (
        "default_response.campaign_id",
        "must not be an empty text",
        "",
    ),
    SCORE + 'default_response = { campaign = "x", campaign_id = "x" }': (
        "default_response.campaign",
        "unknown key",
        "did you mean campaign_id?",
    ),
    SCORE + 'wait = "-20m"': ("wait", "'-20m' is no duration", ""),
    SCORE + 'look_back = "-1d"': ("look_back", "'-1d' is no duration", ""),
    SCORE + "look_back = 90": ("look_back", "90 is no duration", ""),
    SCORE + 'eligible = "some"': ("eligible", "'some' is none of any, all", ""),
    SCORE + 'notify = ["boss"]': ("notify[0]", "'boss' is none of", ""),
    SCORE + 'notify = ["owner", "owner"]': ("notify", "names owner more than once", ""),
    SCORE + 'active_status = ""': ("active_status", "must not be an empty text", ""),
    SCORE + 'assign_to = ""': ("assign_to", "must not be an empty text", ""),
    SCORE + "sync_fields = { funnel = 1 }": ("sync_fields.funnel", "1 is not a valid string", ""),
    SCORE + 'skip_if_active = "yes"': ("skip_if_active", "'yes' is not a valid boolean", ""),
    SCORE + "treshold = 5": ("treshold", "unknown key", "did you mean threshold?"),
    SCORE + 'score = "engagment"': ("score", "'engagment' is no known score", "did you mean engagement?"),
    'kind = "reactivation"\nlisten = "score"\nthreshold = "high"': (
        "threshold",
        "'high' is not a valid integer",
        "",
    ),
    ASKED + "where = { since = 2026-01-05 }": ("where.since", "is no attribute's value", ""),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_will_not_do_is_refused_with_its_place_and_the_likely_fix(folder: Folder, text: str):
    path = folder(p=text)
    with pytest.raises(UserErrors) as caught:
        load_playbooks(path)
    (error,) = caught.value.errors
    place, problem, hint = REFUSED[text]
    assert error.place == f"{path}/p.toml: {place}"
    assert problem in error.problem
    assert hint in (error.hint or "")


def test_everything_wrong_is_said_at_once(folder: Folder):
    text = 'kind = "reactivation"\nlisten = "invocable"\nthreshold = 5\nwait = "1"\neligible = "one"'
    with pytest.raises(UserErrors) as caught:
        load_playbooks(folder(p=text))
    places = {error.place.rpartition(": ")[2] for error in caught.value.errors}
    assert places == {"threshold", "on", "wait", "eligible"}


@pytest.mark.parametrize("text", [SCORE, PROMPT, ASKED, LEAD])
def test_each_way_of_listening_needs_nothing_else(folder: Folder, text: str):
    assert isinstance(load_playbooks(folder(p=text)).by_name["p"], Reactivation)


def test_what_is_left_out_has_the_contracts_defaults():
    playbook = ReactivationModel.model_validate(
        {"name": "p", "kind": "reactivation", "listen": "score", "threshold": 100}
    ).compile()
    assert playbook.trigger == ScoreTrigger("engagement", 100)
    assert playbook.wait_ms == 20 * MINUTE_MS
    assert playbook.rules == ChoiceRules(
        look_back_ms=90 * DAY_MS, active_statuses=frozenset({"Open - Not Contacted"})
    )
    assert playbook.rules.takes_non_responses
    assert playbook.rules.skips_active
    assert not playbook.rules.needs_all
    assert playbook.active_status == "Open - Not Contacted"
    assert (playbook.sync_fields, playbook.assign_to, playbook.notify) == ({}, None, ("OWNER",))


def test_the_order_of_lists_that_are_sets_makes_no_other_version(folder: Folder):
    one = load_playbooks(folder(p=ASKED + 'active_statuses = ["a", "b"]')).hash
    assert load_playbooks(folder(p=ASKED + 'active_statuses = ["b", "a"]')).hash == one
    assert load_playbooks(folder(p=ASKED + 'active_statuses = ["a"]')).hash != one


def test_attributes_are_texts_numbers_and_booleans(folder: Folder):
    path = folder(p=ASKED + 'where = { team = "west", size = 5, share = 0.5, urgent = true }')
    playbook = load_playbooks(path).by_name["p"]
    assert isinstance(playbook, Reactivation)
    assert isinstance(playbook.trigger, ActivityTrigger)
    assert dict(playbook.trigger.where) == {"team": "west", "size": 5, "share": 0.5, "urgent": True}


class TestShipped:
    """One playbook for each scenario, at work together."""

    @pytest.fixture
    def funnel(self) -> Funnel:
        funnel = Funnel(*load_playbooks(DEFAULTS / "reactivation").playbooks)
        funnel.lead(-3 * DAY, "Open", owner_id="o1")
        funnel.campaign(-2 * DAY, "r1", "Resolved - No Action Required")
        return funnel

    @staticmethod
    def made(name: str) -> list[str]:
        return [
            "20 RESPONSE_REACTIVATED r1 webinar",
            f"20 opened {name}:m1:1 reactivated",
            f"20 nudge {name}:m1:1#1 reactivated EMAIL o1",
        ]

    def test_there_is_one_for_each_scenario(self):
        playbooks = load_playbooks(DEFAULTS / "reactivation").playbooks
        assert sorted(playbook.trigger.scenario for playbook in playbooks) == [
            "active_status",
            "invocable",
            "response_prompt",
            "score",
        ]

    def test_a_score_that_crosses(self, funnel: Funnel):
        funnel.points(-60, 50)
        funnel.points(0, 110)
        assert funnel.then(DAY) == self.made("reactivation-score")

    def test_a_response_to_a_campaign_that_asks_for_a_contact(self, funnel: Funnel):
        funnel.campaign(0, "p1", "Responded", campaign_id="contact-us")
        assert funnel.then(DAY) == self.made("reactivation-prompt")

    def test_another_program_asks_for_it(self, funnel: Funnel):
        funnel.asked(0)
        assert funnel.then(DAY) == self.made("reactivation-invocable")

    def test_a_lead_that_comes_back(self, funnel: Funnel):
        funnel.lead(-60, "Recycled")
        funnel.lead(0, "Open")
        assert funnel.then(DAY) == self.made("reactivation-active-status")

    def test_while_one_has_made_a_response_active_the_others_leave_it(self, funnel: Funnel):
        funnel.asked(0)
        funnel.points(5, 110)
        assert funnel.then(DAY) == self.made("reactivation-invocable")
