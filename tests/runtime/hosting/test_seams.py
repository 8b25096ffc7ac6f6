"""Each private part of faust and aiokafka the service leans on, by name: an upgrade that moves one fails here.

What the parts do together is in test_fetching.py, test_app.py, test_writer.py and test_assignor.py; here it is said
which they are, so that a failure names the one that has moved.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from importlib.metadata import requires, version
from typing import TYPE_CHECKING, Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer import group_coordinator
from aiokafka.consumer.fetcher import Fetcher, PartitionRecords
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance, GroupCoordinator
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.errors import (
    CorruptRecordException,
    InvalidTxnState,
    KafkaConnectionError,
    LeaderNotAvailableError,
    NodeNotReadyError,
    NotCoordinatorError,
    NotEnoughReplicasError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    RequestTimedOutError,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol import group
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataResponse_v1
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from faust.app.base import BootStrategy

from app.runtime import (
    assignor,
    holdings,
    intake,
    merge,
    partition,
    restore,
    standby,
    standbys,
    store,
    writer,
)
from app.runtime.hosting import (
    app,
    fetch_session,
    fetched,
    fetching,
    membership,
    presence,
    producer,
    transaction_requests,
)
from app.runtime.refusals import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.runtime.conftest import Kafka

WHERE = TopicPartition("topic", 3)


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def source(of: Callable[..., Any] | ModuleType) -> str:
    return inspect.getsource(of)


def private_names(module: ModuleType) -> set[str]:
    """Attributes with a leading underscore that a module takes from anything but `self`."""
    return {
        node.attr
        for node in ast.walk(ast.parse(source(module)))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.endswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
    }


@pytest.mark.parametrize(
    "module", [app, fetch_session, fetched, fetching, membership, presence, producer, transaction_requests]
)
def test_every_private_part_that_is_used_is_named_here(module: ModuleType):
    assert private_names(module) <= private_names(sys.modules[__name__])


@pytest.mark.parametrize(
    "module", [assignor, holdings, intake, merge, partition, restore, standby, standbys, store, writer]
)
def test_none_is_used_outside_hosting(module: ModuleType):
    assert private_names(module) == set()


@pytest.mark.parametrize("package", ["aiokafka", "faust-streaming", "mode-streaming"])
def test_the_version_is_the_one_that_is_pinned(package: str):
    """Private parts move between any two versions: the next one is tried on purpose, with these tests."""
    assert f"{package}=={version(package)}" in (requires("reengage") or [])


class TestFetcher:
    """aiokafka: the loop that sends fetches, stopped by app/runtime/hosting/membership.py; ours is fetching.py."""

    @pytest.mark.broker
    async def test_a_started_consumer_has_one_which_can_be_stopped(self, kafka: Kafka):
        """Its other tasks do not miss it, and its offsets are asked for without it."""
        where = TopicPartition(await kafka.create("topic"), 0)
        async with AIOKafkaConsumer(**kafka.options) as consumer:
            found = consumer._fetcher
            assert type(found) is Fetcher
            found._fetch_task.cancel()
            consumer.assign([where])
            assert await consumer.beginning_offsets([where]) == {where: 0}
            assert type(consumer._client) is AIOKafkaClient
            assert found._fetch_task.done()

    def test_who_is_told_of_its_end_is_the_consumers_own_way_to_records(self):
        assert source(AIOKafkaConsumer).count("error_future") == source(AIOKafkaConsumer.getone).count(
            "error_future"
        ) + source(AIOKafkaConsumer.getmany).count("error_future")

    @pytest.mark.parametrize("version", range(7, 12))
    def test_a_request_is_made_of_these_parts_in_this_order(self, version: int):
        names = FetchRequest(50, 1, 1_000, 1, []).prepare({1: (version, version)}).SCHEMA.names
        rack = ("rack_id",) if version >= 11 else ()
        assert names == (
            "replica_id",
            "max_wait_time",
            "min_bytes",
            "max_bytes",
            "isolation_level",
            "session_id",
            "session_epoch",
            "topics",
            "forgotten_topics_data",
            *rack,
        )

    def test_the_versions_end_there(self):
        """The next one may have other parts."""
        assert FetchRequest(50, 1, 1_000, 1, []).prepare({1: (4, 99)}).API_VERSION == 11


class TestPartitionRecords:
    """aiokafka: the committed records of one partition in one answer."""

    @staticmethod
    def batch(base_offset: int) -> bytes:
        """Two records, as the broker sends them."""
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000)
        builder.append(0, 111, b"k", b"v", [])
        builder.append(1, 112, None, None, [])
        batch = bytearray(builder.build())
        batch[:8] = base_offset.to_bytes(8, "big")
        return bytes(batch)

    def test_each_record_is_made_by_a_method_looked_up_on_the_object(self):
        records = PartitionRecords(WHERE, MemoryRecords(self.batch(7)), None, 7, None, None, True, 1)
        records._consumer_record = lambda where, record: (
            where,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
        )
        assert list(records) == [(WHERE, 7, 111, b"k", b"v"), (WHERE, 8, 112, None, None)]
        assert records.next_fetch_offset == 9

    def test_what_lies_before_the_offset_asked_for_is_left_out(self):
        records = PartitionRecords(WHERE, MemoryRecords(self.batch(7)), None, 8, None, None, True, 1)
        assert [record.offset for record in records] == [8]

    def test_a_batch_that_was_changed_on_the_way_is_refused(self):
        changed = bytearray(self.batch(7))
        changed[-1] ^= 1
        records = PartitionRecords(WHERE, MemoryRecords(bytes(changed)), None, 7, None, None, True, 1)
        with pytest.raises(CorruptRecordException):
            list(records)

    def test_nothing_has_no_next(self):
        assert not MemoryRecords(b"").has_next()


class TestGroup:
    """aiokafka: membership of a group."""

    @pytest.mark.broker
    async def test_the_generation_is_the_coordinators(self, kafka: Kafka):
        """Of none it is negative."""
        async with AIOKafkaConsumer(**kafka.options, group_id=f"{kafka.prefix}group") as consumer:
            assert type(consumer._coordinator) is GroupCoordinator
            assert consumer._coordinator.generation == -1
            assert not consumer._coordinator._coordination_task.done()
        assert "self._coordinator.generation = response.generation_id" in source(group_coordinator)

    def test_a_rebalance_can_be_asked_for(self):
        assert parameters(GroupCoordinator.request_rejoin) == ["self"]
        assert "self._rejoin_needed_fut.done()" in source(GroupCoordinator.need_rejoin)

    async def test_who_asks_for_records_is_told_to_the_group(self):
        """A consumer that nobody asks leaves it after `max_poll_interval_ms`."""
        consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
        subscriptions = consumer._subscription
        subscriptions._last_fetch_ended = 0.0
        with subscriptions.fetch_context():
            pass
        assert subscriptions._last_fetch_ended > 0
        assert "self._subscription.fetcher_idle_time" in source(GroupCoordinator._heartbeat_routine)
        await consumer.stop()

    def test_what_the_coordination_has_failed_with_is_kept_until_it_is_asked_for(self):
        """What it did not expect it wraps in the base class of its errors."""
        assert parameters(GroupCoordinator.check_errors) == ["self"]
        assert "raise exc" in source(GroupCoordinator.check_errors)
        assert "if self._coordination_task.done()" in source(GroupCoordinator.check_errors)
        assert "err = Errors.KafkaError(" in source(GroupCoordinator._do_heartbeat)

    def test_all_that_its_coordinator_answers_comes_through_one_method(self):
        """Of the coordinator, which is asked for it each time: one that stands before it sees every answer."""
        assert parameters(GroupCoordinator._send_req) == ["self", "request"]
        assert "await self._send_req(" in source(GroupCoordinator._do_heartbeat)
        assert source(CoordinatorGroupRebalance).count("await self._coordinator._send_req(") == 2
        assert "._client.send(" not in source(CoordinatorGroupRebalance)
        for part in ("Heartbeat", "JoinGroup", "SyncGroup"):
            answers = [each for name, each in vars(group).items() if name.startswith(f"{part}Response_v")]
            assert answers
            assert all("error_code" in answer.SCHEMA.names for answer in answers)

    def test_a_rebalance_is_told_before_and_after(self):
        for moment in ("on_partitions_revoked", "on_partitions_assigned"):
            assert f"self._subscription.listener.{moment}(" in source(GroupCoordinator)


class TestAssignors:
    """aiokafka: a partition assignor is a class, never made an object of."""

    @pytest.mark.parametrize(
        ("method", "arguments"),
        [
            ("assign", ["cluster", "members"]),
            ("metadata", ["topics"]),
            ("on_assignment", ["assignment"]),
        ],
    )
    def test_its_methods_are_the_classes(self, method: str, arguments: list[str]):
        assert inspect.ismethod(getattr(AbstractPartitionAssignor, method))
        assert parameters(getattr(AbstractPartitionAssignor, method)) == arguments

    def test_the_coordinator_calls_them(self):
        text = source(group_coordinator)
        for call in ("assignor.metadata(", "assignor.on_assignment(", "assignor.assign("):
            assert call in text

    def test_what_members_say_and_are_given_has_these_fields(self):
        said = ConsumerProtocolMemberMetadata(0, ["topic"], b"claim")
        given = ConsumerProtocolMemberAssignment(0, [("topic", [1])], b"")
        assert (said.subscription, said.user_data) == (["topic"], b"claim")
        assert given.assignment == [("topic", [1])]


class TestClient:
    """aiokafka: connections, metadata and record batches, used by app/runtime/hosting/producer.py."""

    async def test_it_knows_the_cluster_and_sends_requests(self):
        client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1", request_timeout_ms=1_000)
        for call in (client.bootstrap, client.close, client.send, client.coordinator_lookup):
            assert inspect.iscoroutinefunction(call)
        assert parameters(client.send) == ["node_id", "request", "group"]
        assert parameters(client.coordinator_lookup) == ["coordinator_type", "coordinator_key"]
        assert client.get_random_node() is None
        assert client.cluster.leader_for_partition(WHERE) is None
        assert client.cluster.unauthorized_topics == set()
        await client.close()

    async def test_metadata_is_asked_for_when_topics_are_new_and_when_told_to(self):
        client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
        for update in (client.set_topics(["topic"]), client.force_metadata_update()):
            assert not update.done()
        await client.close()

    def test_who_listens_hears_of_each_answer_about_the_cluster_and_of_no_other(self):
        """What is not answered is only said to whoever asks."""
        cluster, heard = ClusterMetadata(), []
        cluster.add_listener(heard.append)
        broker, there, gone = (1, "127.0.0.1", 9092, None), (0, "there", False, []), (3, "gone", False, [])
        cluster.update_metadata(MetadataResponse_v1([broker], 1, [there, gone]))
        assert heard == [cluster]
        assert cluster.topics(exclude_internal_topics=False) == {"there"}
        cluster.failed_update(None)
        assert heard == [cluster]
        cluster.remove_listener(heard.append)
        assert "return False" in source(AIOKafkaClient._metadata_update)

    def test_what_a_broker_may_get_over_is_marked(self):
        for passing in (
            NotLeaderForPartitionError,
            LeaderNotAvailableError,
            UnknownTopicOrPartitionError,
            KafkaConnectionError,
        ):
            assert passing.retriable
            assert passing.invalid_metadata
        for passing in (NodeNotReadyError, RequestTimedOutError, NotEnoughReplicasError, NotCoordinatorError):
            assert passing.retriable
        for lasting in (*REFUSALS, ProducerFenced, InvalidTxnState, OutOfOrderSequenceNumber):
            assert not lasting.retriable

    def test_a_batch_says_whose_it_is_and_takes_its_first_row_however_large(self):
        batch = DefaultRecordBatchBuilder(
            magic=2,
            compression_type=0,
            is_transactional=1,
            producer_id=7,
            producer_epoch=3,
            base_sequence=5,
            batch_size=200,
        )
        assert batch.append(0, 1, b"k", b"v" * 1_000, []) is not None
        assert batch.append(1, 1, b"k", b"v", []) is None
        (found,) = (MemoryRecords(bytes(batch.build())).next_batch(),)
        assert (found.producer_id, found.producer_epoch, found.base_sequence) == (7, 3, 5)
        assert found.is_transactional
        assert [record.key for record in found] == [b"k"]


class TestFaust:
    """Faust: an app without Kafka of its own, used by app/runtime/hosting/app.py."""

    def test_a_boot_strategy_switches_kafka_off(self):
        assert BootStrategy.enable_kafka is True
        assert "return self.enable_kafka" in source(BootStrategy._should_enable_kafka_producer)
        assert "return self.enable_kafka" in source(BootStrategy._should_enable_kafka_consumer)
        assert parameters(BootStrategy.tables) == ["self"]

    def test_the_app_is_told_of_its_start_and_stop(self):
        for moment in ("on_start", "on_started", "on_stop"):
            assert asyncio.iscoroutinefunction(getattr(faust.App, moment))

    def test_its_start_touches_the_consumer_and_so_is_not_called(self):
        """Should this no longer be so, `App.on_start` need not be replaced."""
        assert "self.consumer" in source(faust.App.on_start)

    def test_agents_wait_for_the_flow_to_be_let_through(self):
        app = faust.App("seams")
        assert not app.flow_control.is_active()
        app.flow_control.resume()
        assert app.flow_control.is_active()

    def test_the_pages_of_router_and_tables_can_be_left_out(self):
        app = faust.App("seams", web_router_enabled=False, web_tables_enabled=False)
        assert not app.conf.web_router_enabled
        assert not app.conf.web_tables_enabled
