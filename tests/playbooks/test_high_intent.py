"""`kind = "high_intent"`: defaults, versions, and what `check` refuses (contract 6.4)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import UserErrors
from app.domain.high_intent import HighIntent
from app.domain.intent_plan import Step
from app.domain.segments import SegmentRules
from app.domain.sessions import SessionRules
from app.playbooks.high_intent import HighIntentModel
from app.playbooks.loader import DEFAULTS, load_playbooks

LINK = 'deep_link = "https://example.com/go?step={step}&c={company_id}&m={member_id}"\n'


def model(text: str = LINK) -> HighIntentModel:
    return HighIntentModel.model_validate({"name": "h", "kind": "high_intent", **tomllib.loads(text)})


def refused(folder: Any, text: str, link: str = LINK) -> str:
    """The only thing that is wrong, with its place and its hint."""
    with pytest.raises(UserErrors) as caught:
        load_playbooks(folder(p=f'kind = "high_intent"\n{link}{text}'))
    (error,) = caught.value.errors
    return f"{error.reference} {error.place.rpartition('p.toml')[2]} {error.problem} {error.hint}"


def test_the_defaults_are_the_contracts():
    compiled = model().compile()
    assert compiled.session == SessionRules()
    assert compiled.segments == SegmentRules()
    assert compiled.steps == ()
    assert (compiled.expires_ms, compiled.release_ms) == (14 * 86_400_000, 900_000)


def test_it_compiles_to_what_the_core_works_with():
    compiled = model(
        LINK
        + """
        late_pages = ["Almost"]
        precedence = ["bank", "mfa", "unknown_exit"]
        expires = "3d"
        release = "0s"
        [session]
        start = "s"
        page = "p"
        finish = "f"
        close = "c"
        timeout = "5m"
        [success]
        page = "Done"
        state = "ok"
        [errors]
        bank = "Bank"
        [attempts]
        count = 3
        within = "1d"
        [[nudges]]
        [[nudges]]
        after = "2h"
        template = "come-back-{segment}"
        channels = ["SMS"]
        incentive = "gift"
        """
    ).compile()
    assert compiled.session == SessionRules(
        start="s",
        page="p",
        finish="f",
        close="c",
        timeout_ms=300_000,
        success_page="Done",
        success_state="ok",
        late_pages=frozenset({"Almost"}),
    )
    assert compiled.segments.precedence == ("bank", "mfa", "unknown_exit")
    assert compiled.segments.errors["bank"] == "Bank"
    assert compiled.segments.errors["mfa"] == "Viewed MFA Page"
    assert (compiled.segments.attempts, compiled.segments.within_ms) == (3, 86_400_000)
    assert compiled.steps == (
        Step(),
        Step(after_ms=7_200_000, template="come-back-{segment}", channels=("SMS",), incentive="gift"),
    )
    assert (compiled.expires_ms, compiled.release_ms) == (3 * 86_400_000, 0)


def test_the_shipped_one_has_the_contracts_defaults_and_nudges():
    shipped = load_playbooks(DEFAULTS / "high-intent").by_name["transact"]
    assert isinstance(shipped, HighIntent)
    assert (shipped.session, shipped.segments) == (SessionRules(), SegmentRules())
    assert [step.after_ms // 3_600_000 for step in shipped.steps] == [1, 24, 72]
    assert {step.template for step in shipped.steps} == {"{segment}"}


def test_what_means_the_same_has_the_same_version():
    assert (
        model(LINK + 'late_pages = ["b", "a"]').version() == model(LINK + 'late_pages = ["a", "b"]').version()
    )
    assert model(LINK + 'expires = "2w"\n[errors]\nmfa = "Viewed MFA Page"').version() == model().version()


def test_the_order_of_precedence_is_meant():
    one, other = 'precedence = ["mfa", "unknown_exit"]', 'precedence = ["unknown_exit", "mfa"]'
    assert model(LINK + one).version() != model(LINK + other).version()


@pytest.mark.parametrize(
    "link", ["https://example.com", "app://resume/{step}", "https://{company_id}.example.com/"]
)
def test_a_link_may_lead_into_an_app(link: str):
    assert model(f'deep_link = "{link}"').deep_link == link


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("example.com/resume", "no URL"),
        ("https:/example.com", "no URL"),
        ("https://", "no URL"),
        ("https:///resume", "no URL"),
        ("https://example.com/a b", "no URL"),
        ("{step}://example.com", "no URL"),
        ("https://example.com/{stepp}", "did you mean step?"),
        ("https://example.com/{", "without its other half"),
        ("", "empty text"),
    ],
)
def test_a_deep_link_that_is_no_url_is_refused(folder: Any, link: str, problem: str):
    said = refused(folder, "", f'deep_link = "{link}"\n')
    assert said.startswith("bad-value : deep_link ")
    assert problem in said


def test_a_deep_link_must_be_given(folder: Any):
    assert refused(folder, "", "").startswith("missing-key : deep_link")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('precedence = ["mfa", "unknown_exits"]', "bad-value : precedence 'unknown_exits' is neither"),
        ('precedence = ["mfa", "unknown_exits"]', "did you mean unknown_exit?"),
        ('precedence = ["mfa", "mfa"]', "bad-value : precedence names mfa more than once"),
        ("precedence = []", "bad-value : precedence must not be empty"),
        ('[errors]\nbank = "Bank Page"', "bad-value : precedence must be given, for where 'bank'"),
        ('[errors]\nmfa = "Viewed High Latency Page"', "bad-value : errors mfa has the same page as"),
        ('[errors]\nunknown_exit = "X"', "bad-value : errors 'unknown_exit' is a segment of its own"),
        ('[errors]\nmfa = ""', "bad-value : errors.mfa must not be an empty text"),
        ('[errors]\n"a:b" = "X"', "'a:b' is no name"),
        ('expires = "-1h"', "bad-value : expires '-1h' is no duration"),
        ('expires = "0s"', "bad-value : expires must be longer than nothing"),
        ('release = "-15m"', "bad-value : release '-15m' is no duration"),
        ('[session]\ntimeout = "-1m"', "bad-value : session.timeout '-1m' is no duration"),
        ('[session]\ntimeout = "0s"', "bad-value : session.timeout must be longer"),
        ('[session]\nclose = "transact.started"', "bad-value : session.close is the same activity as start"),
        ('[session]\nstrat = "x"', "unknown-key : session.strat unknown key did you mean start?"),
        ('[attempts]\nwithin = "-7d"', "bad-value : attempts.within '-7d' is no duration"),
        ("[attempts]\ncount = 0", "bad-value : attempts.count 0 is not"),
        ("[attempts]\ncount = 101", "bad-value : attempts.count 101 is not"),
        ('[[nudges]]\nafter = "-1h"', "bad-value : nudges[0].after '-1h' is no duration"),
        ('[[nudges]]\ntemplate = "{segmnt}"', "{segmnt} is no known placeholder; did you mean segment?"),
        ('[[nudges]]\ntemplate = "{step}"', "{step} is no known placeholder; known here: segment"),
        ('[[nudges]]\nchannels = ["MAIL"]', "did you mean EMAIL?"),
        ('[[nudges]]\nchannels = ["SMS", "SMS"]', "names SMS more than once"),
        ('[[nudges]]\nincentive = ""', "bad-value : nudges[0].incentive must not be an empty text"),
        ('deeplink = "x"', "unknown-key : deeplink unknown key did you mean deep_link?"),
    ],
)
def test_it_is_refused_with_place_and_hint(folder: Any, text: str, said: str):
    assert said in refused(folder, text)


def test_all_that_is_wrong_is_said_at_once(folder: Any):
    text = 'expires = "-1h"\nprecedence = ["nothing"]\n[[nudges]]\nafter = "soon"'
    with pytest.raises(UserErrors) as caught:
        load_playbooks(folder(p=f'kind = "high_intent"\ndeep_link = "nowhere"\n{text}'))
    places = [error.place.rpartition(": ")[2] for error in caught.value.errors]
    assert sorted(places) == ["deep_link", "expires", "nudges[0].after", "precedence"]


def test_the_shipped_file_says_all_there_is_to_say():
    """So that a person who copies it sees every setting with its default."""
    written = tomllib.loads((DEFAULTS / "high-intent" / "transact.toml").read_text("utf-8"))
    assert set(written) == set(HighIntentModel.model_fields)
    for table in ("session", "success", "attempts"):
        assert set(written[table]) == set(HighIntentModel.model_fields[table].default.__class__.model_fields)


def test_the_shipped_folder_is_a_set_of_its_own():
    assert [file.name for file in Path(DEFAULTS / "high-intent").iterdir()] == ["transact.toml"]
