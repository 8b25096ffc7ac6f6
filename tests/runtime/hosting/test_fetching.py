"""Reading the inputs (against a real broker): each record once, and knowing when a log holds nothing more."""

from __future__ import annotations

import asyncio
import copy
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.consumer.fetcher import FetchError
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
)
from aiokafka.protocol.fetch import FetchRequest

from app.runtime.assignor import make_assignor
from app.runtime.hosting.fetch_session import FetchSession
from app.runtime.hosting.fetching import IDLE_WAIT_MS, URGENT_WAIT_MS, Fetching, Row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from tests.runtime.conftest import Kafka

pytestmark = pytest.mark.broker


class Listener(ConsumerRebalanceListener):
    """Reads from the beginning of what is assigned, as a worker without a position does."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        pass

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        for where in assigned:
            self._reader.fetching.consumer.seek(where, 0)


class Reader:
    """What an intake does: waits, and takes what has come. `busy` and `quiet` are its two topics."""

    def __init__(self, kafka: Kafka, busy: str, quiet: str, **options: Any) -> None:
        self.kafka = kafka
        self.busy = TopicPartition(busy, 0)
        self.quiet = TopicPartition(quiet, 0)
        assignor = make_assignor({"members": [busy, quiet]})
        self.fetching = Fetching(kafka.options, f"{kafka.prefix}group", assignor, **options)
        self.rows: dict[TopicPartition, list[Row]] = {self.busy: [], self.quiet: []}
        self.size_bytes = 0
        self.drained: dict[TopicPartition, list[tuple[int, int]]] = {self.busy: [], self.quiet: []}
        self.drained_after: dict[TopicPartition, int] = {}
        """How many rows had been taken when the log was last found to end."""

    async def start(self) -> None:
        await self.fetching.start([self.busy.topic, self.quiet.topic], Listener(self))
        await self.until(lambda: self.drained[self.busy] and self.drained[self.quiet])

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await self.turn()

    async def turn(self) -> None:
        await self.fetching.wait(0.1)
        for where, fetched in self.fetching.take().items():
            self.rows[where] += fetched.rows
            self.size_bytes += fetched.size_bytes
            if fetched.drained is not None:
                self.drained[where].append(fetched.drained)
                self.drained_after[where] = len(self.rows[where])

    async def later(self, where: TopicPartition) -> None:
        """Read on until the log is found to end by a fetch that is still to be sent."""
        sent = self.fetching.sent
        await self.until(lambda: self.drained[where][-1][0] > sent)

    async def fetches(self, number: int) -> None:
        """Read on until so many more fetches have been sent."""
        sent = self.fetching.sent
        await self.until(lambda: self.fetching.sent >= sent + number)

    def values(self, where: TopicPartition) -> list[bytes | None]:
        return [value for _, _, _, value in self.rows[where]]

    def producer(self, *, transactional: bool = False) -> AIOKafkaProducer:
        """A context manager: stopped in the end."""
        options = {"transactional_id": f"{self.kafka.prefix}other"} if transactional else {}
        return AIOKafkaProducer(**self.kafka.options, **options)

    async def produce(self, *values: bytes) -> None:
        async with self.producer() as producer:
            for value in values:
                await producer.send_and_wait(self.busy.topic, value, key=b"k", partition=0)

    async def produce_quietly(self) -> None:
        """One record to the quiet topic."""
        async with self.producer() as producer:
            await producer.send_and_wait(self.quiet.topic, b"v", partition=0)


@pytest.fixture
async def reader(kafka: Kafka) -> AsyncIterator[Reader]:
    reader = Reader(kafka, await kafka.create("busy"), await kafka.create("quiet"))
    await reader.start()
    yield reader
    await reader.fetching.stop()


class TestRows:
    async def test_each_record_comes_once_with_all_that_matters_of_it(self, reader: Reader):
        before_ms = time.time_ns() // 1_000_000
        await reader.produce(b"1", b"2", b"3")
        await reader.until(lambda: len(reader.rows[reader.busy]) == 3)
        await reader.later(reader.busy)
        offsets, instants, keys, values = zip(*reader.rows[reader.busy], strict=True)
        assert (offsets, keys, values) == ((0, 1, 2), (b"k",) * 3, (b"1", b"2", b"3"))
        assert all(before_ms - 1_000 <= instant <= before_ms + 60_000 for instant in instants)
        assert reader.size_bytes == 6

    async def test_deletions_and_records_without_key_come_too(self, reader: Reader):
        async with reader.producer() as producer:
            await producer.send_and_wait(reader.busy.topic, None, key=b"k", partition=0)
            await producer.send_and_wait(reader.busy.topic, b"v", partition=0)
        await reader.until(lambda: len(reader.rows[reader.busy]) == 2)
        assert [(key, value) for _, _, key, value in reader.rows[reader.busy]] == [(b"k", None), (None, b"v")]

    async def test_after_a_seek_reading_goes_on_from_there(self, reader: Reader):
        await reader.produce(b"1", b"2", b"3")
        await reader.until(lambda: len(reader.rows[reader.busy]) == 3)
        reader.fetching.consumer.seek(reader.busy, 1)
        await reader.until(lambda: len(reader.rows[reader.busy]) >= 5)
        await reader.later(reader.busy)
        assert reader.values(reader.busy) == [b"1", b"2", b"3", b"2", b"3"]

    async def test_what_came_before_a_seek_and_was_not_taken_is_void(self, reader: Reader):
        await reader.produce(b"1", b"2")
        async with asyncio.timeout(20):
            while reader.busy not in reader.fetching._fetcher._records:
                await reader.fetching.wait(0.1)
                reader.fetching._arrived.clear()
        reader.fetching.consumer.seek(reader.busy, 1)
        await reader.later(reader.busy)
        assert reader.values(reader.busy) == [b"2"]

    async def test_a_paused_input_brings_nothing_and_loses_nothing(self, reader: Reader):
        reader.fetching.consumer.pause(reader.busy)
        await reader.produce(b"1")
        known = len(reader.drained[reader.busy])
        await reader.fetches(5)
        assert reader.rows[reader.busy] == []
        # One fetch may have been under way.
        assert len(reader.drained[reader.busy]) <= known + 1
        reader.fetching.consumer.resume(reader.busy)
        await reader.until(lambda: reader.values(reader.busy) == [b"1"])

    async def test_an_error_that_reading_on_does_not_mend_is_raised(self, reader: Reader):
        error = TopicAuthorizationFailedError(reader.busy.topic)
        reader.fetching._fetcher._records[reader.busy] = FetchError(error=error, backoff=0)
        with pytest.raises(TopicAuthorizationFailedError):
            reader.fetching.take()


class TestEvidence:
    async def test_every_answer_about_a_log_at_its_end_says_so(self, reader: Reader):
        sent = reader.fetching.sent
        await reader.later(reader.quiet)
        await reader.later(reader.quiet)
        numbers = [number for number, _ in reader.drained[reader.quiet]]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] > sent + 1
        assert numbers[-1] <= reader.fetching.sent

    async def test_it_is_of_the_time_the_fetch_was_sent(self, reader: Reader):
        before_ms = time.time_ns() // 1_000_000
        sent = reader.fetching.sent
        await reader.later(reader.quiet)
        after_ms = time.time_ns() // 1_000_000
        later = [at_ms for number, at_ms in reader.drained[reader.quiet] if number > sent]
        assert all(before_ms <= at_ms <= after_ms for at_ms in later)

    async def test_it_counts_for_what_was_taken_with_it(self, reader: Reader):
        await reader.produce(*[b"v"] * 50)
        await reader.until(lambda: len(reader.rows[reader.busy]) == 50)
        await reader.later(reader.busy)
        assert reader.drained_after[reader.busy] == 50

    async def test_a_quiet_log_is_known_to_end_while_another_is_busy(self, reader: Reader):
        async with reader.producer() as producer:
            for number in range(30):
                await producer.send_and_wait(reader.busy.topic, b"%d" % number, partition=0)
                sent = reader.fetching.sent
                await reader.until(lambda number=number: len(reader.rows[reader.busy]) > number)
                await reader.until(lambda sent=sent: reader.drained[reader.quiet][-1][0] > sent)

    async def test_an_open_transaction_is_the_end(self, reader: Reader):
        """Nothing of it may be taken, and who waits for it to end may wait for its writer's death."""
        await reader.produce(b"before")
        async with reader.producer(transactional=True) as producer:
            await producer.begin_transaction()
            await producer.send_and_wait(reader.busy.topic, b"open", partition=0)
            await reader.produce(b"behind")
            await reader.until(lambda: reader.rows[reader.busy])
            await reader.later(reader.busy)
            assert reader.values(reader.busy) == [b"before"]
            assert reader.fetching.end_of(reader.busy) == 3
            assert not reader.fetching.has_all(reader.busy)
            assert reader.fetching.has_all(reader.quiet)
            await producer.commit_transaction()
        await reader.until(lambda: len(reader.rows[reader.busy]) == 3)
        await reader.later(reader.busy)
        assert reader.values(reader.busy) == [b"before", b"open", b"behind"]
        assert reader.fetching.has_all(reader.busy)

    async def test_markers_and_what_was_aborted_are_passed_over(self, reader: Reader):
        """They take offsets and are no records; the end is behind them all the same."""
        async with reader.producer(transactional=True) as producer:
            for value, ends in ((b"1", producer.commit_transaction), (b"2", producer.abort_transaction)):
                await producer.begin_transaction()
                await producer.send_and_wait(reader.busy.topic, value, partition=0)
                await ends()
        await reader.kafka.settled(reader.busy.topic)
        await reader.until(lambda: reader.rows[reader.busy])
        await reader.later(reader.busy)
        assert reader.values(reader.busy) == [b"1"]
        assert await reader.fetching.consumer.position(reader.busy) == 4

    async def test_only_markers_are_an_end_too(self, reader: Reader):
        async with reader.producer(transactional=True) as producer:
            await producer.begin_transaction()
            await producer.send_and_wait(reader.busy.topic, b"1", partition=0)
            await producer.abort_transaction()
        await reader.kafka.settled(reader.busy.topic)
        await reader.later(reader.busy)
        await reader.until(lambda: reader.fetching.end_of(reader.busy) == 2)
        await reader.later(reader.busy)
        assert reader.rows[reader.busy] == []

    async def test_an_answer_with_an_error_is_none(self, reader: Reader, monkeypatch: pytest.MonkeyPatch):
        """The end known from an earlier answer says nothing about now."""
        answered = FetchSession.answered

        def refuse(session: FetchSession, request: Any, response: Any) -> None:
            answered(session, request, _refused(response, reader.quiet))

        monkeypatch.setattr(FetchSession, "answered", refuse)
        reader.fetching.consumer.pause(reader.quiet)
        await reader.later(reader.busy)
        reader.fetching.consumer.resume(reader.quiet)
        await reader.fetches(2)
        known = len(reader.drained[reader.quiet])
        await reader.later(reader.busy)
        await reader.later(reader.busy)
        assert len(reader.drained[reader.quiet]) == known
        monkeypatch.undo()
        await reader.produce_quietly()
        await reader.later(reader.quiet)

    async def test_nor_is_one_that_never_came(self, reader: Reader, monkeypatch: pytest.MonkeyPatch):
        client = reader.fetching.consumer._client
        send = client.send

        async def lose(node_id: int, request: Any, **options: Any) -> Any:
            if isinstance(request, FetchRequest):
                raise NotLeaderForPartitionError
            return await send(node_id, request, **options)

        await reader.fetches(1)
        monkeypatch.setattr(client, "send", lose)
        await reader.fetches(2)
        known = [len(each) for each in reader.drained.values()]
        await reader.fetches(3)
        assert [len(each) for each in reader.drained.values()] == known
        monkeypatch.undo()
        await reader.later(reader.quiet)


