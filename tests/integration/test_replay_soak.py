"""The same on a million events; the default run has it on thousands."""

import asyncio
import hashlib

import pytest
from aiokafka import TopicPartition

from app.domain.outputs import OUTPUTS
from app.tools.committed import committed_reader
from tests.integration.history import History
from tests.integration.replaying import replay

pytestmark = [pytest.mark.broker, pytest.mark.soak]

EVENTS = 1_000_000
SLICES = 4
PATIENCE_S = 1_800


def digests(deployment, under=""):
    """A digest of every output partition, keys and values in their order; and how many records there are."""

    async def read():
        found, count = {}, 0
        prefix, settings = deployment.prefix + under, deployment.settings()
        for topic in OUTPUTS:
            for number in range(deployment.partitions):
                digest = hashlib.sha256()
                place = TopicPartition(prefix + topic, number)
                async with committed_reader(settings, [place], from_beginning=True, until_end=True) as reader:
                    async for record in reader.each():
                        digest.update(repr((record.key, record.value)).encode())
                        count += 1
                found[topic, number] = digest.hexdigest()
        return found, count

    return asyncio.run(read())


def test_a_million_events_replay_byte_for_byte_after_two_kills(deploy, monkeypatch):
    """Under all shipped playbooks, with late records, duplicates, dead letters and records in the wrong partition."""
    # Sixty commits of this size are 150,000 records, which take a machine with other work more than a minute.
    monkeypatch.setattr("tests.integration.deployment.PATIENCE_S", PATIENCE_S)
    deployment = deploy(partitions=4)
    history = iter(History(41, records=EVENTS, members=100_000, days=90, partitions=4))
    for _ in range(SLICES):
        deployment.produce(sent for _, sent in zip(range(EVENTS // SLICES), history, strict=False))
    for _ in range(2):
        worker = deployment.start_worker()
        deployment.wait_for_commits(60)
        worker.kill()
        deployment.expel_dead_workers()
    worker = deployment.start_worker("--until-drained")
    assert worker.process.wait(PATIENCE_S) == 0, worker.log()
    assert replay(deployment, "again-", diff=True) == 0
    live, count = digests(deployment)
    assert digests(deployment, "again-") == (live, count)
    assert count > EVENTS // 10
