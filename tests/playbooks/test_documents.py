"""The playbooks and the policy shown in the documents are right."""

import re
import tomllib
from pathlib import Path

import pytest

from app.playbooks.high_intent import HighIntentModel
from app.playbooks.kinds import KINDS
from app.playbooks.policy import PolicyModel

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```toml\n(.+?)^```", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", blocks("scores.md"))
def test_a_playbook_in_scores_md_compiles(text: str):
    content = tomllib.loads(text)
    assert KINDS[content["kind"]].model_validate({"name": "shown", **content}).compile()


@pytest.mark.parametrize("text", blocks("progress.md"))
def test_the_playbook_in_progress_md_says_the_defaults(text: str):
    model = KINDS["progress"]
    written = model.model_validate({"name": "shown", **tomllib.loads(text)})
    assert written == model.model_validate({"name": "shown", "kind": "progress"})


def test_the_playbook_in_reactivation_md_says_the_defaults():
    (text,) = blocks("reactivation.md")
    model = KINDS["reactivation"]
    needed = {"name": "shown", "kind": "reactivation", "listen": "score", "threshold": 100}
    assert model.model_validate({"name": "shown", **tomllib.loads(text)}) == model.model_validate(needed)
    uncommented = text.replace("# may be left out:\n", "").replace("\n# ", "\n")
    assert model.model_validate({"name": "shown", **tomllib.loads(uncommented)}).compile()


def test_the_policy_in_policy_md_is_the_default():
    (text,) = blocks("policy.md")
    assert PolicyModel.model_validate(tomllib.loads(text)) == PolicyModel()


def test_the_playbook_in_high_intent_md_says_the_defaults():
    (text,) = blocks("high-intent.md")
    content = tomllib.loads(text)
    written = HighIntentModel.model_validate({"name": "shown", **content})
    plain = HighIntentModel.model_validate(
        {
            "name": "shown",
            "kind": "high_intent",
            "deep_link": content["deep_link"],
            "nudges": content["nudges"],
        }
    )
    assert written == plain