class TestPace:
    async def test_what_is_urgent_is_asked_for_with_a_short_wait(self, reader: Reader):
        requests: list[FetchRequest] = []
        send = reader.fetching._send_fetch

        async def note(assignment: Any, node_id: int, request: Any) -> bool:
            requests.append(request)
            return await send(assignment, node_id, request)

        reader.fetching._send_fetch = note
        for urgent, wait_ms in ((True, URGENT_WAIT_MS), (False, IDLE_WAIT_MS)):
            reader.fetching.hurry(urgent=urgent)
            await reader.fetches(2)
            requests.clear()
            await reader.fetches(2)
            assert {request._max_wait_ms for request in requests} == {wait_ms}

    async def test_a_wait_can_be_ended_early(self, reader: Reader):
        reader.fetching.take()
        waiting = asyncio.create_task(reader.fetching.wait(60))
        reader.fetching.wake()
        async with asyncio.timeout(20):
            await waiting

    async def test_a_wait_that_is_cancelled_ends_so_even_when_an_answer_has_come(self, reader: Reader):
        reader.fetching.take()
        waiting = asyncio.create_task(reader.fetching.wait(60))
        await asyncio.sleep(0)
        reader.fetching.wake()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


class TestGroup:
    async def test_it_is_a_member_of_a_generation(self, reader: Reader):
        assert reader.fetching.generation > 0

    async def test_it_stays_in_its_group_for_as_long_as_somebody_takes(self, kafka: Kafka):
        """Aiokafka counts what is asked for through its own interface only, and leaves after five minutes without."""
        reader = Reader(
            kafka,
            await kafka.create("busy"),
            await kafka.create("quiet"),
            max_poll_interval_ms=300,
            heartbeat_interval_ms=50,
        )
        await reader.start()
        generation, until = reader.fetching.generation, time.monotonic() + 1
        await reader.until(lambda: time.monotonic() > until)
        await reader.later(reader.quiet)
        assert reader.fetching.generation == generation
        await reader.fetching.stop()

    async def test_what_its_coordinator_has_met_has_it_join_again(self, reader: Reader):
        """The coordinator does nothing more until somebody hears of it, not even send heartbeats."""
        coordinator = reader.fetching.consumer._coordinator
        generation = reader.fetching.generation
        coordinator._heartbeat_task.cancel()
        told = asyncio.create_task(coordinator._push_error_to_user(KafkaError("met")))
        await asyncio.sleep(0)
        await reader.until(lambda: told.done() and reader.fetching.generation > generation)
        await reader.produce(b"1")
        await reader.until(lambda: reader.values(reader.busy) == [b"1"])

    async def test_what_no_other_try_mends_is_raised(self, reader: Reader):
        coordinator = reader.fetching.consumer._coordinator
        coordinator._pending_exception = GroupAuthorizationFailedError("group")
        with pytest.raises(GroupAuthorizationFailedError):
            reader.fetching.take()

    async def test_nor_does_it_go_on_when_the_task_that_fetches_is_gone(self, reader: Reader):
        error = asyncio.get_running_loop().create_future()
        error.set_exception(KafkaError("gone"))
        reader.fetching._fetcher = SimpleNamespace(error_future=error)
        with pytest.raises(KafkaError, match="gone"):
            reader.fetching.take()


def _refused(response: Any, where: TopicPartition) -> Any:
    """The answer to a fetch with an error for one partition."""
    changed = copy.copy(response)
    changed.topics = [
        (
            topic,
            [
                (number, NotLeaderForPartitionError.errno, *rest)
                if (topic, number) == where
                else (number, error, *rest)
                for number, error, *rest in partitions
            ],
        )
        for topic, partitions in response.topics
    ]
    return changed


async def test_what_keeps_the_consumer_out_of_its_group_is_raised(reader: Reader):
    """The client keeps it for whoever asks for records, and coordinates nothing until then."""
    reader.fetching.consumer._coordinator._pending_exception = GroupAuthorizationFailedError("group")
    with pytest.raises(GroupAuthorizationFailedError):
        reader.fetching.take()


async def test_after_an_answer_nobody_expected_the_group_is_joined_again(reader: Reader):
    """Such as that of a broker which has just become the group's coordinator."""
    generation = reader.fetching.generation
    reader.fetching.consumer._coordinator._pending_exception = KafkaError("Unexpected exception in heartbeat")
    reader.fetching.take()
    await reader.until(lambda: reader.fetching.generation > generation)
