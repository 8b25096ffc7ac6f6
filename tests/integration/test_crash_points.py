"""A crash at each step of a commit: whatever it left, the next worker goes on, and the outputs are exact."""

import random
import shutil

import pytest

from app.domain.events import OperatorCommand
from app.wire.codec import Codec
from app.wire.partitioner import murmur2_partition
from tests.integration.deployment import Sent
from tests.integration.faults import FEW, STEPS_OF, Faults
from tests.integration.history import History
from tests.integration.oracle import assert_equals_simulate

pytestmark = pytest.mark.broker


def test_a_crash_at_each_step_of_a_commit_loses_and_repeats_nothing(deploy):
    deployment = deploy()
    deployment.produce(History(21, records=1_500))
    for number, step in enumerate(STEPS_OF["exactly_once"]):
        deployment.crash(step, after=1 + number)
    deployment.drain(faults=Faults(**FEW))
    assert_equals_simulate(deployment)


def test_a_crash_at_each_step_at_least_once_repeats_outputs_with_the_same_sequence(deploy):
    deployment = deploy(REENGAGE_GUARANTEE="at_least_once")
    deployment.produce(History(22, records=1_500))
    for number, step in enumerate(STEPS_OF["at_least_once"]):
        deployment.crash(step, after=1 + number)
    deployment.drain(faults=Faults(**FEW))
    assert_equals_simulate(deployment, repeats=True)


def test_a_refused_record_sent_on_twice_is_refused_twice_at_least_once(deploy):
    deployment = deploy(REENGAGE_GUARANTEE="at_least_once")
    command = OperatorCommand(
        event_id="c1",
        occurred_at=1_767_600_000_000,
        member_id="nobody",
        type="RESOLVE_WORKFLOW",
        workflow_id="re-engager:nobody:1",
        issued_by="op",
    )
    wrong = 1 - murmur2_partition(b"nobody", 2)
    deployment.produce([Sent("command", b"nobody", Codec().encode(command), wrong)])
    deployment.crash("states", after=1)
    deployment.drain()
    letters = [letter for _, _, letter in deployment.records("dead-letter")]
    # A third: the first may have been refused before the crash too, in a commit that the crash cut short like the other.
    assert len(letters) in (2, 3)
    assert {(letter.error, letter.source_offset) for letter in letters} == {("unknown_workflow", 0)}
    assert_equals_simulate(deployment, repeats=True)


@pytest.mark.soak
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
@pytest.mark.parametrize("seed", range(200, 220))
def test_crashes_at_random_steps_with_lost_folders_in_between(deploy, seed, guarantee):
    rnd = random.Random(seed)
    partitions = rnd.choice((1, 2, 3))
    deployment = deploy(partitions=partitions, REENGAGE_GUARANTEE=guarantee)
    history = History(seed, records=1_500, members=rnd.choice((5, 40, 200)), partitions=partitions)
    deployment.produce(history)
    for _ in range(10):
        deployment.crash(rnd.choice(STEPS_OF[guarantee]), after=rnd.choice((1, 2, 3, 5)))
        if rnd.random() < 0.2:
            shutil.rmtree(deployment.folder / "data")
    deployment.drain(faults=Faults(**FEW))
    assert_equals_simulate(deployment, repeats=guarantee == "at_least_once")
