"""A worker whose wall clock jumps: it moves the time of silent members, forward only, and nothing else (contract 5).

What it fired lies in the journal: a replay of it, on a machine with a clock that is right, gives the same.
"""

import json
import time

import pytest

from app.wire.instants import parse_instant
from tests.integration.deployment import until
from tests.integration.faults import Faults
from tests.integration.history import DAY_MS, HOUR_MS, write_files
from tests.integration.oracle import assert_equals_simulate
from tests.integration.replaying import replay
from tests.integration.sending import activity

pytestmark = pytest.mark.broker

MINUTE_MS = 60_000


class Clock:
    """The worker's wall clock, wrong by as much as it is told."""

    def __init__(self, folder):
        self._path = folder / "clock"
        self.faults = Faults(clock=str(self._path), batch=20, wakes=3)

    def jump_to(self, offset_ms):
        written = self._path.with_suffix(".new")
        written.write_text(str(offset_ms))
        written.replace(self._path)


def jumping(deploy, after, idle="1s"):
    deployment = deploy(REENGAGE_GRACE="500ms", REENGAGE_IDLE=idle)
    playbook = f'kind = "reengager"\n[inactivity]\nafter = "{after}"\n'
    folder = write_files(deployment.folder / "playbooks", {"quick.toml": playbook})
    deployment.more["REENGAGE_PLAYBOOKS"] = folder
    return deployment, Clock(deployment.folder)


def now_ms():
    return time.time_ns() // 1_000_000


def fallen_inactive(deployment):
    """(member, instant) of each tag that a timer added."""
    found = [json.loads(line) for line in deployment.outputs() if '"timer:inactive"' in line]
    return sorted(
        (line["member_id"], parse_instant(line["occurred_at"], "occurred_at"))
        for line in found
        if line["topic"] == "tag-changed"
    )


def test_ahead_and_back_again_each_timer_fires_once_at_its_due_time(deploy):
    deployment, clock = jumping(deploy, after="1d")
    start_ms = now_ms() - MINUTE_MS
    members = [f"m{number}" for number in range(12)]
    due = sorted((member, start_ms + DAY_MS + number) for number, member in enumerate(members))
    worker = deployment.start_worker(faults=clock.faults)
    worker.wait_until_ready()
    deployment.produce(activity(member, start_ms + number) for number, member in enumerate(members))
    for member in members:
        deployment.wait_for_output(f'"{member}"', '"workflow-opened"')
    assert fallen_inactive(deployment) == []
    clock.jump_to(2 * DAY_MS)
    until(lambda: fallen_inactive(deployment) == due, "every tag, at its due time")
    clock.jump_to(-3 * DAY_MS)
    # By the members' own time it is tomorrow, so these are late; the tag was wrong.
    deployment.produce(activity(member, start_ms + MINUTE_MS // 2) for member in members[:4])
    for member in members[:4]:
        deployment.wait_for_output(f'"{member}"', '"late_activity"')
    clock.jump_to(0)
    deployment.produce([activity("new", now_ms())])
    deployment.wait_for_output('"new"')
    worker.stop()
    assert [each for each in fallen_inactive(deployment) if each in due] == due
    assert_equals_simulate(deployment)
    assert replay(deployment, "again-", diff=True) == 0


@pytest.mark.soak
def test_after_a_jump_ahead_while_old_records_came_the_silent_are_woken_all_the_same(deploy):
    """Whether history is being loaded is told by the wall clock; set back, it must not tell so for as long as it was ahead."""
    deployment, clock = jumping(deploy, after="10m", idle="4s")
    clock.jump_to(5 * HOUR_MS)
    worker = deployment.start_worker(faults=clock.faults)
    worker.wait_until_ready()
    at_ms = now_ms() - HOUR_MS
    deployment.produce([activity("old", at_ms)])
    deployment.wait_for_output('"old"', '"workflow-opened"')
    clock.jump_to(0)
    until(lambda: fallen_inactive(deployment), "the tag")
    assert fallen_inactive(deployment) == [("old", at_ms + 10 * MINUTE_MS)]
    worker.stop()
    assert_equals_simulate(deployment)


@pytest.mark.soak
def test_a_clock_that_jumps_all_the_time_under_load(deploy):
    deployment, clock = jumping(deploy, after="2h")
    worker = deployment.start_worker(faults=clock.faults)
    for step in range(60):
        clock.jump_to((-1) ** step * (step % 7) * HOUR_MS)
        base_ms = now_ms() - (step % 5) * 20 * MINUTE_MS
        deployment.produce(activity(f"m{(step * 7 + n) % 50}", base_ms + n) for n in range(30))
        if step % 20 == 19:
            worker.kill()
            deployment.expel_dead_workers()
            worker = deployment.start_worker(faults=clock.faults)
    worker.stop()
    deployment.drain()
    assert_equals_simulate(deployment)
    assert replay(deployment, "again-", diff=True) == 0
