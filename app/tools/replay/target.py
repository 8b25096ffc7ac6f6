"""What a replay writes: the outputs of decided batches, under its prefix, exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.domain.outputs import OUTPUTS
from app.runtime.layout import POSITION_KEY
from app.runtime.position import Position, dump_position, load_position
from app.runtime.writer import Outgoing, Writer
from app.wire.topics import JOURNAL

if TYPE_CHECKING:
    from app.runtime.deciding import Decided
    from app.runtime.hosting.brokers import Where
    from app.runtime.hosting.record_batch import Row
    from app.runtime.processor import Host
    from app.runtime.store import Store

COMMIT_RECORDS = 10_000
COMMIT_BYTES = 16 << 20
"""A transaction is committed when it holds so many input records, or so much output."""

TIMEOUT_MS = 300_000
"""Of a replay's transactions: nobody waits for its outputs, and on a starved machine large ones take more than a worker's."""


class Pending(NamedTuple):
    """A decided batch that is not committed yet; `position` is where the replay stands after it."""

    decided: Decided
    position: Position


class Target:
    """The outputs of one partition of one processor. A transaction holds the outputs of many batches, and the position.

    What was committed before an interruption, and is decided again because the state on disk had fallen behind, is not
    sent again: `sent` says up to where the journal's commits are under the prefix already.

    Args:
        host: with the replay's names; its application tells the replay's transactions from the worker's.
        store: where states are written once their batch is committed.
        changelog: of the processor, which holds the position; with the partition.
        since_ms: outputs of instants before are left out; None: none are.
    """

    def __init__(
        self, host: Host, store: Store[Any], changelog: str, number: int, since_ms: int | None
    ) -> None:
        self._host = host
        self.store = store
        self._writer = Writer(
            host.client_options,
            f"{host.application}-{changelog}-{number}",
            host.full_name(changelog),
            number,
            timeout_ms=TIMEOUT_MS,
        )
        self._place = TopicPartition(host.full_name(changelog), number)
        self._names = {
            host.full_name(topic): topic for topic in (*OUTPUTS, JOURNAL) if topic in host.partitions
        }
        self._since_ms = since_ms
        self._rows: dict[Where, list[Row]] = {}
        self._pending: list[Pending] = []
        self._records = self._bytes = 0
        self.sent = Position()

    async def open(self) -> None:
        """Fence an earlier replay of the same, and find out what it has committed."""
        await self._writer.open()
        self.sent = load_position(await last_position(self._host, self._place))

    async def close(self) -> None:
        """Let go of the connection."""
        await self._writer.close()

    @property
    def full(self) -> bool:
        """Enough is pending for a transaction."""
        return self._records >= COMMIT_RECORDS or self._bytes >= COMMIT_BYTES

    def add(self, decided: Decided, position: Position, *, repeated: bool) -> None:
        """Take one decided batch; `repeated`: its outputs are under the prefix already."""
        self._pending.append(Pending(decided, position))
        self._records += decided.records
        if repeated:
            return
        for where, rows in decided.outgoing.outputs.items():
            topic = self._names.get(where[0])
            if topic is None:
                # A crossing fact: what did cross lies in the live internal topics, and is read from there.
                continue
            kept = rows if self._since_ms is None else self._of_window(topic, rows, decided.position.time_ms)
            if kept:
                self._rows.setdefault(where, []).extend(kept)
                self._bytes += sum(len(value or b"") for _, value in kept)

    async def commit(self) -> int:
        """Write what is pending, to Kafka and then to the store; returns how many input records that were.

        A crash between the two leaves the store behind: these batches are decided again, and not sent.
        """
        if not self._pending:
            return 0
        self._host.crash_point("decided")
        position = self._pending[-1].position
        if self._rows or position.offsets.get(JOURNAL, 0) > self.sent.offsets.get(JOURNAL, 0):
            outgoing = Outgoing(self._rows, (), dump_position(position))
            await self._writer.commit(outgoing)
            self.sent = position
        self._host.crash_point("committed")
        for each in self._pending:
            self.store.write(each.decided.sealed, dump_position(each.position), 0)
        self._host.crash_point("written")
        records = self._records
        self._pending, self._rows = [], {}
        self._records = self._bytes = 0
        return records

    def _of_window(self, topic: str, rows: list[Row], time_ms: int) -> list[Row]:
        """Those of instants in the window; no output is of an instant after its partition's time."""
        since_ms = self._since_ms or 0
        if time_ms < since_ms or topic == JOURNAL:
            return [] if topic != JOURNAL else rows
        return [row for row in rows if self._instant(topic, row, time_ms) >= since_ms]

    def _instant(self, topic: str, row: Row, time_ms: int) -> int:
        """The instant of an output; of one without, the partition's time."""
        key, value = row
        if value is None:
            return time_ms
        found: int | None = self._host.codec.decode(topic, key, value, time_ms).occurred_at
        return time_ms if found is None else found


async def last_position(host: Host, place: TopicPartition) -> bytes | None:
    """The position last committed to a changelog under the prefix, None when there is none. Reads the whole partition."""
    consumer = AIOKafkaConsumer(
        **host.client_options,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
    )
    await consumer.start()
    found: bytes | None = None
    try:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        await consumer.seek_to_beginning(place)
        while await consumer.position(place) < end:
            for record in (await consumer.getmany(place, timeout_ms=200)).get(place, ()):
                if record.key == POSITION_KEY:
                    found = record.value
    finally:
        await consumer.stop()
    return found
