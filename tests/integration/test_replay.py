"""A replay that follows the journal against what the workers wrote: the same bytes, whatever happened to the workers."""

import random

import pytest

from tests.integration.faults import Faults
from tests.integration.history import History
from tests.integration.replaying import assert_equal_to_live, replay

pytestmark = pytest.mark.broker

SMALL = Faults(batch=20, wakes=3, slice=4, cached=8)


def kill_twice(deployment, records, rnd):
    """Have workers take the records, two of which are killed on the way."""
    third = len(records) // 3
    for start in (0, third):
        deployment.produce(records[start : start + third])
        worker = deployment.start_worker(faults=SMALL)
        deployment.wait_for_commits(rnd.randint(3, 12))
        worker.kill()
        deployment.expel_dead_workers()
    deployment.produce(records[2 * third :])
    deployment.drain(faults=SMALL)


def test_a_replay_gives_what_live_gave_byte_for_byte(deploy):
    """Late records, duplicates, dead letters, waves of timers cut into slices, and two workers killed on the way."""
    deployment = deploy()
    kill_twice(deployment, list(History(11, records=3_000, members=120)), random.Random(11))
    assert replay(deployment, "again-") == 0
    assert_equal_to_live(deployment, "again-")
