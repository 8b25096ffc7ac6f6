"""Reading the inputs: an aiokafka consumer whose fetches are seen one by one.

Of aiokafka's inside is needed what its interface does not give, and `tests/runtime/hosting` names it: when each fetch
was sent and what it found at the end of the log (to know that an input is drained), the fetched records without the
object it builds for each, and to have its fetches made in a session. Whoever takes these past its interface has to do
what that does besides: tell the group that somebody is at work, and hear what its own tasks have met.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import KafkaError

from app.runtime.hosting.fetch_session import FetchSession
from app.runtime.refusals import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiokafka.abc import ConsumerRebalanceListener

log = logging.getLogger(__name__)

FETCH_BYTES = 4 << 20
"""Of one partition in one fetch, at most."""

IDLE_WAIT_MS = 50
"""How long the broker holds a fetch that finds nothing, while nothing waits for its answer."""

URGENT_WAIT_MS = 1
"""The same while a record waits to know that the other inputs are drained."""

FETCH_EVERY_S = 0.004
"""Least time from one fetch to the next. Where records come all the time each would else bring one, and fetching them
would take more of the processor than deciding them; a transaction is under way for longer anyway."""

Row = tuple[int, int, "bytes | None", "bytes | None"]
"""(offset, timestamp in ms, key, value)."""


class Fetched(NamedTuple):
    """What came for one topic partition since it was last asked.

    `size_bytes` is that of keys and values. `drained` is (number, wall time in ms) of the fetch that found the log to
    end after these rows (the last stable offset), or None.
    """

    rows: list[Row]
    size_bytes: int
    drained: tuple[int, int] | None


class Fetching:
    """The consumer of one worker. On the event loop it was made in; nothing blocks.

    `sent` counts the fetches sent so far; it is the clock of `runtime.merge`.
    """

    def __init__(
        self, client_options: dict[str, Any], group: str | None, assignor: type | None, **options: Any
    ) -> None:
        self.sent = 0
        self._sent_s = 0.0
        self._answers: dict[TopicPartition, tuple[int, int]] = {}
        self._sessions: dict[int, FetchSession] = {}
        self._arrived = asyncio.Event()
        self.consumer = AIOKafkaConsumer(
            **{
                **client_options,
                "group_id": group,
                "partition_assignment_strategy": [] if assignor is None else [assignor],
                "enable_auto_commit": False,
                "auto_offset_reset": "none",
                "isolation_level": "read_committed",
                "fetch_max_wait_ms": IDLE_WAIT_MS,
                "max_partition_fetch_bytes": FETCH_BYTES,
                "metadata_max_age_ms": 60_000,
                **options,
            }
        )

    async def start(self, topics: Iterable[str], listener: ConsumerRebalanceListener) -> None:
        """Connect and join the group; the listener is called on this loop."""
        await self._connect()
        self.consumer.subscribe(list(topics), listener=listener)

    async def start_at(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Connect and read these partitions from these offsets on, as a member of no group (`group` is None)."""
        await self._connect()
        self.consumer.assign(list(offsets))
        for where, offset in offsets.items():
            self.consumer.seek(where, offset)
        # Lets the consumer's own tasks begin: stopped before they have, it raises their CancelledError.
        await asyncio.sleep(0)

    async def _connect(self) -> None:
        await self.consumer.start()
        self._fetcher = self.consumer._fetcher  # noqa: SLF001  the seam this file exists for
        self._send_fetch = self._fetcher._proc_fetch_request  # noqa: SLF001
        self._fetcher._proc_fetch_request = self._watch_fetch  # noqa: SLF001

    async def stop(self) -> None:
        """Leave the group and disconnect."""
        await self.consumer.stop()

    @property
    def generation(self) -> int:
        """The group's generation this consumer is a member of; -1 when of none."""
        generation: int = self.consumer._coordinator.generation  # noqa: SLF001
        return generation

    def rejoin(self) -> None:
        """Have the group share out its work anew, as soon as it can."""
        self.consumer._coordinator.request_rejoin()  # noqa: SLF001

    async def starts_of(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Offset of the first record each log still holds. Asks the brokers."""
        starts: dict[TopicPartition, int] = await self.consumer.beginning_offsets(list(places))
        return starts

    def end_of(self, where: TopicPartition) -> int | None:
        """Offset after the last record of the log when it was last fetched; None before that."""
        state = self._state(where)
        end: int | None = None if state is None else state.highwater
        return end

    def has_all(self, where: TopicPartition) -> bool:
        """Whether the last fetch found nothing beyond what has been taken, be it of an open transaction."""
        state = self._state(where)
        if state is None or not state.has_valid_position or state.highwater is None:
            return False
        taken_all: bool = state.position >= state.highwater
        return taken_all

    def position(self, where: TopicPartition) -> int:
        """Offset of the next record to come: behind what has been taken, and what no reader gets to see."""
        state = self._state(where)
        position: int = -1 if state is None or not state.has_valid_position else state.position
        return position

    def hurry(self, *, urgent: bool) -> None:
        """Whether an answer that nothing has come is wanted at once, from the next fetch on."""
        self._fetcher._fetch_max_wait_ms = URGENT_WAIT_MS if urgent else IDLE_WAIT_MS  # noqa: SLF001

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
        """All that has come since the last call, which makes room for the next fetch.

        To be called again and again, also while nothing comes: it is what keeps the consumer in its group. Raises the
        fetch error of a partition, if there is one (authorization, corrupt record, a log that no longer holds the
        offset: `OffsetOutOfRangeError`), and what keeps the consumer from its work for good.
        """
        self._attend()
        self._arrived.clear()
        answers, self._answers = self._answers, {}
        taken: dict[TopicPartition, Fetched] = {}
        fetcher = self._fetcher
        records = fetcher._records  # noqa: SLF001
        for where in list(records):
            result = records.pop(where)
            if type(result) is not FetchResult:
                fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001
                result.check_raise()
                continue
            rows, size_bytes = _rows(result, where)
            taken[where] = Fetched(rows, size_bytes, self._drained(where, answers.pop(where, None)))
        for where, answer in answers.items():
            drained = self._drained(where, answer)
            if drained is not None:
                taken[where] = Fetched([], 0, drained)
        fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001
        return taken

    def _attend(self) -> None:
        """What aiokafka's own way to records does at each call.

        A consumer nobody asks for records leaves its group after five minutes and does not come back; and what its
        group's coordinator has met is held until somebody hears of it.
        """
        with self.consumer._subscription.fetch_context():  # noqa: SLF001
            pass
        if self._fetcher.error_future.done():
            self._fetcher.error_future.result()
        coordinator = self.consumer._coordinator  # noqa: SLF001
        try:
            coordinator.check_errors()
        except REFUSALS:
            raise
        except KafkaError as error:
            if coordinator._coordination_task.done():  # noqa: SLF001
                raise
            # Its heartbeats may have ended with the error: joining again begins new ones.
            log.warning("the consumer group has failed, and is joined again: %r", error)
            coordinator.request_rejoin()

    def _drained(self, where: TopicPartition, answer: tuple[int, int] | None) -> tuple[int, int] | None:
        state = self._state(where)
        if answer is None or state is None or not state.has_valid_position or state.lso is None:
            return None
        return answer if state.position >= state.lso else None

    def _state(self, where: TopicPartition) -> Any:
        subscription = self.consumer._subscription.subscription  # noqa: SLF001
        assignment = None if subscription is None else subscription.assignment
        if assignment is None or where not in assignment.tps:
            return None
        return assignment.state_value(where)

    async def _watch_fetch(self, assignment: Any, node_id: int, request: Any) -> bool:
        """Stands before aiokafka's own: keeps fetches apart, numbers each, makes it one of a session, and notes for whom
        it was answered.

        What was answered for an offset from which we no longer want to read, after a seek, counts for nothing.
        """
        wait_s = self._sent_s + FETCH_EVERY_S - time.monotonic()
        if wait_s > 0:
            try:
                await asyncio.sleep(wait_s)
            except asyncio.CancelledError:
                # As aiokafka's own does, whose answers nobody is interested in any more.
                return False
        self._sent_s = time.monotonic()
        self.sent += 1
        answer = (self.sent, time.time_ns() // 1_000_000)
        session = self._sessions.setdefault(node_id, FetchSession())
        fetch = session.ask(request)
        has_records: bool = await self._send_fetch(assignment, node_id, fetch)
        session.lost()
        if assignment.active:
            for where, end in session.ends().items():
                state = assignment.state_value(where)
                if state.has_valid_position and state.position == fetch.wanted[where][0]:
                    state.highwater, state.lso = end
                    self._answers[where] = answer
        self._arrived.set()
        return has_records


def _rows(result: Any, where: TopicPartition) -> tuple[list[Row], int]:
    """The rows of one fetch result, none when a seek has made it void; the consumer's position moves behind them."""
    if not result.check_assignment(where):
        return [], 0
    records = result._partition_records  # noqa: SLF001
    records._consumer_record = _row  # noqa: SLF001
    rows: list[Row] = list(records)
    result._update_position()  # noqa: SLF001
    size = sum([len(key or b"") + len(value or b"") for _, _, key, value in rows])
    return rows, size


def _row(_where: TopicPartition, record: Any) -> Row:
    return record.offset, record.timestamp, record.key, record.value
