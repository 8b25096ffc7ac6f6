"""`kind = "score"`: defaults, versions, and values that are refused (contract 6.2)."""

import tomllib

import pytest

from app.domain.condition import Condition
from app.domain.score_actions import ModifyAction, NudgeAction, TagAction
from app.playbooks.score import ScoreModel

OPEN = '\n[[actions]]\ndo = "open_workflow"'


def model(text: str = 'when = "< 20"' + OPEN) -> ScoreModel:
    return ScoreModel.model_validate({"name": "s", "kind": "score", **tomllib.loads(text)})


def test_the_defaults_are_the_contracts():
    written = model()
    assert (written.score, written.fire, written.resolve) == ("engagement", "on_crossing", "when_false")
    assert written.new_members is False


def test_it_compiles_to_what_the_core_works_with():
    compiled = model(
        """
        score = "loyalty"
        when = ["> 5", "is not empty"]
        fire = "on_every_change"
        resolve = "at_once"
        new_members = true
        [[actions]]
        do = "nudge"
        template = "hi"
        recipient = "owner"
        after = "2h"
        channels = ["SMS"]
        incentive = "gift"
        call_to_action = "https://example.com/{member_id}"
        [[actions]]
        do = "open_workflow"
        [[actions]]
        do = "modify_score"
        operation = "add"
        points = 10
        [[actions]]
        do = "modify_score"
        operation = "clear"
        score = "other"
        [[actions]]
        do = "tag"
        add = "vip"
        [[actions]]
        do = "tag"
        remove = "new"
        """
    ).compile()
    assert (compiled.name, compiled.kind, compiled.score) == ("s", "score", "loyalty")
    assert compiled.condition == Condition("> 5 and is not empty", low=6)
    assert (compiled.every_change, compiled.at_once, compiled.new_members) == (True, True, True)
    assert compiled.opens_workflow
    assert compiled.actions == (
        NudgeAction(0, "OWNER", "hi", 7_200_000, ("SMS",), "gift", "https://example.com/{member_id}"),
        ModifyAction(2, "loyalty", "ADD", 10),
        ModifyAction(3, "other", "CLEAR", None),
        TagAction(4, "vip", is_added=True),
        TagAction(5, "new", is_added=False),
    )


@pytest.mark.parametrize(
    "text", ['when = "<20"' + OPEN, 'when = ["< 20"]' + OPEN, 'score = "engagement"\nwhen = "< +20"' + OPEN]
)
def test_what_means_the_same_has_the_same_version(text: str):
    assert model(text).version() == model().version()


@pytest.mark.parametrize(
    "text",
    [
        'when = "< 21"' + OPEN,
        'when = "< 20"\nfire = "on_every_change"' + OPEN,
        'when = "< 20"' + OPEN + '\n[[actions]]\ndo = "tag"\nadd = "x"',
    ],
)
def test_any_other_meaning_has_another_version(text: str):
    assert model(text).version() != model().version()


def test_the_version_is_the_same_in_every_process():
    assert model().version() == "ea6c49534ee8"
