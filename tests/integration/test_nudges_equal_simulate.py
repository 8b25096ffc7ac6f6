"""Scores and nudges in real workers: what they put out is what `simulate` gives, whatever happens to them."""

import json
from collections import Counter

import pytest

from tests.integration.faults import FEW, Faults
from tests.integration.nudge_history import NudgeHistory, write_playbooks
from tests.integration.oracle import assert_equals_simulate

pytestmark = pytest.mark.broker

REASONS = {"held_out", "workflow_resolved", "snoozed", "no_channel", "no_consent", "capped"}


@pytest.fixture
def playbooks(tmp_path) -> str:
    return write_playbooks(tmp_path / "playbooks")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_drained_worker_has_put_out_what_simulate_gives(deploy, playbooks, seed):
    deployment = deploy(REENGAGE_PLAYBOOKS=playbooks)
    deployment.produce(NudgeHistory(seed, records=3_000))
    deployment.drain()
    assert_equals_simulate(deployment)
    outputs = [json.loads(line) for line in deployment.outputs()]
    topics = Counter(output["topic"] for output in outputs)
    assert topics["nudge"] > 100
    assert topics["dead-letter"] > 0
    assert {output["reason"] for output in outputs if output["topic"] == "nudge-suppressed"} == REASONS


def test_a_crash_at_each_step_of_a_commit_loses_and_repeats_nothing(deploy, playbooks):
    deployment = deploy(REENGAGE_PLAYBOOKS=playbooks)
    deployment.produce(NudgeHistory(3, records=2_000))
    deployment.crash_at_each_step()
    deployment.drain(faults=Faults(**FEW))
    assert_equals_simulate(deployment)
