"""Members who stay silent: the wall clock moves their time, but not while history is being loaded (contract 5)."""

import json
import time

import pytest

from app.service.worker import free_port
from app.wire.instants import parse_instant
from tests.integration.deployment import until
from tests.integration.oracle import assert_equals_simulate
from tests.integration.sending import activity
from tests.integration.watching import caught_up_ms, health

pytestmark = pytest.mark.broker

PLAYBOOK = """
kind = "reengager"
[inactivity]
after = "3s"
"""
AFTER_MS = 3_000
HOUR_MS = 3_600_000


@pytest.fixture
def deployment(deploy):
    """One whose members are inactive after three seconds."""
    deployment = deploy(REENGAGE_GRACE="500ms", REENGAGE_IDLE="2s")
    folder = deployment.folder / "playbooks"
    folder.mkdir()
    (folder / "quick.toml").write_text(PLAYBOOK)
    deployment.more["REENGAGE_PLAYBOOKS"] = str(folder)
    return deployment


def now_ms():
    return time.time_ns() // 1_000_000


def inactive(deployment, member):
    """Wait for a member's tag, and return when it was due."""
    line = deployment.wait_for_output('"tag-changed"', '"inactive"', f'"{member}"', '"timer:inactive"')
    return parse_instant(json.loads(line)["occurred_at"], "occurred_at")


def wait_until_it_has_looked_around(worker, port):
    """Wait until the worker has found nothing left to do, and half a second later still."""
    worker.wait_until_ready()
    first = []

    def caught_up_again():
        if (reached_ms := caught_up_ms(health(port))) is None:
            return False
        first.append(reached_ms)
        return first[-1] >= first[0] + 500

    until(caught_up_again, "a worker with nothing left to do")


def tagged(deployment, member):
    """How often the member has fallen inactive so far."""
    return sum('"timer:inactive"' in line and f'"{member}"' in line for line in deployment.outputs())


def test_a_silent_member_is_tagged_by_the_wall_clock_when_the_grace_is_over(deployment):
    worker = deployment.start_worker()
    worker.wait_until_ready()
    at_ms = now_ms()
    deployment.produce([activity("quiet", at_ms)])
    assert inactive(deployment, "quiet") == at_ms + AFTER_MS
    assert now_ms() >= at_ms + AFTER_MS + deployment.settings().grace_ms
    worker.stop()
    assert_equals_simulate(deployment)


def test_time_goes_on_for_the_silent_while_others_are_active(deployment):
    worker = deployment.start_worker()
    worker.wait_until_ready()
    at_ms = now_ms()
    deployment.produce([activity("quiet", at_ms)])
    deployment.wait_for_output('"quiet"')
    deployment.produce([activity("busy", at_ms + AFTER_MS + 1_000)])
    assert inactive(deployment, "quiet") == at_ms + AFTER_MS
    worker.stop()
    assert_equals_simulate(deployment)


def test_history_being_loaded_plays_in_its_own_time(deployment):
    """Between two slices the worker is drained, and by the wall clock everybody has long been silent."""
    deployment.more["REENGAGE_IDLE"] = "1h"
    worker = deployment.start_worker()
    start_ms = now_ms() - HOUR_MS
    deployment.produce([activity("old", start_ms)])
    deployment.wait_for_output('"old"', '"workflow-opened"')
    deployment.produce([activity("old", start_ms + 1_000), activity("old", start_ms + 2_000)])
    deployment.produce([activity("old", start_ms + 10_000)])
    assert inactive(deployment, "old") == start_ms + 2_000 + AFTER_MS
    worker.stop()
    assert tagged(deployment, "old") == 1
    assert_equals_simulate(deployment)


def test_a_restart_while_history_is_being_loaded_does_not_move_time(deployment):
    deployment.more["REENGAGE_IDLE"] = "1h"
    start_ms = now_ms() - HOUR_MS
    worker = deployment.start_worker()
    deployment.produce([activity("old", start_ms)])
    deployment.wait_for_output('"old"', '"workflow-opened"')
    worker.stop()
    worker = deployment.start_worker("--port", str(port := free_port()))
    wait_until_it_has_looked_around(worker, port)
    deployment.produce([activity("old", start_ms + 1_000)])
    deployment.produce([activity("old", start_ms + 2_000 + AFTER_MS)])
    assert inactive(deployment, "old") == start_ms + 1_000 + AFTER_MS
    worker.stop()
    assert_equals_simulate(deployment)


def test_when_no_more_history_comes_the_wall_clock_goes_on(deployment):
    worker = deployment.start_worker()
    start_ms = now_ms() - HOUR_MS
    deployment.produce([activity("old", start_ms)])
    assert inactive(deployment, "old") == start_ms + AFTER_MS
    worker.stop()
    assert_equals_simulate(deployment)


def test_until_drained_the_wall_clock_moves_nothing(deployment):
    deployment.produce([activity("old", now_ms() - HOUR_MS)])
    deployment.drain()
    assert tagged(deployment, "old") == 0
    assert_equals_simulate(deployment)
