"""What `reengage check` says of score and points playbooks and of the policy that will not do: place and reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.errors import UserErrors
from app.playbooks.loader import load_playbooks

OPEN = '\nactions = [{ do = "open_workflow" }]'
WHEN = 'kind = "score"\nwhen = "< 5"\n'
SCORES = {
    'when = "< 20"': ("actions", "must be given"),
    'when = "< 20"\nactions = []': ("actions", "must not be empty"),
    'when = "< twenty"' + OPEN: ("when", "'< twenty' is no condition"),
    "when = 20" + OPEN: ("when", "20 is no condition"),
    'when = "== 5"' + OPEN: ("when", "'== 5' is no condition"),
    'when = "< 5.5"' + OPEN: ("when", "'< 5.5' is no condition"),
    'when = "empty"' + OPEN: ("when", "'empty' is no condition"),
    'when = ["> 5", "empty"]' + OPEN: ("when", "'empty' is no condition"),
    "when = []" + OPEN: ("when", "must not be empty"),
    'when = ["> 5", "< 3"]' + OPEN: ("when", "the conditions exclude each other"),
    'when = "< 99999999999999999999"' + OPEN: ("when", "does not fit into 64 bits"),
    'when = "< 5"\nfire = "always"' + OPEN: ("fire", "none of on_crossing, on_every_change"),
    'when = "< 5"\nresolve = "later"' + OPEN: ("resolve", "none of when_false, at_once"),
    'when = "< 5"\nscore = ""' + OPEN: ("score", "is no name of a score"),
    'when = "< 5"\nscore = " a"' + OPEN: ("score", "is no name of a score"),
    'when = "< 5"\nscore = 5' + OPEN: ("score", "5 is not a valid string"),
    'when = "< 5"\nscore = "engagment"' + OPEN: ("score", "'engagment' is no known score"),
    'when = "< 5"\nscore = "Engagement"' + OPEN: ("score", "'Engagement' is no known score"),
}
ACTIONS = {
    '{ do = "open_worklow" }': ("actions[0].do", "'open_worklow' is none of"),
    '{ template = "x" }': ("actions[0].do", "must be given"),
    '{ do = "nudge" }': ("actions[0].template", "must be given"),
    '{ do = "nudge", template = "" }': ("actions[0].template", "must not be an empty text"),
    '{ do = "nudge", template = "hi {name}" }': ("actions[0].template", "{name} is no known placeholder"),
    '{ do = "nudge", template = "a", recipient = "boss" }': ("actions[0].recipient", "'boss' is none of"),
    '{ do = "nudge", template = "a", channels = [] }': ("actions[0].channels", "must not be empty"),
    '{ do = "nudge", template = "a", channels = ["FAX"] }': ("actions[0].channels[0]", "'FAX' is none of"),
    '{ do = "nudge", template = "a", after = "2" }': ("actions[0].after", "'2' is no duration"),
    '{ do = "nudge", template = "a", afer = "2d" }': ("actions[0].afer", "unknown key"),
    '{ do = "nudge", template = "a", call_to_action = "x/{who}" }': (
        "actions[0].call_to_action",
        "{who} is no known placeholder",
    ),
    '{ do = "nudge", template = "a", call_to_action = "x/{member_id" }': (
        "actions[0].call_to_action",
        "a brace without its other half",
    ),
    '{ do = "modify_score", operation = "add" }': ("actions[0].points", "add needs them"),
    '{ do = "modify_score", operation = "add", points = -1 }': ("actions[0].points", "-1 is negative"),
    '{ do = "modify_score", operation = "times", points = 1 }': (
        "actions[0].operation",
        "'times' is none of",
    ),
    '{ do = "modify_score", operation = "clear", points = 1 }': ("actions[0].points", "clear takes none"),
    '{ do = "modify_score", operation = "set", points = 9223372036854775808 }': (
        "actions[0].points",
        "is not less than 9223372036854775808",
    ),
    '{ do = "tag" }': ("actions[0]", "either add or remove"),
    '{ do = "tag", add = "a", remove = "b" }': ("actions[0]", "either add or remove"),
    '{ do = "open_workflow" }, { do = "open_workflow" }': ("actions", "stands there twice"),
}
POINTS = {
    "": ("rules", "it would do nothing"),
    'rules = [{ on = "a.b" }]': ("rules[0].points", "must be given"),
    'rules = [{ on = "a.b", points = -1 }]': ("rules[0].points", "-1 is not greater than"),
    'rules = [{ on = "a.b", points = "5" }]': ("rules[0].points", "'5' is not a valid integer"),
    'rules = [{ on = "", points = 1 }]': ("rules[0].on", "must not be an empty text"),
    'rules = [{ on = "a.b", points = 1, channel = "FAX" }]': ("rules[0].channel", "'FAX' is none of"),
    'rules = [{ on = "a.b", points = 1, at_most = "daily" }]': ("rules[0].at_most", "'daily' is no limit"),
    'rules = [{ on = "a.b", points = 1, at_most = "0 per 1d" }]': ("rules[0].at_most", "0 is not between"),
    'rules = [{ on = "a.b", points = 1, at_most = "1 per 0d" }]': ("rules[0].at_most", "longer than nothing"),
    'rules = [{ on = "a.b", points = 1, at_most = "1 per 1x" }]': ("rules[0].at_most", "'1x' is no duration"),
    "floor = 10\nceiling = 5": ("floor", "10 is above the ceiling, 5"),
    "floor = 9223372036854775808": ("floor", "is not less than"),
    "floor = 1.5": ("floor", "1.5 is not a valid integer"),
    'decay = { points = 0, every = "7d" }': ("decay.points", "0 is not greater than"),
    'decay = { points = 1, every = "0d" }': ("decay.every", "longer than nothing"),
    "decay = { points = 1 }": ("decay.every", "must be given"),
}
POLICIES = {
    "channels = []": ("channels", "must not be empty"),
    'channels = ["FAX"]': ("channels[0]", "'FAX' is none of"),
    'caps = { "1d" = -1 }': ("caps.1d", "-1 is not greater than"),
    'caps = { "1d" = 1, "24h" = 2 }': ("caps", "equally long"),
    'quiet = { from = "25:00" }': ("quiet.from", "'25:00' is no time of day"),
    'quiet = { from = "21:00", to = "20:55" }\nspread = "10m"': ("spread", "longer than the hours"),
    'holidays = "DE"': ("holidays", "'DE' is not a valid boolean"),
    "hold_out_percent = nan": ("hold_out_percent", "nan is not"),
    "consent_default = { FAX = true }": ("consent_default.FAX", "'FAX' is none of"),
}

Folder = Callable[..., Path]


def refused(path: Path) -> list[tuple[str, str]]:
    with pytest.raises(UserErrors) as caught:
        load_playbooks(path)
    return [(error.place.replace(f"{path}/", ""), error.problem) for error in caught.value.errors]


def check(path: Path, file: str, expected: tuple[str, str]) -> None:
    ((place, problem),) = refused(path)
    assert place == f"{file}: {expected[0]}"
    assert expected[1] in problem


@pytest.mark.parametrize("text", SCORES)
def test_score_playbooks(folder: Folder, text: str):
    check(folder(p=f'kind = "score"\n{text}'), "p.toml", SCORES[text])


@pytest.mark.parametrize("text", ACTIONS)
def test_actions(folder: Folder, text: str):
    check(folder(p=f"{WHEN}actions = [{text}]"), "p.toml", ACTIONS[text])


@pytest.mark.parametrize("text", POINTS)
def test_points_playbooks(folder: Folder, text: str):
    check(folder(p=f'kind = "points"\n{text}'), "p.toml", POINTS[text])


@pytest.mark.parametrize("text", POLICIES)
def test_policies(folder: Folder, text: str):
    check(folder(p='kind = "points"\nfloor = 0', policy=text), "policy.toml", POLICIES[text])


@pytest.mark.parametrize(
    ("quiet", "said"),
    [
        ('{ from = "21:00", to = "08:00" }', {"holidays", "spread"}),
        ('{ from = "21:00", to = "8" }', {"holidays", "quiet.to"}),
    ],
)
def test_a_spread_that_is_too_long_is_said_with_what_else_is_wrong_in_the_policy(folder: Folder, quiet, said):
    policy = f'holidays = 1\nspread = "20h"\nquiet = {quiet}'
    path = folder(p='kind = "points"\nfloor = 0', policy=policy)
    assert {place for place, _ in refused(path)} == {f"policy.toml: {key}" for key in said}


def test_two_workflows_are_said_with_what_else_is_wrong_in_a_score_playbook(folder: Folder):
    workflows = '{ do = "open_workflow" }, { do = "open_workflow" }'
    path = folder(p=f'kind = "score"\nwhen = "< 5"\nfire = "always"\nactions = [{workflows}]')
    assert [place for place, _ in refused(path)] == ["p.toml: fire", "p.toml: actions"]


def test_a_value_of_another_type_is_told_with_how_it_is_written(folder: Folder):
    path = folder(p='kind = "points"\nfloor = "0"\nscore = 5', policy='holidays = "no"\nchannels = "SMS"')
    with pytest.raises(UserErrors) as caught:
        load_playbooks(path)
    assert {error.place.rpartition(" ")[2]: error.hint for error in caught.value.errors} == {
        "score": 'write it in quotes: "text"',
        "floor": "write a whole number, without quotes",
        "channels": 'write a list: ["one", "two"]',
        "holidays": "write true or false, without quotes",
    }


class TestTogether:
    def test_two_playbooks_that_clamp_one_score_differently_are_refused(self, folder: Folder):
        path = folder(a='kind = "points"\nfloor = 0', b='kind = "points"\nfloor = 0\nceiling = 9')
        (said,) = refused(path)
        assert said == (
            "b.toml: floor, ceiling",
            f"score 'engagement' is clamped differently by {path}/a.toml",
        )

    def test_the_same_clamp_none_at_all_or_another_score_is_no_conflict(self, folder: Folder):
        path = folder(
            a='kind = "points"\nfloor = 0',
            b='kind = "points"\nfloor = 0',
            c='kind = "points"\nrules = [{ on = "a.b", points = 1 }]',
            d='kind = "points"\nscore = "loyalty"\nceiling = 3',
        )
        assert load_playbooks(path).clamp("engagement").floor == 0

    def test_the_tag_of_a_re_engager_is_not_for_score_playbooks(self, folder: Folder):
        path = folder(a='kind = "reengager"', b=WHEN + 'actions = [{ do = "tag", remove = "inactive" }]')
        assert refused(path) == [("b.toml: actions[0]", f"'inactive' is the inactivity tag of {path}/a.toml")]

    @pytest.mark.parametrize(
        ("one", "two", "is_slip"),
        [
            ("loyalty", "loyality", True),
            ("loyalty", "loyatly", True),
            ("lead score", "lead-score", True),
            ("loyalty", "Loyalty", True),
            ("loyalty", "loyalty2", False),
            ("tier_a", "tier_b", False),
            ("tier1_points", "tier2_points", False),
            ("fit", "fist", False),
            ("loyalty", "churn", False),
        ],
    )
    def test_a_score_that_looks_like_a_slip_for_another_is_unknown(
        self, folder: Folder, one: str, two: str, is_slip: bool
    ):
        path = folder(a=f'{WHEN}score = "{one}"{OPEN}', b=f'{WHEN}score = "{two}"{OPEN}')
        if is_slip:
            assert refused(path) == [("b.toml: score", f"{two!r} is no known score")]
        else:
            assert load_playbooks(path)

    def test_a_score_no_other_playbook_knows_is_right_for_commands_may_change_any(self, folder: Folder):
        assert load_playbooks(folder(a=WHEN + 'score = "from-elsewhere"' + OPEN))
