"""A replay that follows the journal against what the workers wrote: the same bytes, whatever happened to the workers."""

import json
import random
import signal

import pytest

from app.tools.reports.form import Form
from tests.integration.faults import Faults
from tests.integration.history import History
from tests.integration.replaying import assert_equal_to_live, replay, replay_command, replay_printing

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


def test_the_comparison_finds_it_equal_and_says_what_was_compared(deploy):
    deployment = deploy()
    deployment.produce(History(13, records=800))
    deployment.drain()
    code, printed = replay_printing(deployment, "again-", diff=True, form=Form.JSON)
    found = json.loads(printed)
    assert (code, found["equal"], found["members"], found["examples"]) == (0, True, 0, [])
    counts = {each["topic"]: each for each in found["counts"]}
    opened = [line for line in deployment.outputs() if '"topic":"workflow-opened"' in line]
    assert counts["workflow-opened"]["live"] == counts["workflow-opened"]["same"] == len(opened) > 10


@pytest.mark.parametrize("step", ["decided", "states", "produced", "committing", "committed", "written"])
def test_killed_at_any_step_it_carries_on_where_it_was(deploy, step):
    """Killed twice, each time further on; what was committed is neither repeated nor left out."""
    deployment = deploy()
    deployment.produce(History(14, records=600, members=30))
    deployment.drain(faults=SMALL)
    for after in (2, 3):
        faults = Faults(crash_at=step, crash_after=after, replayed=60)
        code, _, said = replay_command(deployment, "again-", faults=faults)
        assert code == -signal.SIGKILL, said
    assert replay(deployment, "again-") == 0
    assert_equal_to_live(deployment, "again-")


def test_it_goes_on_with_what_the_workers_have_done_since(deploy):
    deployment = deploy()
    records = list(History(15, records=900))
    deployment.produce(records[:500])
    deployment.drain()
    assert replay(deployment, "again-") == 0
    deployment.produce(records[500:])
    deployment.drain()
    assert replay(deployment, "again-") == 0
    assert_equal_to_live(deployment, "again-")
