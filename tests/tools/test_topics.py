"""`topics apply` and `diff` on a real Kafka."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError

from app.broker.topics import partition_counts, verify_topics
from app.domain.errors import UserErrors
from app.tools.topics import apply_topics, diff_topics
from app.wire.topics import load_topics

pytestmark = pytest.mark.broker


@pytest.fixture
def options(broker):
    return {"bootstrap_servers": broker}


@pytest.fixture
async def admin(options):
    client = AIOKafkaAdminClient(**options)
    await client.start()
    yield client
    await client.close()


async def partitions(admin, prefix):
    return {
        topic["topic"].removeprefix(prefix): len(topic["partitions"])
        for topic in await admin.describe_topics()
        if topic["topic"].startswith(prefix)
    }


async def until(holds):
    """Wait until an awaited condition holds: brokers hear a moment later of what the controller acknowledged."""
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110  Kafka tells nobody of it
            await asyncio.sleep(0.02)


async def shown(admin, name, *, there=True):
    async def as_said():
        return (name in await admin.list_topics()) == there

    await until(as_said)


async def configs(admin, name):
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    entries = answer.to_object()["resources"][0]["config_entries"]
    return {entry["config_names"]: entry["config_value"] for entry in entries}


async def test_apply_creates_every_declared_topic_as_declared(options, admin, topic_prefix):
    applied = await apply_topics(options, topic_prefix)
    topics = load_topics()
    assert applied.created == sorted(topic.full_name(topic_prefix) for topic in topics.values())
    assert applied.altered == []
    assert await partitions(admin, topic_prefix) == dict.fromkeys(topics, 4)
    snapshot = await configs(admin, f"{topic_prefix}member-snapshot")
    assert snapshot["cleanup.policy"] == "compact"
    assert snapshot["delete.retention.ms"] == "604800000"
    assert snapshot["message.timestamp.type"] == "LogAppendTime"


async def test_after_apply_there_is_nothing_to_apply_nor_to_complain_of(options, topic_prefix):
    await apply_topics(options, topic_prefix)
    again = await apply_topics(options, topic_prefix)
    assert (again.created, again.altered) == ([], [])
    assert await diff_topics(options, topic_prefix) == []
    assert await verify_topics(options, topic_prefix) == []


async def test_a_partition_count_asked_for_holds_for_all_topics_and_is_right_from_then_on(
    options, admin, topic_prefix
):
    await apply_topics(options, topic_prefix, partitions=6)
    assert set((await partitions(admin, topic_prefix)).values()) == {6}
    assert await diff_topics(options, topic_prefix) == []
    await admin.delete_topics([f"{topic_prefix}nudge"])
    await shown(admin, f"{topic_prefix}nudge", there=False)
    await apply_topics(options, topic_prefix)
    assert (await partitions(admin, topic_prefix))["nudge"] == 6


async def test_another_partition_count_is_refused_before_anything_is_changed(options, admin, topic_prefix):
    await admin.create_topics([NewTopic(f"{topic_prefix}activity", 3, 1)])
    await shown(admin, f"{topic_prefix}activity")
    with pytest.raises(UserErrors) as caught:
        await apply_topics(options, topic_prefix, partitions=8)
    (error,) = caught.value.errors
    assert (error.reference, error.place) == ("partition-count", f"{topic_prefix}activity")
    assert error.problem == "there are 3 partitions where 8 are needed"
    assert error.hint.startswith("leave --partitions out, or give 3, ")
    assert await partitions(admin, topic_prefix) == {"activity": 3}


async def test_apply_sets_what_differs_and_leaves_what_else_was_set(options, admin, topic_prefix):
    name = f"{topic_prefix}activity"
    mine = {"retention.ms": "1000", "message.timestamp.type": "CreateTime", "max.message.bytes": "2000000"}
    await admin.create_topics([NewTopic(name, 4, 1, topic_configs=mine)])
    await shown(admin, name)
    before = [
        (each.setting, each.actual) for each in await diff_topics(options, topic_prefix) if each.topic == name
    ]
    assert before == [("message.timestamp.type", "CreateTime"), ("retention.ms", "1000")]
    applied = await apply_topics(options, topic_prefix)
    assert [(each.setting, each.actual) for each in applied.altered] == before
    after = await configs(admin, name)
    assert (after["retention.ms"], after["message.timestamp.type"]) == ("-1", "LogAppendTime")
    assert after["max.message.bytes"] == "2000000"


async def test_two_applies_at_the_same_moment_both_succeed(options, topic_prefix):
    both = await asyncio.gather(apply_topics(options, topic_prefix), apply_topics(options, topic_prefix))
    created = sorted(name for applied in both for name in applied.created)
    assert created == sorted(topic.full_name(topic_prefix) for topic in load_topics().values())


async def test_apply_deletes_no_topic(options, admin, topic_prefix):
    await admin.create_topics([NewTopic(f"{topic_prefix}other", 1, 1)])
    await apply_topics(options, topic_prefix)
    assert (await partitions(admin, topic_prefix))["other"] == 1


async def test_verify_names_each_problem_and_the_command_that_solves_it(options, admin, topic_prefix):
    await apply_topics(options, topic_prefix)
    await admin.delete_topics([f"{topic_prefix}score"])
    await admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, f"{topic_prefix}activity", {"retention.ms": "60000"})]
    )
    expected = {
        ("missing-topic", f"{topic_prefix}score"),
        ("topic-setting", f"{topic_prefix}activity: retention.ms"),
    }

    async def named():
        return expected <= {
            (each.reference, each.place) for each in await verify_topics(options, topic_prefix)
        }

    await until(named)


async def test_partition_counts_are_told_by_declared_name_for_the_topics_that_exist(
    options, admin, topic_prefix
):
    await admin.create_topics(
        [NewTopic(f"{topic_prefix}activity", 3, 1), NewTopic(f"{topic_prefix}other", 1, 1)]
    )
    await shown(admin, f"{topic_prefix}activity")
    assert await partition_counts(options, topic_prefix) == {"activity": 3}


async def test_what_kafka_refuses_is_an_error_with_its_reason(options, topic_prefix):
    with pytest.raises(UserErrors) as caught:
        await apply_topics(options, topic_prefix, replication=30)
    assert {error.reference for error in caught.value.errors} == {"topic-refused"}
    assert "replication factor" in caught.value.errors[0].problem
    assert "--replication" in caught.value.errors[0].hint


async def test_where_no_broker_answers_the_error_of_the_client_passes(topic_prefix):
    with pytest.raises(KafkaConnectionError):
        await diff_topics({"bootstrap_servers": "127.0.0.1:1"}, topic_prefix)
