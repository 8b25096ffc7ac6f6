"""The worker against its oracle: on the records in the order in which it took them, `simulate` gives what it gave.

Every history holds good and bad records of all member topics, late ones and duplicates, over weeks of event time.
"""

import random
import shutil

import pytest

from app.domain.events import Activity
from app.wire.codec import Codec
from tests.integration.deployment import Sent
from tests.integration.faults import Faults
from tests.integration.history import DAY_MS, START_MS, History
from tests.integration.oracle import assert_equals_simulate, assert_in_place_and_order

pytestmark = pytest.mark.broker

SMALL = Faults(batch=20, wakes=3, slice=4, cached=8)
"""Bounds that a short history meets again and again: full batches, waves of timers, members that are not in memory."""


def test_a_drained_worker_has_put_out_what_simulate_gives(deploy):
    deployment = deploy()
    deployment.produce(History(1, records=3_000, members=150))
    deployment.drain()
    assert_equals_simulate(deployment)
    assert_in_place_and_order(deployment)


def test_it_does_so_whatever_fits_in_a_batch_and_in_memory(deploy):
    deployment = deploy(partitions=3)
    deployment.produce(History(2, records=1_500, partitions=3, bad=0.2))
    deployment.drain(faults=SMALL)
    assert_equals_simulate(deployment)


def test_a_wave_of_timers_is_worked_off_between_the_records_that_arrive_meanwhile(deploy):
    """5,000 members fall inactive at once, more than a batch wakes, while records of theirs go on coming."""
    deployment = deploy(partitions=1)
    active = Activities()
    deployment.produce(active.of(f"m{n}", START_MS) for n in range(5_000))
    wave_ms = START_MS + 7 * DAY_MS
    order = random.Random(3)
    deployment.produce(active.of(f"m{order.randrange(5_000)}", wave_ms + 2_000 + n) for n in range(6_000))
    deployment.drain()
    assert_equals_simulate(deployment)


def test_a_wave_due_by_the_very_end_of_time_is_fired_to_the_last(deploy):
    """All are due at the last instant the partition's time allows, and there are more of them than a batch wakes."""
    deployment = deploy(partitions=1)
    active = Activities()
    deployment.produce(active.of(f"m{n}", START_MS) for n in range(50))
    grace_ms = deployment.settings().grace_ms
    deployment.produce([active.of("last", START_MS + 7 * DAY_MS + grace_ms)])
    deployment.drain(faults=Faults(wakes=20))
    assert sum('"timer:inactive"' in line for line in deployment.outputs()) == 50
    assert_equals_simulate(deployment)


def test_a_worker_stopped_and_started_in_the_middle_goes_on_as_if_nothing_had_been(deploy):
    deployment = deploy()
    records = list(History(4, records=1_500))
    deployment.produce(records[:1_000])
    worker = deployment.start_worker(faults=SMALL)
    deployment.wait_for_commits(5)
    worker.stop()
    worker = deployment.start_worker(faults=SMALL)
    deployment.produce(records[1_000:])
    worker.stop()
    deployment.drain(faults=SMALL)
    assert_equals_simulate(deployment)


def test_kill_9_at_any_moment_loses_and_repeats_nothing(deploy):
    play_killed(deploy(), History(5, records=1_500), random.Random(5), rounds=4)


def test_a_lost_state_folder_is_rebuilt_from_the_changelog(deploy):
    deployment = deploy()
    records = list(History(6, records=1_000))
    deployment.produce(records[:600])
    deployment.drain(faults=SMALL)
    shutil.rmtree(deployment.folder / "data")
    deployment.produce(records[600:])
    deployment.drain(faults=SMALL)
    assert_equals_simulate(deployment)


def test_at_least_once_repeats_some_after_kill_9_but_each_with_its_own_sequence(deploy):
    deployment = deploy(REENGAGE_GUARANTEE="at_least_once")
    play_killed(deployment, History(8, records=1_200), random.Random(8), rounds=3, repeats=True)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 120))
def test_many_histories_under_many_kills(deploy, seed):
    rnd = random.Random(seed)
    partitions = rnd.choice((1, 2, 4))
    history = History(
        seed,
        records=rnd.choice((800, 4_000)),
        members=rnd.choice((5, 40, 400)),
        days=rnd.choice((10, 42, 90)),
        partitions=partitions,
        bad=rnd.choice((0.0, 0.05, 0.3)),
    )
    play_killed(deploy(partitions=partitions), history, rnd, rounds=10)


def play_killed(deployment, history, rnd, *, rounds, repeats=False):
    """Produce a history in slices, killing the worker at a random moment in each, and compare what came of it."""
    records = list(history)
    size = len(records) // rounds
    for start in range(0, len(records), size):
        part = records[start : start + size]
        deployment.produce(part)
        worker = deployment.start_worker(faults=SMALL)
        # Fewer there cannot be, however large the batches.
        deployment.wait_for_commits(rnd.randint(1, max(1, min(12, len(part) // SMALL.batch))))
        worker.kill()
        deployment.expel_dead_workers()
    deployment.drain(faults=SMALL)
    assert_equals_simulate(deployment, repeats=repeats)


class Activities:
    """Makes activities in the app that qualify."""

    def __init__(self):
        self._codec = Codec()
        self._number = 0

    def of(self, member, at_ms):
        self._number += 1
        record = Activity(
            event_id=f"e{self._number}",
            member_id=member,
            occurred_at=at_ms,
            type="article.read",
            channel="APP",
        )
        return Sent("activity", member.encode(), self._codec.encode(record))
