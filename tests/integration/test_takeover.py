"""Several workers: they share the partitions, and each goes on exactly where another has left off, however it left."""

import random
import signal
import time
from itertools import pairwise

import pytest
from msgspec.structs import replace

from app.broker.embedded import EmbeddedBroker
from tests.integration.deployment import Deployment, until
from tests.integration.faults import STEPS_OF, Faults
from tests.integration.freezing import freeze, owned, revive, wait_until_frozen
from tests.integration.history import History
from tests.integration.load import Load, endless
from tests.integration.oracle import assert_equals_simulate
from tests.integration.states import assert_folder_holds_the_changelog

pytestmark = pytest.mark.broker

SMALL = Faults(batch=20, wakes=3, slice=4, cached=8, heartbeat_ms=200)


def test_two_workers_share_the_partitions_and_one_takes_over_when_the_other_is_killed(deploy):
    deployment = deploy(partitions=4)
    records = list(History(7, records=2_000, partitions=4))
    first = deployment.start_worker(data="first", faults=SMALL)
    first.wait_until_ready()
    second = deployment.start_worker(data="second", faults=SMALL)
    second.wait_until_ready()
    deployment.produce(records[:1_000])
    deployment.wait_for_commits(10)
    first.kill()
    deployment.expel_dead_workers()
    deployment.produce(records[1_000:])
    deployment.wait_for_commits(10)
    second.stop()
    deployment.drain()
    assert_equals_simulate(deployment)


@pytest.mark.parametrize("guarantee", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.soak)])
def test_one_of_two_workers_is_killed_at_each_step_of_a_commit_and_the_other_goes_on(deploy, guarantee):
    deployment = deploy(partitions=2, REENGAGE_GUARANTEE=guarantee)
    heir = deployment.start_worker(data="heir", faults=SMALL)
    heir.wait_until_ready()
    with Load(deployment, endless(23, partitions=2)):
        for step in STEPS_OF[guarantee]:
            kill_one_of_two(deployment, step, after=3)
        deployment.wait_for_commits(3)
    stop_and_compare(deployment, [heir])


def kill_one_of_two(deployment, step, after):
    """Have a second worker join, and end itself at the step's n-th occurrence."""
    faults = replace(SMALL, crash_at=step, crash_after=after)
    crashed = deployment.start_worker(data="crashed", faults=faults)
    until(lambda: not crashed.running, f"the crash at {step}")
    assert crashed.exit_code() == -signal.SIGKILL, crashed.log()
    deployment.expel_dead_workers()


def test_a_worker_frozen_with_a_transaction_open_wakes_up_after_another_took_over_and_writes_nothing(deploy):
    zombie_wakes_up(deploy(partitions=1), "produced", after=5)


@pytest.mark.soak
@pytest.mark.parametrize("after", [1, 4, 9])
@pytest.mark.parametrize("step", STEPS_OF["exactly_once"])
def test_a_worker_frozen_at_any_step_of_a_commit_writes_nothing_that_counts_when_it_wakes_up(
    deploy, step, after
):
    zombie_wakes_up(deploy(partitions=1), step, after)


def zombie_wakes_up(deployment, step, after):
    records = list(History(24, records=1_200, partitions=1))
    deployment.produce(records[:800])
    faults = replace(SMALL, crash_at=step, crash_after=after, freeze=True)
    zombie = deployment.start_worker(data="zombie", faults=faults)
    wait_until_frozen(zombie)
    deployment.expel_dead_workers()
    heir = deployment.start_worker(data="heir", faults=SMALL)
    heir.wait_until_ready()
    deployment.wait_for_commits(5)
    revive(zombie)
    deployment.produce(records[800:])
    until(lambda: len(owned(zombie)) >= 2, "its return to the group")
    stop_and_compare(deployment, [zombie, heir])


def test_a_third_to_fifth_worker_join_and_leave_under_load(deploy):
    deployment = deploy(partitions=3)
    with Load(deployment, endless(26, partitions=3)) as load:
        come_and_go(deployment, load)


@pytest.mark.soak
def test_a_third_to_fifth_worker_join_and_leave_under_load_at_least_once(deploy):
    deployment = deploy(partitions=5, REENGAGE_GUARANTEE="at_least_once")
    with Load(deployment, endless(27, partitions=5)) as load:
        come_and_go(deployment, load)


def come_and_go(deployment, load):
    workers = {}
    for name in ("one", "two", "three", "four", "five"):
        workers[name] = deployment.start_worker(data=name, faults=SMALL)
        workers[name].wait_until_ready()
    deployment.wait_for_commits(5)
    workers.pop("two").kill()
    deployment.expel_dead_workers()
    deployment.wait_for_commits(5)
    workers.pop("four").stop()
    workers.pop("one").stop()
    deployment.wait_for_commits(5)
    load.finish()
    stop_and_compare(deployment, workers.values())


