"""Reading the inputs (against a real broker): each record once, and knowing when a log holds nothing more."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    NotLeaderForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from app.runtime.assignor import make_assignor
from app.runtime.hosting.fetch_session import Answer, FetchSession, SessionFetch
from app.runtime.hosting.fetching import IDLE_WAIT_MS, URGENT_WAIT_MS, Fetching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from app.runtime.evidence import Evidence
    from app.runtime.hosting.record_batch import ReadRow
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
            self._reader.fetching.read(where, 0)


class Reader:
    """What an intake does: waits, and takes what has come. `busy` and `quiet` are its two topics."""

    def __init__(self, kafka: Kafka, busy: str, quiet: str, **options: Any) -> None:
        self.kafka = kafka
        self.busy = TopicPartition(busy, 0)
        self.quiet = TopicPartition(quiet, 0)
        assignor = make_assignor({"members": [busy, quiet]})
        self.fetching = Fetching(kafka.options, f"{kafka.prefix}group", assignor, **options)
        self.rows: dict[TopicPartition, list[ReadRow]] = {self.busy: [], self.quiet: []}
        self.size_bytes = 0
        self.drained: dict[TopicPartition, Evidence | None] = {self.busy: None, self.quiet: None}
        self.drained_after: dict[TopicPartition, int] = {}
        """How many rows had been taken when the log was found to end."""

    async def start(self) -> None:
        await self.fetching.start([self.busy.topic, self.quiet.topic], Listener(self))
        await self.until(lambda: self.drained[self.busy] and self.drained[self.quiet])

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await self.turn()

    async def until_told(self) -> None:
        """Until an answer has brought something, which is not taken."""
        async with asyncio.timeout(20):
            while not any(answer.told for answer in self.fetching._answers):
                await self.fetching.wait(0.1)
                self.fetching._arrived.clear()

    async def turn(self) -> None:
        await self.fetching.wait(0.1)
        for where, fetched in self.fetching.take().items():
            self.rows[where] += fetched.rows
            self.size_bytes += fetched.size_bytes
            self.drained[where] = fetched.drained
            if fetched.drained is not None:
                self.drained_after[where] = len(self.rows[where])

    def read(self, offset: int) -> None:
        """Read the busy topic from there on; what was known of its end is of no use any more."""
        self.fetching.read(self.busy, offset)
        self.drained[self.busy] = None

    def number(self, where: TopicPartition) -> int:
        """Of the last fetch that found the log to end where we are; -1: none did."""
        evidence = self.drained[where]
        return -1 if evidence is None else evidence.number

    async def later(self, where: TopicPartition) -> None:
        """Read on until the log is found to end by a fetch that is still to be sent."""
        sent = self.fetching.sent
        await self.until(lambda: self.number(where) > sent)

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
        reader.read(1)
        await reader.until(lambda: len(reader.rows[reader.busy]) >= 5)
        await reader.later(reader.busy)
        assert reader.values(reader.busy) == [b"1", b"2", b"3", b"2", b"3"]

    async def test_what_came_before_a_seek_and_was_not_taken_is_void(self, reader: Reader):
        await reader.produce(b"1", b"2")
        await reader.until_told()
        reader.read(1)
        await reader.later(reader.busy)
        assert reader.values(reader.busy) == [b"2"]

    async def test_nothing_more_is_fetched_before_what_has_come_is_taken(self, reader: Reader):
        await reader.produce(b"1")
        await reader.until_told()
        sent = reader.fetching.sent
        await reader.produce(b"2")
        assert reader.fetching.sent == sent
        await reader.until(lambda: reader.values(reader.busy) == [b"1", b"2"])

    async def test_a_paused_input_brings_nothing_and_loses_nothing(self, reader: Reader):
        reader.fetching.pause(reader.busy)
        assert reader.fetching.paused == {reader.busy}
        await reader.produce(b"1")
        await reader.fetches(5)
        assert reader.rows[reader.busy] == []
        reader.fetching.resume(reader.busy)
        assert reader.fetching.paused == set()
        await reader.until(lambda: reader.values(reader.busy) == [b"1"])

    async def test_so_does_one_that_is_paused_for_a_moment_only(self, reader: Reader):
        await reader.produce(b"1", b"2")
        for _ in range(20):
            reader.fetching.pause(reader.busy, reader.quiet)
            reader.drained = {reader.busy: None, reader.quiet: None}
            await asyncio.sleep(0)
            reader.fetching.resume(reader.busy, reader.quiet)
            await reader.turn()
        await reader.until(lambda: len(reader.rows[reader.busy]) == 2)
        await reader.later(reader.busy)
        await reader.later(reader.quiet)
        assert reader.values(reader.busy) == [b"1", b"2"]

    async def test_one_that_is_left_brings_nothing_until_it_is_read_again(self, reader: Reader):
        await reader.produce(b"1")
        await reader.until(lambda: reader.rows[reader.busy])
        reader.fetching.leave(reader.busy)
        assert reader.fetching.position(reader.busy) == -1
        await reader.produce(b"2")
        await reader.fetches(5)
        assert reader.values(reader.busy) == [b"1"]
        reader.read(1)
        await reader.until(lambda: reader.values(reader.busy) == [b"1", b"2"])

    async def test_an_error_that_reading_on_does_not_mend_is_raised(self, reader: Reader, monkeypatch):
        _refuse(monkeypatch, reader.busy, TopicAuthorizationFailedError.errno)
        await reader.produce(b"1")
        with pytest.raises(TopicAuthorizationFailedError):
            await reader.until(lambda: False)

    async def test_so_is_an_offset_that_the_log_does_not_hold(self, reader: Reader):
        reader.read(7)
        with pytest.raises(OffsetOutOfRangeError) as raised:
            await reader.until(lambda: False)
        assert raised.value.args == ({reader.busy: 7},)

    async def test_unless_it_is_to_be_skipped(self, kafka: Kafka):
        topic = await kafka.create("truncated")
        where = TopicPartition(topic, 0)
        fetching = Fetching(kafka.options, None, None, skip_lost=True)
        await fetching.start_alone([where])
        async with AIOKafkaProducer(**kafka.options) as producer:
            await producer.send_and_wait(topic, b"1", partition=0)
        fetching.read(where, 7)
        rows: list[ReadRow] = []
        async with asyncio.timeout(20):
            while not rows:
                await fetching.wait(0.1)
                rows += [row for fetched in fetching.take().values() for row in fetched.rows]
        assert [offset for offset, *_ in rows] == [0]
        await fetching.stop()


class TestEvidence:
    async def test_every_answer_about_a_log_at_its_end_says_so(self, reader: Reader):
        sent = reader.fetching.sent
        for _ in range(3):
            await reader.later(reader.quiet)
        assert sent + 2 < reader.number(reader.quiet) <= reader.fetching.sent

    async def test_it_is_of_the_time_the_fetch_was_sent(self, reader: Reader):
        before_ms = time.time_ns() // 1_000_000
        await reader.later(reader.quiet)
        after_ms = time.time_ns() // 1_000_000
        evidence = reader.drained[reader.quiet]
        assert evidence is not None
        assert before_ms <= evidence.sent_ms <= after_ms

    async def test_it_moves_on_only_when_what_came_is_taken(self, reader: Reader):
        """Else a record that has come, and not been handed on, would be taken for none."""
        await reader.produce(b"1")
        known = reader.number(reader.quiet)
        await reader.until_told()
        assert reader.number(reader.quiet) == known

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
                await reader.until(lambda sent=sent: reader.number(reader.quiet) > sent)

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
        assert reader.fetching.position(reader.busy) == 4

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
        _refuse(monkeypatch, reader.quiet, NotLeaderForPartitionError.errno)
        reader.fetching.pause(reader.quiet)
        await reader.later(reader.busy)
        reader.fetching.resume(reader.quiet)
        await reader.until(lambda: reader.drained[reader.quiet] is None)
        await reader.later(reader.busy)
        assert reader.drained[reader.quiet] is None
        monkeypatch.undo()
        await reader.until(lambda: reader.drained[reader.quiet])
        await reader.produce_quietly()
        await reader.until(lambda: reader.rows[reader.quiet])
        await reader.later(reader.quiet)

    async def test_nor_is_one_that_never_came(self, reader: Reader, monkeypatch: pytest.MonkeyPatch):
        client = reader.fetching.group.client
        send = client.send

        async def lose(node_id: int, request: Any, **options: Any) -> Any:
            if isinstance(request, SessionFetch):
                raise NotLeaderForPartitionError
            return await send(node_id, request, **options)

        await reader.fetches(1)
        monkeypatch.setattr(client, "send", lose)
        await reader.fetches(2)
        evidence, known = reader.drained[reader.quiet], reader.number(reader.quiet)
        await reader.fetches(3)
        assert reader.number(reader.quiet) == known
        monkeypatch.undo()
        await reader.until(lambda: reader.drained[reader.quiet] is not evidence)
        await reader.later(reader.quiet)
        # Who still holds what was known before is told no more by it: another broker may lead the log by now.
        assert evidence is not None
        assert evidence.number == known


class TestPace:
    async def test_what_is_urgent_is_asked_for_with_a_short_wait(self, reader: Reader):
        requests: list[SessionFetch] = []
        client = reader.fetching.group.client
        send = client.send

        async def note(node_id: int, request: Any, **options: Any) -> Any:
            if isinstance(request, SessionFetch):
                requests.append(request)
            return await send(node_id, request, **options)

        client.send = note
        for urgent, wait_ms in ((True, URGENT_WAIT_MS), (False, IDLE_WAIT_MS)):
            reader.fetching.hurry(urgent=urgent)
            await reader.fetches(2)
            requests.clear()
            await reader.fetches(2)
            assert {request.wait_ms for request in requests} == {wait_ms}
        client.send = send

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
        assert reader.fetching.group.generation > 0

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
        generation, until = reader.fetching.group.generation, time.monotonic() + 1
        await reader.until(lambda: time.monotonic() > until)
        await reader.later(reader.quiet)
        assert reader.fetching.group.generation == generation
        await reader.fetching.stop()

    async def test_what_its_coordinator_has_met_has_it_join_again(self, reader: Reader):
        """The coordinator does nothing more until somebody hears of it, not even send heartbeats."""
        coordinator = reader.fetching.group._consumer._coordinator
        generation = reader.fetching.group.generation
        coordinator._heartbeat_task.cancel()
        told = asyncio.create_task(coordinator._push_error_to_user(KafkaError("met")))
        await asyncio.sleep(0)
        await reader.until(lambda: told.done() and reader.fetching.group.generation > generation)
        await reader.produce(b"1")
        await reader.until(lambda: reader.values(reader.busy) == [b"1"])

    async def test_what_no_other_try_mends_is_raised(self, reader: Reader):
        coordinator = reader.fetching.group._consumer._coordinator
        coordinator._pending_exception = GroupAuthorizationFailedError("group")
        with pytest.raises(GroupAuthorizationFailedError):
            reader.fetching.take()

    async def test_nor_does_it_go_on_when_the_task_that_fetches_is_gone(self, reader: Reader, monkeypatch):
        def stumble(*_: object) -> SessionFetch:
            raise ZeroDivisionError

        monkeypatch.setattr(FetchSession, "ask", stumble)
        with pytest.raises(ZeroDivisionError):
            await reader.until(lambda: False)


def _refuse(monkeypatch: pytest.MonkeyPatch, where: TopicPartition, code: int) -> None:
    """Have each answer that tells something of a log tell an error."""
    answered = FetchSession.answered

    def refuse(session: FetchSession, request: Any, response: Any) -> Answer:
        told, complete = answered(session, request, response)
        return Answer([each._replace(error=code) if each.where == where else each for each in told], complete)

    monkeypatch.setattr(FetchSession, "answered", refuse)


async def test_what_keeps_the_consumer_out_of_its_group_is_raised(reader: Reader):
    """The client keeps it for whoever asks for records, and coordinates nothing until then."""
    reader.fetching.group._consumer._coordinator._pending_exception = GroupAuthorizationFailedError("group")
    with pytest.raises(GroupAuthorizationFailedError):
        reader.fetching.take()


async def test_after_an_answer_nobody_expected_the_group_is_joined_again(reader: Reader):
    """Such as that of a broker which has just become the group's coordinator."""
    generation = reader.fetching.group.generation
    reader.fetching.group._consumer._coordinator._pending_exception = KafkaError(
        "Unexpected exception in heartbeat"
    )
    reader.fetching.take()
    await reader.until(lambda: reader.fetching.group.generation > generation)
