"""Getting one decided batch into Kafka: outputs, states, position and journal, together or not at all.

One writer a partition. Its transactional id is the partition's name, so whoever opens the partition next fences the
one before (InitProducerId), and nothing a fenced writer has sent is ever seen by a read_committed reader.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from app.runtime.hosting.producer import Producer
from app.runtime.hosting.record_batch import MAX_BATCH_BYTES
from app.runtime.hosting.throttle import unobserved
from app.runtime.layout import POSITION_KEY, entity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from app.runtime.hosting.brokers import Where
    from app.runtime.hosting.record_batch import Row

TRANSACTION_TIMEOUT_MS = 30_000

LEAST_SPACING_S = 0.002
MOST_SPACING_S = 0.02
"""Least and most time from one transaction to the next; see `Writer.spacing_s`. The most is what a broker lets those wait who
come too soon."""

CLOSE_TIMEOUT_S = 3.0
"""How long a broker has for what would only be tidy: ending a transaction that has failed, taking leave."""


_ROW_BYTES, _FRAME_BYTES = 40, 100
"""What a row and a record batch take besides keys and values, at most."""


class Outgoing(NamedTuple):
    """What one batch writes besides its RocksDB batch.

    outputs: rows by where they go, each list in the order decided; the journal entry among them.
    states: changelog rows, without the position.
    """

    outputs: dict[Where, list[Row]]
    states: Iterable[Row]
    position: bytes


class Writer:
    """Writes batches of one partition. Exactly one commit may be under way.

    Args:
        client_options: how to reach the brokers, as every client here takes them.
        transactional_id: application, processor and partition; None writes at least once, without transactions.
        changelog, partition: where the states and the position go.
        timeout_ms: how long a transaction may take, and an acknowledgement. What a writer leaves open that is gone
            for good, readers wait for as long.
        on_held_back: see `throttle.Throttle`.
    """

    def __init__(
        self,
        client_options: dict[str, Any],
        transactional_id: str | None,
        changelog: str,
        partition: int,
        *,
        timeout_ms: int = TRANSACTION_TIMEOUT_MS,
        on_held_back: Callable[[float], None] = unobserved,
    ) -> None:
        self._changelog: Where = (changelog, partition)
        self._transactional = transactional_id is not None
        self._producer = Producer(client_options, transactional_id, timeout_ms, on_held_back)
        self._end_s = 0.0

    async def open(self) -> None:
        """Connect and, when transactional, fence whoever wrote this partition before."""
        await self._producer.open()

    async def close(self) -> None:
        """Let go of the connections; a transaction under way is left for the broker or the next owner to abort."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._producer.close()

    @property
    def spacing_s(self) -> float:
        """How long the brokers have, from the end of `commit`, until the next one begins.

        They then write the transaction's markers, and have whoever writes sooner wait for 20 ms. That takes two replicated
        writes, where the end that was awaited took one: so what they need is told by how long that was.
        """
        return min(max(LEAST_SPACING_S, 2 * self._end_s), MOST_SPACING_S)

    async def commit(self, outgoing: Outgoing) -> int:
        """Write one batch; returns the changelog offset after it.

        Raises what aiokafka raises; then the writer has to be opened anew. What the brokers get over within `timeout_ms`
        is tried again.

        Exactly once (the numbers are those of `commits.py`, which names what a crash after each leaves):

        2. send outputs, states, journal and, last, the position; await every acknowledgement;
        3. commit.

        At least once: the same records, in the order outputs, states, position, each acknowledged before the next; so
        a crash between them repeats outputs but never loses one. Nor does one between two batches of states leave half
        an entity (see `_whole`).
        """
        states, position = list(outgoing.states), (POSITION_KEY, outgoing.position)
        if not self._transactional:
            await self._producer.send(outgoing.outputs)
            for whole in _whole(states):
                await self._producer.send({self._changelog: whole})
            return (await self._producer.send({self._changelog: [position]}))[self._changelog]
        try:
            ends = await self._producer.send({**outgoing.outputs, self._changelog: [*states, position]})  # 2
            asked_s = time.monotonic()
            await self._producer.commit()  # 3
            self._end_s = time.monotonic() - asked_s
        except BaseException:
            with contextlib.suppress(BaseException):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._producer.abort()
            raise
        return ends[self._changelog]


def _whole(states: list[Row]) -> Iterator[list[Row]]:
    """The rows in lots that go into one record batch each, all of an entity in one.

    A record batch is appended whole or not at all. Of an entity of which one part is newer than another nobody could say
    which records it has seen: applied again, they would meet what they had done already. Only an entity that is larger
    than a batch is divided, with what says what it has seen in the last one.
    """
    room = MAX_BATCH_BYTES - _FRAME_BYTES
    if _size_bytes(states) <= room:
        yield states
        return
    lot: list[Row] = []
    lot_bytes = 0
    for _, parts in groupby(sorted(states, key=_entity), key=_entity):
        entity = list(parts)
        size_bytes = _size_bytes(entity)
        if lot and lot_bytes + size_bytes > room:
            yield lot
            lot, lot_bytes = [], 0
        lot += entity
        lot_bytes += size_bytes
    yield lot


def _entity(row: Row) -> bytes:
    return entity_of(row[0] or b"")


def _size_bytes(rows: list[Row]) -> int:
    """What the rows take in a record batch, at most."""
    return sum([len(key or b"") + len(value or b"") + _ROW_BYTES for key, value in rows])
