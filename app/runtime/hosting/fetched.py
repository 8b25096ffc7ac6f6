"""What is read, from whom, and what an answer brings of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from app.runtime.evidence import Evidence
from app.runtime.hosting.fetch_session import FetchSession
from app.runtime.hosting.record_batch import read_batches
from app.runtime.hosting.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiokafka import TopicPartition

    from app.runtime.hosting.fetch_session import Told
    from app.runtime.hosting.record_batch import ReadRow


class Fetched(NamedTuple):
    """What came for one topic partition since it was last asked.

    `size_bytes` is that of keys and values. `drained`: the log ended after these rows (the last stable offset), as of
    the fetches this speaks of, until something else is told of the log; None: it did not, or that is not known.
    """

    rows: list[ReadRow]
    size_bytes: int
    drained: Evidence | None


class Broker:
    """One broker that is fetched from.

    Attributes:
        evidence: of the logs of it that are at their ends.
        wanted: set when the session has something to ask for.
        taken: set when what the last answer told has been taken.
        sent_s: when the last fetch was sent, monotonic.
        throttle: how long it is to be left alone.
        is_lost: it has not answered the last one.
    """

    def __init__(self, node: int, on_held_back: Callable[[float], None]) -> None:
        self.node = node
        self.throttle = Throttle(on_held_back)
        self.session = FetchSession()
        self.evidence = Evidence()
        self.wanted = asyncio.Event()
        self.taken = asyncio.Event()
        self.sent_s = 0.0
        self.is_lost = False


class Answered(NamedTuple):
    """What a broker has answered to fetch `number`, sent at `sent_ms` (wall time); see `fetch_session.Answer`."""

    broker: Broker
    number: int
    sent_ms: int
    told: list[Told]
    complete: bool

    def is_outdone(self, broker: Broker) -> bool:
        """Another answer of this broker says all that this one does."""
        return self.broker is broker and not self.told


class LogReader:
    """One topic partition that is read.

    Attributes:
        position: offset of the next row to take.
        highwater: offset after its last record, as last told; None before that.
        broker: which it is fetched from; None while it is fetched from nobody.
    """

    __slots__ = ("broker", "highwater", "position", "where")

    def __init__(self, where: TopicPartition, position: int) -> None:
        self.where = where
        self.position = position
        self.highwater: int | None = None
        self.broker: Broker | None = None

    def take(self, told: Told) -> tuple[list[ReadRow], int]:
        """The committed rows that an answer brings, and the size of their keys and values; the position moves behind them.

        Raises aiokafka's CorruptRecordException for a batch whose checksum is wrong.
        """
        self.highwater = told.highwater
        rows, self.position, size_bytes = read_batches(self.where, told.records, told.aborted, self.position)
        return rows, size_bytes
