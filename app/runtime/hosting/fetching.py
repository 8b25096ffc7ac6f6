"""Reading the inputs: one fetch after the other from each broker, each seen for itself.

So it is known when a fetch was sent and what it found at the end of each log, which says that an input is drained; and
what a fetch costs grows with what is busy, not with what is read (decision 11). Of aiokafka are the connections, what is
known of the cluster, and the reading of record batches.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    KafkaError,
    NoError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    for_code,
)

from app.runtime.evidence import Evidence
from app.runtime.hosting.fetched import Answered, Broker, Fetched, LogReader
from app.runtime.hosting.membership import Membership
from app.runtime.hosting.presence import watch
from app.runtime.hosting.throttle import unobserved

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from aiokafka import TopicPartition
    from aiokafka.abc import ConsumerRebalanceListener

    from app.runtime.hosting.fetch_session import Told

log = logging.getLogger(__name__)

FETCH_BYTES = 256 << 10
"""Of one partition in one fetch, at most."""

ANSWER_BYTES = 50 << 20
"""Of all partitions in one fetch, at most."""

IDLE_WAIT_MS = 50
"""How long the broker holds a fetch that finds nothing, while nothing waits for its answer."""

URGENT_WAIT_MS = 0
"""The same while a record waits to know that the other inputs are drained."""

FETCH_EVERY_S = 0.001
"""Least time from one fetch from a broker to the next. Where records come all the time each would else bring one."""

BACKOFF_S = 0.1
"""Between two tries, where a broker does not answer or does not lead a partition any more."""


class Fetching:
    """What a worker or reader reads. On the event loop it was made in; nothing blocks.

    `sent` counts the fetches sent so far, from all brokers; it is the clock of `runtime.merge`.

    Args:
        client_options, group, assignor, options: see `Membership`.
        idle_wait_ms, fetch_bytes: in place of `IDLE_WAIT_MS` and `FETCH_BYTES`.
        skip_lost: where a log no longer holds the offset, read on with the first one it holds; else that is an error.
        on_held_back: see `Throttle`.

    Attributes:
        group: the membership, through which offsets are asked for and written.
    """

    def __init__(
        self,
        client_options: dict[str, Any],
        group: str | None,
        assignor: type | None,
        *,
        idle_wait_ms: int = IDLE_WAIT_MS,
        fetch_bytes: int | None = None,
        skip_lost: bool = False,
        on_held_back: Callable[[float], None] = unobserved,
        **options: Any,
    ) -> None:
        self.sent = 0
        self._idle_wait_ms = self._wait_ms = idle_wait_ms
        self._fetch_bytes = FETCH_BYTES if fetch_bytes is None else fetch_bytes
        self._skip_lost = skip_lost
        self._on_held_back = on_held_back
        self._readers: dict[TopicPartition, LogReader] = {}
        self._paused: set[TopicPartition] = set()
        self._leaderless: set[TopicPartition] = set()
        self._brokers: dict[int, Broker] = {}
        self._answers: list[Answered] = []
        self._errors: list[BaseException] = []
        self._arrived = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking_for_leaders = False
        self.group = Membership(client_options, group, assignor, isolation_level="read_committed", **options)
        self._client = self.group.client

    async def start(self, topics: Iterable[str], listener: ConsumerRebalanceListener) -> None:
        """Connect and join the group; the listener is called on this loop. It says what is read."""
        topics = list(topics)
        await self.group.join(topics, listener)
        self._spawn(watch(self._client, topics), "topics that are there")

    async def start_alone(self, places: Iterable[TopicPartition]) -> None:
        """Connect as a member of no group, to read some of these partitions."""
        await self.group.stay_alone(places)

    async def stop(self) -> None:
        """Read no more, leave the group and disconnect."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.group.stop()

    def read(self, where: TopicPartition, offset: int) -> None:
        """Read a partition from this offset on. What has come of it before is void, as is what its caller has as evidence."""
        self.leave(where)
        self._readers[where] = LogReader(where, offset)
        self._find_broker(where)

    def leave(self, *places: TopicPartition) -> None:
        """Read these no more."""
        for where in places:
            self._let_go(where)
            self._readers.pop(where, None)
            self._paused.discard(where)

    def pause(self, *places: TopicPartition) -> None:
        """Fetch no more of these for now. What has come and was not taken will come again; what their caller has as evidence
        is void.
        """
        for where in places:
            self._let_go(where)
            self._paused.add(where)

    def resume(self, *places: TopicPartition) -> None:
        """Read on with these, where they were paused."""
        for where in places:
            if where in self._paused:
                self._paused.discard(where)
                self._find_broker(where)

    @property
    def paused(self) -> set[TopicPartition]:
        """What is read, and paused."""
        return self._paused

    def end_of(self, where: TopicPartition) -> int | None:
        """Offset after the last record of the log when it was last fetched; None before that."""
        reader = self._readers.get(where)
        return None if reader is None else reader.highwater

    def has_all(self, where: TopicPartition) -> bool:
        """Whether the last fetch found nothing beyond what has been taken, be it of an open transaction."""
        reader = self._readers.get(where)
        return reader is not None and reader.highwater is not None and reader.position >= reader.highwater

    def position(self, where: TopicPartition) -> int:
        """Offset of the next record to come: behind what has been taken, and what no reader gets to see."""
        reader = self._readers.get(where)
        return -1 if reader is None else reader.position

    def hurry(self, *, urgent: bool) -> None:
        """Whether an answer that nothing has come is wanted at once, from the next fetch on."""
        self._wait_ms = URGENT_WAIT_MS if urgent else self._idle_wait_ms

    async def wait(self, timeout_s: float) -> None:
        """Return when a fetch has been answered since the last `take`, or after the timeout."""
        # Not `wait_for`: up to Python 3.11 it swallows a cancellation that comes with the answer.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()

    def wake(self) -> None:
        """End a `wait` early."""
        self._arrived.set()

    def take(self) -> dict[TopicPartition, Fetched]:
        """What the answers since the last call have told of each log; then more is fetched from those who told it.

        A log of which nothing is told is as it was: what it has had as evidence moves on, if it has any. To be called again
        and again, also while nothing comes: it is what keeps the consumer in its group. Raises the error of a partition, if
        there is one (authorization, corrupt record, a log that no longer holds the offset: `OffsetOutOfRangeError`), that
        of topics that have been deleted (`UnknownTopicOrPartitionError`), and what keeps the consumer from its work for good.
        """
        self.group.attend()
        self._arrived.clear()
        if self._errors:
            raise self._errors.pop(0)
        answers, self._answers = self._answers, []
        taken: dict[TopicPartition, Fetched] = {}
        for broker, number, sent_ms, told, complete in answers:
            for each in told:
                reader = self._readers.get(each.where)
                if reader is not None and reader.broker is broker and not broker.session.is_void(each.where):
                    taken[each.where] = self._told(reader, broker, each)
            if complete:
                broker.evidence.number, broker.evidence.sent_ms = number, sent_ms
            broker.taken.set()
        return taken

    def _told(self, reader: LogReader, broker: Broker, told: Told) -> Fetched:
        """Take in what an answer tells of a log that is read."""
        error = for_code(told.error)
        if error is not NoError:
            self._failed(reader, error)
            return Fetched([], 0, None)
        before = reader.position
        try:
            rows, size_bytes = reader.take(told)
        except KafkaError as corrupt:
            self._fail(corrupt)
            return Fetched([], 0, None)
        if reader.position != before:
            broker.session.move(reader.where, reader.position)
        return Fetched(rows, size_bytes, broker.evidence if reader.position >= told.lso else None)

    def _failed(self, reader: LogReader, error: type[KafkaError]) -> None:
        where = reader.where
        if error is OffsetOutOfRangeError and self._skip_lost:
            self._let_go(where)
            self._spawn(self._begin_again(reader), f"start of {where}")
        elif error is OffsetOutOfRangeError:
            self._fail(OffsetOutOfRangeError({where: reader.position}))
        elif error is TopicAuthorizationFailedError:
            self._fail(TopicAuthorizationFailedError(where.topic))
        else:
            log.info("%s-%d cannot be fetched: %s", where.topic, where.partition, error.__name__)
            self._let_go(where)
            self._look_for_leader(where)

    async def _begin_again(self, reader: LogReader) -> None:
        starts = await self.group.starts_of([reader.where])
        if self._readers.get(reader.where) is reader:
            self.read(reader.where, starts[reader.where])

    def _find_broker(self, where: TopicPartition) -> None:
        """Have a log fetched from the broker that leads it, as soon as that is known."""
        reader = self._readers.get(where)
        if reader is None or where in self._paused:
            return
        node = self._client.cluster.leader_for_partition(where)
        if node is None or node < 0:
            self._look_for_leader(where)
            return
        broker = self._brokers.get(node)
        if broker is None:
            broker = self._brokers[node] = Broker(node, self._on_held_back)
            self._spawn(self._fetch_from(broker), f"fetches from broker {node}")
        reader.broker = broker
        broker.session.want(where, reader.position)
        broker.wanted.set()

    def _let_go(self, where: TopicPartition) -> None:
        """Have a log fetched from nobody."""
        self._leaderless.discard(where)
        reader = self._readers.get(where)
        if reader is not None and reader.broker is not None:
            reader.broker.session.drop(where)
            reader.broker = None

    def _look_for_leader(self, where: TopicPartition) -> None:
        self._leaderless.add(where)
        if not self._looking_for_leaders:
            self._looking_for_leaders = True
            self._spawn(self._look_for_leaders(), "leaders of partitions")

    async def _look_for_leaders(self) -> None:
        """Until there is a broker for every log that has lost its own."""
        while self._leaderless:
            await self._client.force_metadata_update()
            refused = {where.topic for where in self._leaderless} & self._client.cluster.unauthorized_topics
            if refused:
                self._fail(TopicAuthorizationFailedError(*sorted(refused)))
            leaderless, self._leaderless = self._leaderless, set()
            for where in leaderless:
                self._find_broker(where)
            # A broker may say for a while that another leads, which says the same of it.
            await asyncio.sleep(BACKOFF_S)
        self._looking_for_leaders = False

    async def _fetch_from(self, broker: Broker) -> None:
        """Fetch from one broker, again and again; what brings something is taken before more is asked for."""
        session = broker.session
        while True:
            if session.is_idle:
                broker.wanted.clear()
                await broker.wanted.wait()
            await broker.throttle.wait()
            wait_s = broker.sent_s + FETCH_EVERY_S - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            broker.sent_s = time.monotonic()
            self.sent += 1
            number, sent_ms = self.sent, time.time_ns() // 1_000_000
            request = session.ask(self._wait_ms, self._fetch_bytes, ANSWER_BYTES)
            try:
                response = await self._client.send(broker.node, request)
            except KafkaError as error:
                session.lost()
                await self._lose(broker, error)
                continue
            broker.is_lost = False
            broker.throttle.note(response.throttle_time_ms)
            told, complete = session.answered(request, response)
            broker.taken.clear()
            if complete and self._answers and self._answers[-1].is_outdone(broker):
                self._answers.pop()
            self._answers.append(Answered(broker, number, sent_ms, told, complete))
            self._arrived.set()
            if told:
                await broker.taken.wait()
            elif response.error_code:
                await asyncio.sleep(BACKOFF_S)

    async def _lose(self, broker: Broker, error: KafkaError) -> None:
        """A broker does not answer: others may lead by now what it led."""
        log.log(
            logging.DEBUG if broker.is_lost else logging.WARNING,
            "broker %d does not answer a fetch: %r",
            broker.node,
            error,
        )
        broker.is_lost = True
        # What it says when it answers again is of the logs it leads then.
        broker.evidence = Evidence()
        for where in [where for where, reader in self._readers.items() if reader.broker is broker]:
            self._let_go(where)
            self._look_for_leader(where)
        await asyncio.sleep(BACKOFF_S)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Have the next `take` raise this."""
        self._errors.append(error)
        self._arrived.set()
