"""Desks, merges and forgetting in real workers: on what they recorded, `simulate` gives what they gave."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.domain.crossings import TransferAnswer
from tests.integration.desk_history import PLAYBOOK, DeskHistory
from tests.integration.faults import FEW, Faults
from tests.integration.oracle import assert_equals_simulate, remade

pytestmark = pytest.mark.broker


@pytest.fixture
def playbooks(tmp_path: Path) -> str:
    """A folder with one re-engager of two slots a day."""
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "re-engager.toml").write_text(PLAYBOOK)
    return str(folder)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_drained_worker_has_put_out_what_simulate_gives(deploy, playbooks, seed):
    deployment = deploy(REENGAGE_PLAYBOOKS=playbooks)
    deployment.produce(DeskHistory(seed, records=1_500))
    deployment.drain()
    assert_equals_simulate(deployment)


def test_the_desks_have_answered_as_they_do_in_memory(deploy, playbooks, monkeypatch):
    deployment = deploy(REENGAGE_PLAYBOOKS=playbooks)
    deployment.produce(DeskHistory(3, records=1_500))
    deployment.drain(faults=Faults(**FEW))
    inputs = deployment.merged_inputs()
    lines = [json.loads(line) for line in inputs if f'"{TransferAnswer.topic}"' in line]
    recorded = Counter(answer_of(line) for line in lines)
    assert recorded
    assert recorded == Counter(
        answer_of(line) for line in remade(inputs, playbooks, TransferAnswer, monkeypatch)
    )


@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_a_crash_at_each_step_of_a_commit_loses_and_repeats_nothing(deploy, playbooks, guarantee):
    deployment = deploy(REENGAGE_PLAYBOOKS=playbooks, REENGAGE_GUARANTEE=guarantee)
    deployment.produce(DeskHistory(4, records=1_500))
    deployment.crash_at_each_step(guarantee)
    deployment.drain(faults=Faults(**FEW))
    assert_equals_simulate(deployment, repeats=guarantee == "at_least_once")


def answer_of(line: dict[str, Any]) -> tuple[Any, ...]:
    names = "event_id", "occurred_at", "cause", "type", "attempts", "final", "next_attempt_at"
    return tuple(line[name] for name in names)
