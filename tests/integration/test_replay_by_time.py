"""A replay in event-time order against its oracle: `simulate`, on the same records by occurred_at."""

import json
import signal

import pytest

from app.playbooks.loader import load_playbooks
from app.tools.replay.order import Order
from app.tools.simulate import simulate
from app.wire.lines import format_record
from tests.integration.faults import Faults
from tests.integration.history import DAY_MS, START_MS, History
from tests.integration.replaying import inputs_by_time, printed, replay, replay_command

pytestmark = pytest.mark.broker


def without_dead_letters(lines):
    return [line for line in lines if json.loads(line)["topic"] != "dead-letter"]


def simulated(deployment, until_ms=None):
    settings = deployment.settings()
    found = simulate(inputs_by_time(deployment), load_playbooks(settings.playbooks), until_ms=until_ms)
    return [format_record(each.topic, each) for each in (*found.outputs, *found.snapshots)]


def test_a_replay_in_event_time_order_gives_what_simulate_gives(deploy):
    """The worker need not have taken a single record."""
    deployment = deploy()
    deployment.produce(History(12, records=3_000, members=100))
    assert replay(deployment, "by-time-", order=Order.EVENT_TIME) == 0
    assert without_dead_letters(printed(deployment, "by-time-")) == simulated(deployment)


def test_killed_at_each_step_of_a_commit_it_carries_on_where_it_was(deploy):
    """Each time further on; what was committed is neither repeated nor left out."""
    deployment = deploy()
    deployment.produce(History(16, records=800, members=40))
    for step in ("decided", "states", "produced", "committing", "committed", "written"):
        faults = Faults(crash_at=step, crash_after=3, replayed=25)
        code, _, said = replay_command(deployment, "by-time-", "--order", "event-time", faults=faults)
        assert code == -signal.SIGKILL, (step, said)
    assert replay(deployment, "by-time-", order=Order.EVENT_TIME) == 0
    assert without_dead_letters(printed(deployment, "by-time-")) == simulated(deployment)


def test_until_leaves_out_later_records_and_fires_the_timers_due_by_then(deploy):
    deployment = deploy()
    deployment.produce(History(17, records=600))
    until_ms = START_MS + 20 * DAY_MS
    assert replay(deployment, "by-time-", order=Order.EVENT_TIME, until_ms=until_ms) == 0
    assert without_dead_letters(printed(deployment, "by-time-")) == simulated(deployment, until_ms)


def test_from_makes_the_state_from_the_start_and_puts_out_the_rest_only(deploy):
    deployment = deploy()
    deployment.produce(History(18, records=600))
    since = "2025-01-26T00:00:00.000Z"
    assert replay(deployment, "by-time-", order=Order.EVENT_TIME, since_ms=START_MS + 20 * DAY_MS) == 0
    expected = [line for line in simulated(deployment) if json.loads(line)["occurred_at"] >= since]
    assert without_dead_letters(printed(deployment, "by-time-")) == expected
