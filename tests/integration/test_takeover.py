"""Several workers: they share the partitions, and each goes on exactly where another has left off, however it left."""

import random
import signal
import time

import pytest

from app.broker.embedded import EmbeddedBroker
from tests.integration.deployment import Deployment, until
from tests.integration.faults import Faults
from tests.integration.history import History
from tests.integration.oracle import assert_equals_simulate

pytestmark = pytest.mark.broker

SMALL = Faults(batch=20, wakes=3, slice=4, cached=8)


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


def test_a_worker_takes_over_from_one_that_crashed_while_it_asked_to_commit(deploy):
    deployment = deploy(partitions=4)
    heir = deployment.start_worker(data="heir", faults=SMALL)
    heir.wait_until_ready()
    crashing = Faults(crash_at="committing", crash_after=3, batch=20)
    crashed = deployment.start_worker(data="crashed", faults=crashing)
    crashed.wait_until_ready()
    deployment.produce(History(23, records=1_500, partitions=4))
    until(lambda: not crashed.running, "the crash")
    deployment.expel_dead_workers()
    deployment.wait_for_commits(10)
    heir.stop()
    deployment.drain()
    assert_equals_simulate(deployment)


def test_a_frozen_worker_that_wakes_up_after_another_took_over_writes_nothing(deploy):
    deployment = deploy(partitions=1)
    records = list(History(24, records=1_200, partitions=1))
    deployment.produce(records[:800])
    zombie = deployment.start_worker(data="zombie", faults=SMALL)
    deployment.wait_for_commits(5)
    zombie.process.send_signal(signal.SIGSTOP)
    deployment.expel_dead_workers()
    heir = deployment.start_worker(data="heir", faults=SMALL)
    deployment.wait_for_commits(5)
    zombie.process.send_signal(signal.SIGCONT)
    deployment.produce(records[800:])
    until(lambda: zombie.log().count("generation") >= 2, "its return to the group")
    zombie.stop()
    heir.stop()
    deployment.drain()
    assert_equals_simulate(deployment)


@pytest.mark.soak
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
@pytest.mark.parametrize("seed", range(300, 320))
def test_workers_come_and_go_in_every_way_while_events_flow(deploy, seed, guarantee):
    """Up to three at once: started, told to stop, killed, frozen beyond their session; the wall clock moves time too."""
    rnd = random.Random(seed)
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
            end(deployment, workers, name, rnd)
    for worker in workers.values():
        worker.stop()
    deployment.expel_dead_workers()
    deployment.drain(faults=faults)
    assert_equals_simulate(deployment, repeats=guarantee == "at_least_once")


def end(deployment, workers, name, rnd):
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
        worker.process.send_signal(signal.SIGSTOP)
        time.sleep(rnd.choice((1, 3, 12)))
        worker.process.send_signal(signal.SIGCONT)


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
