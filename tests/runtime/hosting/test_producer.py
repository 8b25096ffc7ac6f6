"""What becomes of answers: what is asked again, what is not, and what may follow (brokers are played here).

What real brokers take is in tests/runtime/test_writer.py and the fault tests.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import (
    InvalidTxnState,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownError,
)
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.memory_records import MemoryRecords

from app.runtime.hosting import brokers, record_batch, throttle
from app.runtime.hosting import producer as module
from app.runtime.hosting.producer import Producer
from app.runtime.hosting.transaction_requests import EndTransaction, Features, ProduceInTransaction

if TYPE_CHECKING:
    from collections.abc import Callable

HERE, THERE = ("here", 0), ("there", 1)
OK, FENCED_EPOCH, NOT_LEADER, CONCURRENT = 0, 47, 6, 51
REFUSED, TOO_LARGE, ABORTABLE, OUT_OF_ORDER = 29, 10, 120, 45


class Cluster:
    """Plays the brokers: `leaders` of the partitions, and the codes each request is to be answered with, in turn.

    `sent` are the requests, by node; an exception among the codes is raised in place of an answer.
    """

    def __init__(self) -> None:
        self.leaders: dict[tuple[str, int], int | None] = {HERE: 1, THERE: 2}
        self.unauthorized_topics: set[str] = set()
        self.codes: dict[tuple[str, int] | str, list[Any]] = {}
        self.sent: list[tuple[int, Any]] = []
        self.updates = 0
        self.ends: dict[tuple[str, int], int] = {}
        self.cluster = self
        self.features: int | None = 2
        self.throttle_time_ms = 0

    async def bootstrap(self) -> None:
        pass

    def leader_for_partition(self, where: Any) -> int | None:
        return self.leaders[tuple(where)]

    async def set_topics(self, _topics: Any) -> None:
        pass

    async def force_metadata_update(self) -> None:
        self.updates += 1

    async def coordinator_lookup(self, _kind: Any, _name: str) -> int:
        self._play("coordinator")
        return 9

    async def send(self, node: int, request: Any, **_options: Any) -> Any:
        self.sent.append((node, request))
        await asyncio.sleep(0)
        if isinstance(request, InitProducerIdRequest):
            return SimpleNamespace(error_code=OK, producer_id=7, producer_epoch=0)
        if isinstance(request, Features):
            if self.features is None:
                raise NotImplementedError
            level = b"\2" + b"\x14transaction.version" + self.features.to_bytes(2, "big") + b"\0\1\0"
            return SimpleNamespace(error_code=OK, tags={2: level})
        if isinstance(request, EndTransaction):
            code = self._play("end")
            return SimpleNamespace(error_code=code, producer_id=7, producer_epoch=request._fields[2] + 1)
        topics = []
        for topic, pairs in (
            request._records if isinstance(request, ProduceInTransaction) else dict(request._topics)
        ).items():
            codes = []
            for number, records in pairs:
                code, offset = self._play((topic, number)), self.ends.get((topic, number), 0)
                if code == OK:
                    self.ends[topic, number] = offset + len(list(MemoryRecords(bytes(records)).next_batch()))
                codes.append((number, code, offset))
            topics.append((topic, codes))
        return SimpleNamespace(topics=topics, throttle_time_ms=self.throttle_time_ms)

    def _play(self, what: Any) -> int:
        codes = self.codes.get(what, [])
        code: Any = codes.pop(0) if codes else OK
        if isinstance(code, BaseException):
            raise code
        return code

    def batches(self, where: tuple[str, int]) -> list[Any]:
        """Every record batch sent to one partition."""
        found = []
        for _, request in self.sent:
            records = getattr(request, "_records", None) or dict(getattr(request, "_topics", ()))
            found += [
                MemoryRecords(bytes(b)).next_batch() for n, b in records.get(where[0], ()) if n == where[1]
            ]
        return found


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(brokers, "BACKOFF_S", 0)
    monkeypatch.setattr(brokers, "MARKERS_S", 0)
    return Cluster()


@pytest.fixture
async def make(cluster: Cluster) -> Callable[..., Producer]:
    def make(
        *, joins: bool = True, timeout_ms: int = 5_000, name: str | None = "id", **options: Any
    ) -> Producer:
        producer = Producer({"bootstrap_servers": "127.0.0.1:1"}, name, timeout_ms, **options)
        producer.brokers.client = cluster  # type: ignore[assignment]
        producer._id, producer._epoch = 7, 1
        producer._joins_by_writing = joins
        return producer

    return make


@pytest.fixture
def slept(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """How long was waited for a quota, and how many requests had been sent by then; no time passes."""
    waited: list[tuple[int, float]] = []

    async def sleep(seconds: float) -> None:
        waited.append((len(cluster.sent), seconds))

    monkeypatch.setattr(throttle, "asyncio", SimpleNamespace(sleep=sleep))
    return waited


Make = "Callable[..., Producer]"


def rows(count: int) -> list[Any]:
    return [(b"k", b"v" * 10)] * count


class TestOpening:
    @pytest.mark.parametrize(("features", "joins"), [(2, True), (1, False), (None, False)])
    async def test_the_cluster_says_which_transactions_it_has(
        self, cluster: Cluster, make: Make, features: int | None, joins: bool
    ):
        """A broker too old to be asked has those of the first version."""
        cluster.features = features
        producer = make()
        producer._joins_by_writing = False
        await producer.open()
        assert producer._joins_by_writing is joins
        assert (producer._id, producer._epoch) == (7, 0)


class TestSending:
    async def test_each_leader_is_asked_once_and_the_ends_are_told(self, cluster: Cluster, make: Make):
        cluster.ends[THERE] = 40
        assert await make().send({HERE: rows(2), THERE: rows(3)}) == {HERE: 2, THERE: 43}
        assert sorted(node for node, _ in cluster.sent) == [1, 2]

    async def test_nothing_is_sent_for_no_rows(self, cluster: Cluster, make: Make):
        assert await make().send({HERE: []}) == {}
        assert cluster.sent == []

    async def test_batches_of_a_partition_follow_one_another_by_sequence(
        self, cluster: Cluster, make: Make, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(record_batch, "MAX_BATCH_BYTES", 150)
        producer = make()
        assert (await producer.send({HERE: rows(20)}))[HERE] == 20
        await producer.send({HERE: rows(1)})
        sequences = [(batch.base_sequence, len(list(batch))) for batch in cluster.batches(HERE)]
        assert len(sequences) > 2
        assert sequences[0][0] == 0
        assert all(a + n == b for (a, n), (b, _) in pairwise(sequences))

    async def test_a_request_is_no_larger_than_it_may_be(
        self, cluster: Cluster, make: Make, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(module, "MAX_REQUEST_BYTES", 100)
        cluster.leaders = {(f"t{n}", 0): 1 for n in range(5)}
        await make().send({where: rows(10) for where in cluster.leaders})
        assert len(cluster.sent) == 5

    async def test_what_has_moved_is_sent_to_its_new_leader_the_rest_not_again(
        self, cluster: Cluster, make: Make
    ):
        cluster.codes[HERE] = [NOT_LEADER, NOT_LEADER]
        assert await make().send({HERE: rows(2), THERE: rows(3)}) == {HERE: 2, THERE: 3}
        assert (len(cluster.batches(HERE)), len(cluster.batches(THERE)), cluster.updates) == (3, 1, 2)
        assert {batch.base_sequence for batch in cluster.batches(HERE)} == {0}

    async def test_a_partition_without_leader_is_waited_for(self, cluster: Cluster, make: Make):
        cluster.leaders[HERE] = -1
        sending = asyncio.create_task(make().send({HERE: rows(1)}))
        async with asyncio.timeout(20):
            while cluster.updates < 3:  # noqa: ASYNC110  nobody is told of it
                await asyncio.sleep(0)
        cluster.leaders[HERE] = 2
        assert await sending == {HERE: 1}

    async def test_a_lost_connection_is_made_again(self, cluster: Cluster, make: Make):
        cluster.codes[HERE] = [KafkaConnectionError("lost")]
        producer = make(joins=False, name=None)
        assert await producer.send({HERE: rows(1)}) == {HERE: 1}
        assert await producer.send({HERE: rows(1)}) == {HERE: 2}, "what was lost has been answered since"

    async def test_the_markers_of_the_transaction_before_are_waited_for(self, cluster: Cluster, make: Make):
        cluster.codes[HERE] = [CONCURRENT] * 3
        assert await make().send({HERE: rows(1)}) == {HERE: 1}
        assert cluster.updates == 0

    @pytest.mark.parametrize(
        ("code", "error"),
        [
            (REFUSED, TopicAuthorizationFailedError),
            (TOO_LARGE, MessageSizeTooLargeError),
            (OUT_OF_ORDER, OutOfOrderSequenceNumber),
            (FENCED_EPOCH, ProducerFenced),
            (brokers.FENCED, ProducerFenced),
            (48, InvalidTxnState),
            (ABORTABLE, UnknownError),
        ],
    )
    async def test_what_will_not_pass_is_raised_at_once(
        self, cluster: Cluster, make: Make, code: int, error: type[KafkaError]
    ):
        cluster.codes[HERE] = [NOT_LEADER, code]
        with pytest.raises(error):
            await make().send({HERE: rows(1)})
        assert len(cluster.sent) == 2

    async def test_a_refusal_is_what_is_told_of_several_errors(self, cluster: Cluster, make: Make):
        cluster.codes = {HERE: [48], THERE: [REFUSED]}
        with pytest.raises(TopicAuthorizationFailedError, match="there"):
            await make().send({HERE: rows(1), THERE: rows(1)})

    async def test_a_topic_that_may_not_even_be_seen_is_refused(self, cluster: Cluster, make: Make):
        cluster.leaders[HERE] = None
        cluster.unauthorized_topics.add("here")
        with pytest.raises(TopicAuthorizationFailedError, match="here"):
            await make().send({HERE: rows(1)})

    async def test_where_a_quota_is_used_up_the_next_transaction_begins_when_the_cluster_lets_it(
        self, cluster: Cluster, make: Make, slept: list[Any]
    ):
        held_back: list[float] = []
        producer = make(on_held_back=held_back.append)
        cluster.throttle_time_ms = 3_000
        await producer.send({HERE: rows(1)})
        await producer.commit()
        asked, cluster.throttle_time_ms = len(cluster.sent), 0
        assert (held_back, slept) == ([3.0], [])
        await producer.send({HERE: rows(1)})
        assert slept == [(asked, pytest.approx(3.0, abs=0.5))]
        assert len(cluster.sent) > asked

    async def test_a_request_that_would_wait_for_longer_than_it_may_is_not_made(
        self, cluster: Cluster, make: Make, monkeypatch: pytest.MonkeyPatch
    ):
        """A second record batch of one log, in a transaction that is open meanwhile."""
        monkeypatch.setattr(record_batch, "MAX_BATCH_BYTES", 200)
        cluster.throttle_time_ms = 6_000
        with pytest.raises(KafkaError, match="quota"):
            await make(timeout_ms=5_000).send({HERE: rows(50)})
        assert len(cluster.sent) == 1

    async def test_one_that_may_is(self, cluster: Cluster, make: Make, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(record_batch, "MAX_BATCH_BYTES", 200)
        cluster.throttle_time_ms = 1_000
        await make(timeout_ms=5_000).send({HERE: rows(50)})
        assert len(cluster.batches(HERE)) > 1

    async def test_in_the_end_it_is_given_up(self, cluster: Cluster, make: Make):
        cluster.codes[HERE] = [NOT_LEADER] * 1_000
        with pytest.raises(NotLeaderForPartitionError):
            await make(timeout_ms=0).send({HERE: rows(1)})


class TestEnding:
    async def test_each_transaction_has_an_epoch_of_its_own_and_counts_from_nought(
        self, cluster: Cluster, make: Make
    ):
        producer = make()
        for _ in range(3):
            await producer.send({HERE: rows(2)})
            await producer.commit()
        assert [(b.producer_epoch, b.base_sequence) for b in cluster.batches(HERE)] == [
            (1, 0),
            (2, 0),
            (3, 0),
        ]

    async def test_a_coordinator_that_has_moved_is_looked_for(self, cluster: Cluster, make: Make):
        producer = make()
        await producer.send({HERE: rows(1)})
        cluster.codes["end"] = [16, KafkaConnectionError("lost"), CONCURRENT]
        await producer.commit()
        assert sum(isinstance(request, EndTransaction) for _, request in cluster.sent) == 4

    async def test_a_refused_transactional_id_is_named(self, cluster: Cluster, make: Make):
        producer = make()
        cluster.codes["coordinator"] = [TransactionalIdAuthorizationFailed()]
        with pytest.raises(TransactionalIdAuthorizationFailed, match="id"):
            await producer.commit()

    async def test_after_an_abort_another_transaction_may_begin(self, cluster: Cluster, make: Make):
        producer = make()
        cluster.codes[HERE] = [TOO_LARGE]
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send({HERE: rows(1)})
        await producer.abort()
        assert await producer.send({HERE: rows(1)}) == {HERE: 1}

    async def test_after_an_abort_that_failed_nothing_more_is_written(self, cluster: Cluster, make: Make):
        producer = make()
        await producer.send({HERE: rows(1)})
        cluster.codes["end"] = [FENCED_EPOCH]
        with pytest.raises(ProducerFenced):
            await producer.abort()
        with pytest.raises(KafkaError, match="put an end to"):
            await producer.send({HERE: rows(1)})

    @pytest.mark.parametrize("joins", [True, False])
    async def test_what_was_not_answered_may_still_come(self, cluster: Cluster, make: Make, joins: bool):
        """Where transactions have no epoch of their own it would get into the next one: so there is none."""
        producer = make(joins=joins)
        producer._joined.add(HERE)
        cluster.codes[HERE] = [asyncio.CancelledError()]
        with pytest.raises(asyncio.CancelledError):
            await producer.send({HERE: rows(1)})
        await producer.abort()
        assert any(isinstance(request, EndTransaction) for _, request in cluster.sent) is joins
        if joins:
            await producer.send({HERE: rows(1)})
        else:
            with pytest.raises(KafkaError, match="put an end to"):
                await producer.send({HERE: rows(1)})
