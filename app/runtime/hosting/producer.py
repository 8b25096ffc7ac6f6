"""Kafka's idempotent and transactional producer, as far as a partition's writer needs one.

aiokafka's own gathers single records, waits and batches, and knows the first version of transactions only: an event's
way through it is as long again as the broker's answers take. A writer has whole batches and one transaction at a time.
So the requests are sent from here, over aiokafka's connections, metadata and security; decision 10 weighs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    IllegalOperation,
    KafkaError,
    NoError,
)
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest

from app.runtime.hosting.brokers import Brokers, Where, error_of
from app.runtime.hosting.record_batch import Sender, build_batch
from app.runtime.hosting.throttle import Throttle, unobserved
from app.runtime.hosting.transaction_requests import (
    FEATURE,
    EndTransaction,
    Features,
    ProduceInTransaction,
    feature_level,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.runtime.hosting.record_batch import Batch, Row

MAX_REQUEST_BYTES = 8 << 20
"""Of one request, or one batch more."""

LAST_SEQUENCE = 2**31


class Producer:
    """Writes rows, in transactions where it has a transactional id. One call at a time.

    Raises what `Brokers` does.

    Args:
        client_options: how to reach the brokers, as every client here takes them.
        timeout_ms: of requests, and of a transaction: the broker aborts one that is open for longer.
        on_held_back: see `Throttle`.
    """

    def __init__(
        self,
        client_options: Mapping[str, Any],
        transactional_id: str | None,
        timeout_ms: int,
        on_held_back: Callable[[float], None] = unobserved,
    ) -> None:
        self._throttle = Throttle(on_held_back)
        self.brokers = Brokers(client_options, transactional_id, timeout_ms)
        self._transactional_id = transactional_id
        self._timeout_ms = timeout_ms
        self._id, self._epoch = -1, -1
        self._joins_by_writing = False
        self._sequences: dict[Where, int] = {}
        self._joined: set[Where] = set()
        self._unanswered: set[Where] = set()
        self._spoilt = False

    async def open(self) -> None:
        """Connect, and end whatever another producer of this transactional id has under way, for good."""
        await self.brokers.connect()
        request = InitProducerIdRequest(self._transactional_id, self._timeout_ms)
        if self._transactional_id is None:
            answer = await self.brokers.ask(request, coordinator=False)
        else:
            answer = await self.brokers.ask(request)
            # A broker that cannot be asked for its features (before Kafka 2.4) has none.
            with contextlib.suppress(NotImplementedError):
                features = await self.brokers.ask(Features())
                self._joins_by_writing = feature_level(features, FEATURE) >= 2  # noqa: PLR2004  see transaction_requests
        self._id, self._epoch = answer.producer_id, answer.producer_epoch

    async def close(self) -> None:
        """Disconnect. A transaction under way is left to the broker and to who opens next."""
        await self.brokers.client.close()

    async def send(self, rows: Mapping[Where, Sequence[Row]]) -> dict[Where, int]:
        """Append rows, of each log in the order given; returns the offset after the last of each.

        All are acknowledged then. The batches of one partition follow one another, those of several go together. Raises
        KafkaError also where a quota would keep some of them waiting for longer than they may.
        """
        if self._is_spoilt:
            raise KafkaError("what failed before was not put an end to")
        # Before anything is sent: the time runs in which a transaction has to end, once one is open.
        await self._throttle.wait()
        left = {where: (each, 0) for where, each in rows.items() if each}
        await self.brokers.learn({topic for topic, _ in left})
        if self._transactional_id is not None and not self._joins_by_writing:
            await self._join(left.keys() - self._joined)
        ends: dict[Where, int] = {}
        while left:
            ends |= await self._append(self._next_batches(left))
            if left and self._throttle.wait_s > self._timeout_ms / 1_000:
                # The next request would lie there unread until it, and the transaction, have timed out.
                raise KafkaError("a quota holds the next request back for longer than it may take")
        return ends

    def _next_batches(self, left: dict[Where, tuple[Sequence[Row], int]]) -> dict[Where, Batch]:
        """One batch of each log, as many as go into a request; what they take is taken from `left`, (rows, start) by log."""
        batches: dict[Where, Batch] = {}
        size_bytes = 0
        for where, (rows, start) in list(left.items()):
            batch = batches[where] = self._fill(where, rows, start)
            end = start + batch.length
            if end < len(rows):
                left[where] = (rows, end)
            else:
                del left[where]
            size_bytes += len(batch.records)
            if size_bytes > MAX_REQUEST_BYTES:
                break
        return batches

    async def commit(self) -> None:
        """Let read_committed readers see what was sent. After an error it is not known whether they will."""
        await self._end(commit=True)

    async def abort(self) -> None:
        """Have nobody see what was sent; then another transaction may begin.

        Not where something sent was not answered: it may arrive yet, and where transactions have no epoch of their own
        it would get into the next one. Then this producer writes no more, and who opens next puts an end to it.
        """
        if self._is_spoilt:
            return
        self._spoilt = True
        await self._end(commit=False)
        self._spoilt = False

    @property
    def _is_spoilt(self) -> bool:
        return self._spoilt or (bool(self._unanswered) and not self._joins_by_writing)

    async def _end(self, *, commit: bool) -> None:
        if self._transactional_id is None:
            raise IllegalOperation("a producer without transactional id has no transactions")
        name = self._transactional_id
        if self._joins_by_writing:
            answer = await self.brokers.ask(EndTransaction(name, self._id, self._epoch, commit=commit))
            self._id, self._epoch = answer.producer_id, answer.producer_epoch
            self._sequences.clear()
            self._unanswered.clear()
        else:
            await self.brokers.ask(EndTxnRequest(name, self._id, self._epoch, commit))
            self._joined.clear()

    def _fill(self, where: Where, rows: Sequence[Row], start: int) -> Batch:
        """A batch of the rows from `start` on, until it is full. An empty one takes its first row however large."""
        base_sequence = self._sequences.get(where, 0)
        sender = Sender(self._id, self._epoch, base_sequence, self._transactional_id is not None)
        return build_batch(rows, start, time.time_ns() // 1_000_000, sender)

    async def _append(self, batches: Mapping[Where, Batch]) -> dict[Where, int]:
        """Have each batch appended to its partition; returns the offset after each one's last record."""
        deadline_s = self.brokers.deadline_s()
        ends: dict[Where, int] = {}
        left = dict(batches)
        while True:
            nodes: dict[int | None, dict[Where, Batch]] = {}
            for where, batch in left.items():
                nodes.setdefault(self.brokers.leader(where), {})[where] = batch
            failed: dict[Where, KafkaError] = {}
            asked = [self._append_at(node, part) for node, part in nodes.items()]
            for offsets, refused in [await asked[0]] if len(asked) == 1 else await asyncio.gather(*asked):
                failed |= refused
                for where, offset in offsets.items():
                    count = left[where].length
                    ends[where] = offset + count
                    self._sequences[where] = (self._sequences.get(where, 0) + count) % LAST_SEQUENCE
            if not failed:
                return ends
            left = {where: left[where] for where in failed}
            await self.brokers.bear(list(failed.values()), deadline_s)

    async def _append_at(
        self, node: int | None, batches: Mapping[Where, Batch]
    ) -> tuple[dict[Where, int], dict[Where, KafkaError]]:
        """Ask one broker once; returns offsets of what it took, and errors of what it did not."""
        if node is None:
            return {}, {where: self.brokers.no_leader(where[0]) for where in batches}
        topics: dict[str, list[tuple[int, bytes | bytearray]]] = {}
        for (topic, partition), batch in batches.items():
            topics.setdefault(topic, []).append((partition, batch.records))
        name, timeout_ms = self._transactional_id, self._timeout_ms
        request = (
            ProduceInTransaction(name, timeout_ms, topics)
            if name is not None and self._joins_by_writing
            else ProduceRequest(name, -1, timeout_ms, list(topics.items()))
        )
        self._unanswered.update(batches)
        try:
            answer = await self.brokers.client.send(node, request)
        except KafkaError as error:
            return {}, dict.fromkeys(batches, error)
        self._unanswered.difference_update(batches)
        self._throttle.note(answer.throttle_time_ms)
        offsets: dict[Where, int] = {}
        errors: dict[Where, KafkaError] = {}
        for topic, partitions, *_tags in answer.topics:
            for partition, code, offset, *_ in partitions:
                if code == NoError.errno:
                    offsets[topic, partition] = offset
                else:
                    errors[topic, partition] = error_of(code, topic)
        return offsets, errors

    async def _join(self, places: set[Where]) -> None:
        """Make partitions part of the transaction, where writing to them alone does not."""
        topics: dict[str, list[int]] = {}
        for topic, partition in places:
            topics.setdefault(topic, []).append(partition)
        if topics:
            name = self._transactional_id or ""
            await self.brokers.ask(
                AddPartitionsToTxnRequest(name, self._id, self._epoch, list(topics.items()))
            )
            self._joined |= places