@pytest.mark.parametrize(
    ("guarantee", "slow_ms"),
    [
        ("exactly_once", 300),
        pytest.param("at_least_once", 300, marks=pytest.mark.soak),
        # Longer than a revocation waits for it: the partition is given up and opened again.
        pytest.param("exactly_once", 7_000, marks=pytest.mark.soak),
    ],
)
def test_a_partition_is_kept_across_rebalances_while_the_broker_answers_slowly(deploy, guarantee, slow_ms):
    deployment = deploy(partitions=3, REENGAGE_GUARANTEE=guarantee)
    slow = Faults(batch=100, wakes=20, heartbeat_ms=200, slow_ms=slow_ms)
    workers = []
    with Load(deployment, endless(28, partitions=3)):
        for name in ("one", "two", "three"):
            workers.append(deployment.start_worker(data=name, faults=slow))
            workers[-1].wait_until_ready()
            deployment.wait_for_commits(2)
        workers.pop().stop()
        deployment.wait_for_commits(2)
    given = [(before, after) for each in workers for before, after in pairwise(owned(each))]
    assert any(unit.startswith("members-") for before, after in given for unit in before & after)
    stop_and_compare(deployment, workers)


def stop_and_compare(deployment, workers):
    """Let one worker do what is left, from a folder that is new to it or has been away, and compare everything."""
    for worker in workers:
        worker.stop()
    deployment.drain()
    assert_equals_simulate(deployment, repeats=deployment.settings().guarantee == "at_least_once")
    assert_folder_holds_the_changelog(deployment)


@pytest.mark.soak
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_one_of_two_workers_is_killed_at_a_random_step_twenty_times(deploy, guarantee):
    rnd = random.Random(29)
    deployment = deploy(partitions=3, REENGAGE_GUARANTEE=guarantee)
    workers = {name: deployment.start_worker(data=name, faults=SMALL) for name in ("one", "two")}
    with Load(deployment, endless(29, partitions=3)):
        for _ in range(20):
            name = rnd.choice(("one", "two"))
            workers.pop(name).stop()
            faults = replace(SMALL, crash_at=rnd.choice(STEPS_OF[guarantee]), crash_after=rnd.randint(1, 20))
            crashed = deployment.start_worker(data=name, faults=faults)
            until(lambda crashed=crashed: not crashed.running, f"the crash of {faults}")
            assert crashed.exit_code() == -signal.SIGKILL, crashed.log()
            if rnd.random() < 0.5:
                deployment.expel_dead_workers()
            workers[name] = deployment.start_worker(data=name, faults=SMALL)
            deployment.wait_for_commits(rnd.randint(1, 10))
    stop_and_compare(deployment, workers.values())


@pytest.mark.soak
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
@pytest.mark.parametrize("seed", range(300, 320))
def test_workers_come_and_go_in_every_way_while_events_flow(deploy, seed, guarantee):
    """Up to three at once: started, told to stop, killed, frozen; the wall clock moves time too.

    Exactly once also beyond their session; at least once promises nothing of workers that come back (decision 401).
    """
    rnd = random.Random(seed)
    longest_s = 12 if guarantee == "exactly_once" else 3
    partitions = rnd.choice((1, 2, 3, 4))
    idle = rnd.choice(("100ms", "1s", "10s"))
    deployment = deploy(partitions=partitions, REENGAGE_IDLE=idle, REENGAGE_GUARANTEE=guarantee)
    records = list(History(seed, records=1_500, members=rnd.choice((5, 40, 200)), partitions=partitions))
    faults = Faults(
        batch=rnd.choice((0, 5, 30)),
        wakes=rnd.choice((0, 1, 3, 20)),
        slice=rnd.choice((0, 1, 5)),
        cached=rnd.choice((0, 2, 8)),
    )
    workers = {}
    for start in range(0, len(records), 100):
        deployment.produce(records[start : start + 100])
        name = rnd.choice(("a", "b", "c"))
        if name not in workers:
            workers[name] = deployment.start_worker(data=name, faults=faults)
            workers[name].wait_until_started()
        else:
            end(deployment, workers, name, rnd, longest_s)
    for worker in workers.values():
        worker.stop()
    deployment.expel_dead_workers()
    deployment.drain(faults=faults)
    assert_equals_simulate(deployment, repeats=guarantee == "at_least_once")


def end(deployment, workers, name, rnd, longest_s):
    """Let something happen to a worker."""
    worker, what = workers[name], rnd.choice(("stop", "kill", "expel", "freeze", "nothing"))
    if what == "stop":
        workers.pop(name).stop()
    elif what in ("kill", "expel"):
        time.sleep(rnd.random())
        workers.pop(name).kill()
        if what == "expel":
            deployment.expel_dead_workers()
    elif what == "freeze":
        freeze(worker)
        time.sleep(min(rnd.choice((1, 3, 12)), longest_s))
        revive(worker)


@pytest.mark.soak
def test_a_worker_told_to_stop_ends_though_the_broker_does_not_answer(tmp_path, topic_prefix):
    """Whoever restarts workers kills them after half a minute; and what it left is taken up without a flaw."""
    with EmbeddedBroker(tmp_path / "broker") as broker:
        deployment = Deployment(broker.address(), topic_prefix, tmp_path)
        deployment.create_topics()
        deployment.produce(History(25, records=1_000))
        worker = deployment.start_worker(faults=SMALL)
        deployment.wait_for_commits(3)
        broker.pause()
        try:
            began_s = time.monotonic()
            worker.process.terminate()
            worker.exit_code()
            assert time.monotonic() - began_s < 30
        finally:
            broker.resume()
        deployment.drain()
        assert_equals_simulate(deployment)
