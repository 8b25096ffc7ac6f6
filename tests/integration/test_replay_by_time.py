"""A replay in event-time order against its oracle: `simulate`, on the same records by occurred_at."""

import json

import pytest

from app.playbooks.loader import load_playbooks
from app.tools.replay.order import Order
from app.tools.simulate import simulate
from app.wire.lines import format_record
from tests.integration.history import History
from tests.integration.replaying import inputs_by_time, printed, replay

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
