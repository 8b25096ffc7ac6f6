"""Scores and nudges in real workers: what they put out is what `simulate` gives, whatever happens to them."""

import json
import signal
from collections import Counter

import pytest

from tests.integration.faults import STEPS, Faults
from tests.integration.nudge_history import NudgeHistory, write_playbooks
from tests.integration.oracle import assert_equals_simulate

pytestmark = pytest.mark.broker

FEW = {"batch": 12, "wakes": 3, "slice": 4, "cached": 8}
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
    for number, step in enumerate(step for step in STEPS if step != "states"):
        faults = Faults(crash_at=step, crash_after=3 + 2 * number, **FEW)
        worker = deployment.start_worker("--until-drained", faults=faults)
        assert worker.exit_code() == -signal.SIGKILL, worker.log()
        deployment.expel_dead_workers()
    deployment.drain(faults=Faults(**FEW))
    assert_equals_simulate(deployment)
