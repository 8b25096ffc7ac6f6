"""A real Kafka inside the life of this process: it starts, keeps, fails, recovers, and ends with its owner."""

import asyncio
import subprocess
import sys

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError

from app.broker import node as node_module
from app.broker.embedded import EmbeddedBroker
from app.broker.node import Node
from app.domain.errors import UserError
from app.tools.topics import apply_topics

pytestmark = pytest.mark.broker

OWNER = """
import sys
from pathlib import Path
from app.broker.embedded import EmbeddedBroker
broker = EmbeddedBroker(Path(sys.argv[1]))
broker.start()
print(broker.pid, flush=True)
sys.stdin.read()
"""
SASL = {
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.sasl.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule "
    'required user_ada="right";',
}
RIGHT, WRONG = {"sasl_plain_password": "right"}, {"sasl_plain_password": "wrong"}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A broker of this file's own, to be hurt."""
    with EmbeddedBroker(tmp_path_factory.mktemp("own")) as broker:
        yield broker


@pytest.fixture
def starts(own):
    """The broker, running whatever the test before did to it."""
    own.start()
    return own


async def create(address, topic):
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()


async def send(address, topic, value, **options):
    producer = AIOKafkaProducer(bootstrap_servers=address, **options)
    await producer.start()
    try:
        if "transactional_id" in options:
            async with producer.transaction():
                await producer.send_and_wait(topic, value)
        else:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def values(address, topic):
    """All committed values of a topic's only partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=address, isolation_level="read_committed")
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        found = []
        async with asyncio.timeout(20):
            while await consumer.position(partition) < (await consumer.end_offsets([partition]))[partition]:
                batches = await consumer.getmany(timeout_ms=200)
                found += [record.value for records in batches.values() for record in records]
        return found
    finally:
        await consumer.stop()


async def test_a_started_broker_takes_transactions_and_gives_them_back(starts, topic_prefix):
    topic = f"{topic_prefix}t"
    await create(starts.address(), topic)
    await send(starts.address(), topic, b"1", transactional_id=topic_prefix)
    assert await values(starts.address(), topic) == [b"1"]


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_another_start_on_the_folder_keeps_address_and_data(starts, topic_prefix, end):
    topic, address = f"{topic_prefix}t", starts.address()
    await create(address, topic)
    await send(address, topic, b"1")
    getattr(starts, end)()
    assert starts.pid is None
    assert starts.start() == address
    await send(address, topic, b"2")
    assert await values(address, topic) == [b"1", b"2"]


async def test_starting_a_broker_that_runs_changes_nothing(starts):
    pid = starts.pid
    assert starts.start() == starts.address()
    assert starts.pid == pid


async def test_a_paused_broker_answers_only_when_resumed(starts, topic_prefix):
    topic = f"{topic_prefix}t"
    await create(starts.address(), topic)
    starts.pause()
    sending = asyncio.create_task(send(starts.address(), topic, b"1"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(sending), timeout=0.5)
    assert starts.pid is not None
    starts.resume()
    await sending
    assert await values(starts.address(), topic) == [b"1"]


async def test_a_paused_broker_can_be_stopped(starts, ended):
    pid = starts.pid
    starts.pause()
    starts.stop()
    assert ended(pid)
    starts.stop()
    starts.kill()


def test_the_broker_ends_when_its_owner_is_killed(tmp_path, eventually, ended):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        broker = int(owner.stdout.readline())
        assert not ended(broker)
        owner.kill()
        eventually(lambda: ended(broker))


def test_a_broker_that_cannot_start_says_why_and_leaves_nothing_running(tmp_path):
    broker = EmbeddedBroker(tmp_path, properties={"log.segment.bytes": "plenty"})
    with pytest.raises(UserError) as caught:
        broker.start()
    assert caught.value.reference == "broker-not-started"
    assert caught.value.place == str(tmp_path / "broker.log")
    assert "ended while it started" in caught.value.problem
    assert "Invalid value plenty for configuration log.segment.bytes" in caught.value.problem
    assert "Traceback" not in str(caught.value)
    assert broker.pid is None


def test_a_java_that_refuses_its_options_is_told_by_its_own_words(tmp_path):
    with pytest.raises(UserError, match="Invalid maximum heap size"):
        EmbeddedBroker(tmp_path, heap_mb=0).start()


def test_a_broker_that_does_not_answer_in_time_is_ended(tmp_path):
    with pytest.raises(UserError, match=r"did not answer within 0\.01 s"):
        EmbeddedBroker(tmp_path, timeout_s=0.01).start()
    assert not [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(tmp_path) in str(process.info["cmdline"])
    ]


async def test_a_second_broker_on_the_folder_is_refused_and_the_first_is_unharmed(starts, topic_prefix):
    address = starts.address()
    with pytest.raises(UserError) as caught:
        EmbeddedBroker(starts.log.parent).start()
    assert caught.value.reference == "broker-folder-in-use"
    assert starts.address() == address
    await create(address, f"{topic_prefix}t")


def test_a_port_lost_between_choosing_and_starting_is_replaced(starts, tmp_path, monkeypatch):
    chosen = iter(
        [{"PLAINTEXT": starts.node.port("PLAINTEXT"), "CONTROLLER": starts.node.port("CONTROLLER")}]
    )
    choose = node_module._free_ports
    monkeypatch.setattr(node_module, "_free_ports", lambda names: next(chosen, None) or choose(names))
    with EmbeddedBroker(tmp_path) as broker:
        assert broker.address() != starts.address()


async def test_a_folder_may_have_any_name_and_clients_may_have_to_log_in(tmp_path, topic_prefix):
    with EmbeddedBroker(
        tmp_path / "né à côté", listeners={"SASL": "SASL_PLAINTEXT"}, properties=SASL
    ) as broker:
        topic = f"{topic_prefix}t"
        await create(broker.address(), topic)
        login = {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_plain_username": "ada",
            "sasl_mechanism": "PLAIN",
        }
        await send(broker.address("SASL"), topic, b"1", **login, **RIGHT)
        assert await values(broker.address(), topic) == [b"1"]
        with pytest.raises((KafkaError, KafkaConnectionError)):
            await send(broker.address("SASL"), topic, b"2", **login, **WRONG)


async def test_a_broker_can_join_another_and_topics_then_have_a_copy_on_each(tmp_path, topic_prefix):
    with EmbeddedBroker(tmp_path / "1") as first, EmbeddedBroker(tmp_path / "2", node_id=2, joins=first):
        await apply_topics({"bootstrap_servers": first.address()}, topic_prefix)
        admin = AIOKafkaAdminClient(bootstrap_servers=first.address())
        await admin.start()
        (topic,) = await admin.describe_topics([f"{topic_prefix}activity"])
        await admin.close()
        assert [len(partition["replicas"]) for partition in topic["partitions"]] == [2, 2, 2, 2]


def test_an_address_is_known_only_once_it_was_started(tmp_path):
    with pytest.raises(KeyError):
        Node(tmp_path, node_module.NodeOptions()).address()
