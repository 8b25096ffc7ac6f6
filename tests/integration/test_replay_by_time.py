"""A replay in event-time order against its oracle: `simulate`, on the same records by occurred_at."""

import json
import signal

import pytest

from app.domain.events import Activity
from app.playbooks.loader import load_playbooks
from app.tools.replay.order import Order
from app.tools.simulate import simulate
from app.wire.codec import Codec
from app.wire.lines import format_record
from tests.integration.deployment import Sent
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


def test_a_transaction_may_end_within_an_instant_and_behind_records_that_are_no_valid_ones(deploy):
    """A history of one instant, as days without hours make it, is not held in memory whole."""
    deployment = deploy()
    codec, records = Codec(), []
    for number in range(60):
        member = f"m{number % 7}"
        common = {"event_id": f"e{number}", "member_id": member, "occurred_at": START_MS}
        good = codec.encode(Activity(**common, type="article.read", channel="APP"))
        # Read as far as the instant, a spoilt one looks sound.
        records.append(Sent("activity", member.encode(), good[:-1] + b"\7" if number % 3 else good))
    deployment.produce(records)
    faults = Faults(crash_at="written", crash_after=9, replayed=5)
    code, _, said = replay_command(deployment, "by-time-", "--order", "event-time", faults=faults)
    assert code == -signal.SIGKILL, said
    assert replay(deployment, "by-time-", order=Order.EVENT_TIME) == 0
    lines = [json.loads(line) for line in printed(deployment, "by-time-")]
    letters = [line for line in lines if line["topic"] == "dead-letter"]
    assert len({(line["source_partition"], line["source_offset"]) for line in letters}) == len(letters) == 40
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
