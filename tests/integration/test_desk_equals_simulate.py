"""Desks, merges and forgetting in real workers: on what they recorded, `simulate` gives what they gave."""

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.domain.crossings import TransferAnswer
from app.playbooks.loader import load_playbooks
from app.tools import simulate
from app.tools.world import World
from app.wire.lines import format_input
from tests.integration.desk_history import PLAYBOOK, DeskHistory
from tests.integration.faults import STEPS, Faults
from tests.integration.oracle import assert_equals_simulate

pytestmark = pytest.mark.broker

FEW = {"batch": 12, "wakes": 3, "slice": 4, "cached": 8}
UNSEEN = {"exactly_once": {"states"}, "at_least_once": {"produced", "committing"}}
"""Steps of a commit that a guarantee does not have."""


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
    assert recorded == Counter(answer_of(line) for line in remade(inputs, playbooks, monkeypatch))


@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_a_crash_at_each_step_of_a_commit_loses_and_repeats_nothing(deploy, playbooks, guarantee):
    deployment = deploy(REENGAGE_PLAYBOOKS=playbooks, REENGAGE_GUARANTEE=guarantee)
    deployment.produce(DeskHistory(4, records=1_500))
    for number, step in enumerate(step for step in STEPS if step not in UNSEEN[guarantee]):
        faults = Faults(crash_at=step, crash_after=3 + 2 * number, **FEW)
        worker = deployment.start_worker("--until-drained", faults=faults)
        assert worker.exit_code() == -signal.SIGKILL, worker.log()
        deployment.expel_dead_workers()
    deployment.drain(faults=Faults(**FEW))
    assert_equals_simulate(deployment, repeats=guarantee == "at_least_once")


def remade(inputs: list[str], playbooks: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The desks' answers, made anew in memory from what the desks' partitions were told, mark by mark."""
    made: list[dict[str, Any]] = []

    class Listening(World):
        def _drop_crossings(self) -> None:
            made.extend(
                json.loads(format_input(output, arrived_at=0, partition=0, offset=0))
                for output in self._sink.outputs
                if isinstance(output, TransferAnswer)
            )
            super()._drop_crossings()

    monkeypatch.setattr(simulate, "World", Listening)
    simulate.simulate(inputs, load_playbooks(Path(playbooks)), in_order=True)
    return made


def answer_of(line: dict[str, Any]) -> tuple[Any, ...]:
    names = "event_id", "occurred_at", "cause", "type", "attempts", "final", "next_attempt_at"
    return tuple(line[name] for name in names)
