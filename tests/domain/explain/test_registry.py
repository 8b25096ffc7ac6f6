"""Which key of a playbook an output goes back to, whatever its kind."""

from __future__ import annotations

import pytest

from app.domain.explain.registry import decided_by
from app.domain.outputs import WorkflowResolved
from tests.domain.conftest import Story, re_engager
from tests.domain.scoring import on_score


@pytest.mark.parametrize("playbook", [re_engager("p"), on_score("p", ">= 1")], ids=["reengager", "score"])
def test_no_key_resolves_what_an_operator_resolves(playbook):
    story = Story(playbook)
    story.activity(0)
    story.score(0, operation="SET", points=1)
    story.command(1, type="RESOLVE_WORKFLOW", workflow_id="p:m1:1")
    (resolved,) = [output for output in story.outputs if isinstance(output, WorkflowResolved)]
    assert decided_by(playbook, resolved) == ""


def test_a_condition_resolves_what_it_no_longer_holds_for():
    playbook = on_score("p", ">= 1")
    story = Story(playbook)
    story.score(0, operation="SET", points=1)
    story.score(1, operation="SET", points=0)
    (resolved,) = [output for output in story.outputs if isinstance(output, WorkflowResolved)]
    assert decided_by(playbook, resolved) == "when"
