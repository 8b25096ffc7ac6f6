"""What the tests of tools that talk to Kafka share: settings of their own, with the topics they name."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from app.service.settings import Settings, load_settings
from app.tools.committed import Record, committed_reader
from app.tools.topics import apply_topics

PARTITIONS = 2


@pytest.fixture
def bare_settings(broker: str, topic_prefix: str, tmp_path: Path) -> Settings:
    """Settings whose topics do not exist."""
    environ = {
        "REENGAGE_BROKER": broker,
        "REENGAGE_TOPIC_PREFIX": topic_prefix,
        "REENGAGE_DATA": str(tmp_path / "data"),
    }
    return load_settings(environ, tmp_path)


@pytest.fixture
def settings(bare_settings: Settings) -> Settings:
    """Settings whose topics exist, with two partitions each, and are empty."""
    options = bare_settings.client_options()
    asyncio.run(apply_topics(options, bare_settings.topic_prefix, partitions=PARTITIONS))
    return bare_settings


@pytest.fixture
def read_topics(settings: Settings) -> Callable[..., list[Record]]:
    """Reads all records of some topics, by the contract's names; partition by partition, in offset order."""

    async def read(topics: tuple[str, ...]) -> list[Record]:
        places = [TopicPartition(settings.topic_prefix + t, p) for t in topics for p in range(PARTITIONS)]
        found: list[Record] = []
        async with committed_reader(settings, places, from_beginning=True, until_end=True) as reader:
            while heads := await reader.heads(places):
                for place in heads:
                    found += reader.buffers[place]
                    reader.buffers[place].clear()
        return found

    return lambda *topics: asyncio.run(read(topics))


@pytest.fixture
def write_records(settings: Settings) -> Callable[..., None]:
    """Writes (topic, partition, key, value) as they are, each acknowledged before the next."""

    async def write(records: list[tuple[str, int, bytes | None, bytes | None]]) -> None:
        producer = AIOKafkaProducer(**settings.client_options())
        await producer.start()
        try:
            for topic, partition, key, value in records:
                await producer.send_and_wait(settings.topic_prefix + topic, value, key, partition)
        finally:
            await producer.stop()

    return lambda *records: asyncio.run(write(list(records)))
