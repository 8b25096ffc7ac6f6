"""A changelog that Kafka has compacted: what it still holds is enough, for a folder that is empty and for one left behind."""

import asyncio
import random
import shutil
from contextlib import contextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from app.broker.topics import admin_client
from app.domain.events import OperatorCommand
from app.runtime.layout import POSITION_KEY
from app.tools.committed import committed_reader
from app.wire.codec import Codec
from app.wire.topics import changelog_of, load_topics
from tests.integration.deployment import Sent, until
from tests.integration.faults import Faults
from tests.integration.history import DAY_MS, START_MS, History
from tests.integration.oracle import assert_equals_simulate
from tests.integration.sending import one_of_each_partition

pytestmark = pytest.mark.broker

SMALL = Faults(batch=20, wakes=3, slice=4, cached=8)
CHANGELOG = changelog_of("members")
AT_ONCE = {
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.0001",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "100",
}
"""Beside what is declared: whatever has been written for a tenth of a second is compacted."""


@pytest.fixture
def busy_cleaner(broker):
    """The broker looks for something to compact all the time, not every 15 s."""

    async def set_pause(configs):
        async with admin_client({"bootstrap_servers": broker}) as admin:
            (node, *_) = (await admin.describe_cluster())["brokers"]
            name = str(node["node_id"])
            answers = await admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, name, configs)])
            for answer in answers:
                assert all(each["error_code"] == 0 for each in answer.to_object()["resources"]), answer

    asyncio.run(set_pause({"log.cleaner.backoff.ms": "100"}))
    yield
    asyncio.run(set_pause({}))


@pytest.fixture
def deployment(deploy, busy_cleaner):
    """One whose members' changelog is compacted as fast as Kafka can."""
    deployment = deploy(topics=False)

    async def create():
        topic = load_topics()[CHANGELOG]
        name = topic.full_name(deployment.prefix)
        async with admin_client({"bootstrap_servers": deployment.broker}) as admin:
            await admin.create_topics(
                [NewTopic(name, deployment.partitions, 1, topic_configs=topic.configs() | AT_ONCE)]
            )

    asyncio.run(create())
    deployment.create_topics()
    return deployment


def changelog(deployment):
    """(place, offset, key) of every record that the changelog still holds."""
    places = [TopicPartition(deployment.prefix + CHANGELOG, n) for n in range(deployment.partitions)]

    async def read():
        settings = deployment.settings()
        async with committed_reader(settings, places, from_beginning=True, until_end=True) as reader:
            return [
                (TopicPartition(each.topic, each.partition), each.offset, each.key)
                async for each in reader.each()
            ]

    return asyncio.run(read())


def wait_until_compacted(deployment, ends):
    """Wait until no superseded position is left before these offsets: the cleaner has been there."""

    def compacted():
        return not any(key == POSITION_KEY and offset < ends[at] for at, offset, key in changelog(deployment))

    until(compacted, "a compacted changelog")


@contextmanager
def compacting(deployment, data):
    """What was in the changelog before is compacted when this is over; what happens meanwhile supersedes it.

    Gives the offsets before which that is. A worker on the folder `data` writes once more at the end: a log's last
    segment is never compacted, and all that happened meanwhile may lie in it.
    """
    places = [TopicPartition(deployment.prefix + CHANGELOG, n) for n in range(deployment.partitions)]
    before = deployment.end_offsets(places)
    yield before
    deployment.produce(forgetting(one_of_each_partition("nobody", deployment.partitions), START_MS))
    drain(deployment, data)
    wait_until_compacted(deployment, before)


def drain(deployment, data):
    worker = deployment.start_worker("--until-drained", data=data, faults=SMALL)
    assert worker.exit_code() == 0, worker.log()


def forgetting(members, at_ms):
    codec = Codec()
    for member in members:
        record = OperatorCommand(
            event_id=f"forget-{member}-{at_ms}",
            member_id=member,
            occurred_at=at_ms,
            type="FORGET_MEMBER",
            issued_by="op",
        )
        yield Sent("command", member.encode(), codec.encode(record))


def test_what_is_left_of_a_compacted_changelog_restores_an_empty_folder_and_one_left_behind(deployment):
    """Members that were forgotten meanwhile stay forgotten in the folder that still has them, and some come back."""
    history = History(71, records=1_400, members=60)
    records = list(history)
    deployment.produce(records[:600])
    drain(deployment, "data")
    shutil.copytree(deployment.folder / "data", deployment.folder / "behind")
    with compacting(deployment, "data") as before:
        deployment.produce(records[600:900])
        deployment.produce(forgetting(history._members[::3], START_MS + 27 * DAY_MS))
        drain(deployment, "data")
    assert sum(offset < before[at] for at, offset, _ in changelog(deployment)) < sum(before.values()) / 2
    deployment.produce(records[900:1_150])
    drain(deployment, "empty")
    deployment.produce(records[1_150:])
    drain(deployment, "behind")
    assert_equals_simulate(deployment)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(700, 706))
def test_folders_of_every_age_are_caught_up_while_the_changelog_is_compacted_again_and_again(
    deployment, seed
):
    rnd = random.Random(seed)
    history = History(seed, records=4_000, members=rnd.choice((20, 200)))
    records = list(history)
    for number, start in enumerate(range(0, len(records), 500)):
        with compacting(deployment, "one"):
            deployment.produce(records[start : start + 500])
            forgotten = rnd.sample(history._members, 8)
            deployment.produce(forgetting(forgotten, START_MS + 5 * (number + 1) * DAY_MS))
            drain(deployment, rnd.choice(("one", "two", "three", f"new-{number}")))
    assert_equals_simulate(deployment)
