"""Three brokers: what is committed outlives any of them, and the work goes on while one is away."""

import asyncio
import random

import pytest

from app.broker.cluster import EmbeddedCluster
from app.broker.topics import admin_client, find_topics
from app.wire.topics import JOURNAL, changelog_of, load_topics
from tests.integration.deployment import Deployment
from tests.integration.faults import Faults
from tests.integration.history import History
from tests.integration.oracle import assert_equals_simulate

pytestmark = pytest.mark.broker

SMALL = Faults(batch=20, wakes=3, slice=4, cached=8)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with EmbeddedCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def deployment(cluster, topic_prefix, tmp_path):
    made = Deployment(cluster.address(), topic_prefix, tmp_path)
    made.create_topics()
    yield made
    made.stop_workers()
    made.delete_topics()


def leader(deployment, topic):
    """Number of the broker that leads the topic's first partition."""

    async def ask():
        async with admin_client({"bootstrap_servers": deployment.broker}) as admin:
            (found,) = await admin.describe_topics([deployment.prefix + topic])
        return next(each["leader"] for each in found["partitions"] if each["partition"] == 0)

    return asyncio.run(ask())


def test_topics_are_created_with_three_copies_of_which_two_must_have_a_record(deployment):
    async def find():
        async with admin_client({"bootstrap_servers": deployment.broker}) as admin:
            return await find_topics(admin, deployment.prefix)

    found = asyncio.run(find())
    assert len(found) == len(load_topics())
    assert {topic.copies for topic in found.values()} == {3}
    assert {topic.own["min.insync.replicas"] for topic in found.values()} == {"2"}


def test_a_broker_killed_under_load_and_started_again_costs_no_record(cluster, deployment):
    """The one that leads the members' state and whatever else: its transactions, its share of the groups."""
    records = list(History(61, records=1_500))
    worker = deployment.start_worker(faults=SMALL)
    worker.wait_until_ready()
    deployment.produce(records[:500])
    deployment.wait_for_commits(6)
    victim = cluster.brokers[leader(deployment, changelog_of("members")) - 1]
    victim.kill()
    deployment.produce(records[500:1_000])
    deployment.wait_for_commits(6)
    victim.start()
    deployment.produce(records[1_000:])
    worker.stop()
    deployment.drain(faults=SMALL)
    assert "Traceback" not in worker.log()
    assert_equals_simulate(deployment)


@pytest.mark.soak
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
@pytest.mark.parametrize("seed", range(610, 616))
def test_brokers_come_and_go_one_after_the_other_while_events_flow(cluster, deployment, seed, guarantee):
    """Killed or stopped at any moment, under two workers; the leader of the journal oftener than the others."""
    rnd = random.Random(seed)
    deployment.more["REENGAGE_GUARANTEE"] = guarantee
    records = list(History(seed, records=3_000))
    workers = [deployment.start_worker(data=name, faults=SMALL) for name in ("a", "b")]
    for worker in workers:
        worker.wait_until_started()
    workers[0].wait_until_ready()
    for start in range(0, len(records), 500):
        deployment.produce(records[start : start + 500])
        deployment.wait_for_commits(rnd.randint(1, 6))
        chosen = rnd.choice((leader(deployment, JOURNAL), 1, 2, 3))
        broker = cluster.brokers[chosen - 1]
        rnd.choice((broker.kill, broker.stop))()
        broker.start()
    for worker in workers:
        worker.stop()
    deployment.drain(faults=SMALL)
    assert_equals_simulate(deployment, repeats=guarantee == "at_least_once")
