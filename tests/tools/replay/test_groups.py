"""Who stands in the way of a promotion: workers, and whoever is reading the live outputs."""

import asyncio
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from app.tools.replay.groups import find_obstacles

pytestmark = pytest.mark.broker


async def told_while_reading(settings, group, topic):
    """What is found while a member of this group has this topic, and has committed an offset of it."""
    name = settings.topic_prefix + topic
    consumer = AIOKafkaConsumer(name, **settings.client_options(), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        await consumer.getmany(timeout_ms=10)
        await consumer.commit({TopicPartition(name, 0): OffsetAndMetadata(0, "")})
        return [(error.reference, error.place) for error in await find_obstacles(settings)]
    finally:
        await consumer.stop()


@pytest.mark.parametrize(
    ("own", "topic", "reference"),
    [(True, "activity", "workers-running"), (False, "nudge", "outputs-read"), (False, "activity", None)],
)
def test_workers_and_readers_of_outputs_stand_in_the_way_others_do_not(settings, own, topic, reference):
    settings = replace(settings, app=f"{settings.topic_prefix}app")
    group = settings.app if own else f"{settings.topic_prefix}reader"
    told = asyncio.run(told_while_reading(settings, group, topic))
    assert told == ([] if reference is None else [(reference, f"consumer group {group}")])
    assert asyncio.run(find_obstacles(settings)) == []
