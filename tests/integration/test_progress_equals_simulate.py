"""Engagements, merges and owners' digests in real workers: on what they recorded, `simulate` gives what they gave."""

import json
from pathlib import Path

import pytest

from tests.integration.faults import FEW, Faults
from tests.integration.oracle import assert_equals_simulate, assert_in_place_and_order
from tests.integration.progress_history import PLAYBOOK, ProgressHistory

pytestmark = pytest.mark.broker


@pytest.fixture
def playbooks(tmp_path: Path) -> str:
    """A folder with one progress playbook."""
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "progress.toml").write_text(PLAYBOOK)
    return str(folder)


def digests(deployment):
    lines = [json.loads(line) for line in deployment.outputs()]
    return [line for line in lines if line["topic"] == "nudge" and line["recipient_role"] == "OWNER"]


def test_a_drained_worker_has_put_out_what_simulate_gives(deploy, playbooks):
    deployment = deploy(partitions=3, REENGAGE_PLAYBOOKS=playbooks)
    deployment.produce(ProgressHistory(1, records=1_500))
    deployment.drain()
    assert_equals_simulate(deployment)
    assert_in_place_and_order(deployment)
    # Who has one depends on how the topics' records came to lie among each other, and so on what the producer had to repeat.
    owners = {line["member_id"] for line in digests(deployment)}
    assert owners
    assert owners <= {"owner:o1", "owner:o2", "owner:o3"}


@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_a_crash_at_each_step_of_a_commit_loses_and_repeats_nothing(deploy, playbooks, guarantee):
    deployment = deploy(REENGAGE_PLAYBOOKS=playbooks, REENGAGE_GUARANTEE=guarantee)
    deployment.produce(ProgressHistory(2, records=1_500))
    deployment.crash_at_each_step(guarantee)
    deployment.drain(faults=Faults(**FEW))
    assert_equals_simulate(deployment, repeats=guarantee == "at_least_once")
    assert digests(deployment)
