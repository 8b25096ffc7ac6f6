"""Reactivation in a real worker: what it puts out is what `simulate` gives, also when it is killed during waits."""

import json

import pytest

from tests.integration.oracle import assert_equals_simulate
from tests.integration.reactivation_history import ACTIONS, ReactivationHistory, write_playbooks

pytestmark = pytest.mark.broker


def test_a_worker_killed_on_the_way_and_drained_has_put_out_what_simulate_gives(deploy, tmp_path):
    deployment = deploy(REENGAGE_PLAYBOOKS=write_playbooks(tmp_path / "playbooks"))
    deployment.produce(ReactivationHistory(1, records=3_000))
    for number, step in enumerate(("produced", "committed")):
        deployment.crash(step, after=20 + 30 * number)
    deployment.drain()
    assert_equals_simulate(deployment)
    outputs = [json.loads(line) for line in deployment.outputs()]
    assert {output["action"] for output in outputs if output["topic"] == "reactivation"} == ACTIONS
    resolutions = {output["resolution"] for output in outputs if output["topic"] == "workflow-resolved"}
    assert {"response_closed", "lead_inactive", "merged", "forgotten"} <= resolutions
    moved = [json.loads(line) for line in deployment.merged_inputs() if '"internal-member-moved"' in line]
    assert any(line["responses"] for line in moved)
