"""Reading the inputs of one partition of a processor, and the journal beside them, as fast as a worker does."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import TopicPartition

from app.domain.errors import UserError
from app.runtime.hosting.fetching import Fetching
from app.runtime.merge import InputRecord
from app.tools.replay.offsets import begins_of, ends_of
from app.wire.topics import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.domain.crossings import JournalEntry
    from app.runtime.hosting.record_batch import ReadRow
    from app.runtime.processor import Host

BUFFERED_BYTES = 8 << 20
"""Of one topic, before it is fetched no further while the others catch up."""

PROMOTED = b"promotion"
"""Key of the journal's entry for a promotion; those of commits have the processor's name."""

_WAIT_S = 0.5


class Commit(NamedTuple):
    """One commit of the journal, and the journal's offset behind it."""

    entry: JournalEntry
    next_offset: int


@dataclass(frozen=True)
class Log:
    """The live topics at the time a replay was called.

    Attributes:
        prefix: of their names.
        begins, ends: offsets of the first record and behind the last committed one, of every partition read.
    """

    prefix: str
    begins: Mapping[TopicPartition, int]
    ends: Mapping[TopicPartition, int]

    def place(self, topic: str, number: int) -> TopicPartition:
        """A partition of a topic named as in the contract."""
        return TopicPartition(self.prefix + topic, number)


async def open_log(host: Host, prefix: str, topics: Iterable[str]) -> Log:
    """Ask the brokers where these topics begin and end. Raises UserError `inputs-gone` for one that lost its beginning."""
    places = [
        TopicPartition(prefix + topic, number) for topic in topics for number in range(host.partitions[topic])
    ]
    begins = await begins_of(host.client_options, places)
    ends = await ends_of(host.client_options, places)
    for where, begin in begins.items():
        if begin > 0:
            hint = "a replay needs every record from the first on; inputs and journal are kept for ever by default"
            raise UserError(
                "inputs-gone",
                f"{where.topic} {where.partition}",
                f"no longer holds the records before offset {begin}",
                hint,
            )
    return Log(prefix, begins, ends)


class Reading:
    """The records of some topics' partitions of one number, each topic's in order. Ends with `stop`.

    Args:
        host: how to reach the brokers.
        log: where the topics end.
        number: of the partition.
        starts: next offset by topic; a topic that is not in it is not read.
    """

    def __init__(self, host: Host, log: Log, number: int, starts: Mapping[str, int]) -> None:
        self._host = host
        self._log = log
        self._names = {log.place(topic, number): topic for topic in starts}
        self._places = {topic: where for where, topic in self._names.items()}
        self._starts = {self._places[topic]: offset for topic, offset in starts.items()}
        self._fetching = Fetching(host.client_options, None, None)
        self._rows: dict[str, deque[ReadRow]] = {topic: deque() for topic in starts}
        self._bytes = dict.fromkeys(starts, 0)

    async def start(self) -> None:
        """Connect."""
        await self._fetching.start_alone(self._starts)
        for place, offset in self._starts.items():
            self._fetching.read(place, offset)

    async def stop(self) -> None:
        """Disconnect."""
        await self._fetching.stop()

    async def next_commit(self, processor: str) -> Commit | None:
        """The next commit of a processor in the journal; None at its end."""
        rows, where = self._rows[JOURNAL], self._places[JOURNAL]
        name = processor.encode()
        while True:
            while rows:
                offset, appended_ms, key, value = rows.popleft()
                if key in (name, PROMOTED):
                    entry = self._host.codec.decode(JOURNAL, key, value, appended_ms)
                    if key == name:
                        return Commit(entry, offset + 1)
                    if entry.processor == processor:
                        raise self._promoted(where, offset)
            self._bytes[JOURNAL] = 0
            if self._fetching.position(where) >= self._log.ends[where]:
                return None
            await self._pump({JOURNAL})

    @staticmethod
    def _promoted(where: TopicPartition, offset: int) -> UserError:
        return UserError(
            "promoted-history",
            f"{where.topic} {where.partition}, offset {offset}",
            "here a replay was promoted: what lies before did not make what is live",
            "use --order event-time",
        )

    async def records(self, offsets: Mapping[str, int]) -> list[InputRecord]:
        """What lies below these offsets and was not taken yet, merged as a live partition does (contract 5).

        Raises UserError `inputs-gone` for a topic that ends before.
        """
        while missing := {topic for topic, offset in offsets.items() if self._lacks(topic, offset)}:
            await self._pump(missing)
        batch: list[InputRecord] = []
        for topic, offset in offsets.items():
            rows, rank = self._rows[topic], self._host.ranks[topic]
            append, pop = batch.append, rows.popleft
            taken = 0
            while rows and rows[0][0] < offset:
                at, appended_ms, key, value = pop()
                append(InputRecord(appended_ms, rank, at, topic, key, value))
                taken += 1
            if taken and not rows:
                self._bytes[topic] = 0
        batch.sort()
        return batch

    def _lacks(self, topic: str, offset: int) -> bool:
        rows, where = self._rows[topic], self._places[topic]
        if rows and rows[-1][0] >= offset - 1:
            return False
        position = self._fetching.position(where)
        if offset > self._log.ends[where]:
            hint = "was the topic deleted and made anew? Then its journal no longer fits"
            raise UserError(
                "inputs-gone",
                f"{where.topic} {where.partition}",
                f"the journal speaks of offset {offset - 1}, the topic ends at {self._log.ends[where]}",
                hint,
            )
        return position < offset

    async def _pump(self, wanted: set[str]) -> None:
        """Take what has come; a topic that is not wanted and has much buffered is fetched no further for now."""
        fetching = self._fetching
        for topic in wanted:
            fetching.resume(self._places[topic])
        await fetching.wait(_WAIT_S)
        for where, fetched in fetching.take().items():
            topic = self._names[where]
            self._rows[topic].extend(fetched.rows)
            self._bytes[topic] += fetched.size_bytes
            if topic not in wanted and self._bytes[topic] >= BUFFERED_BYTES:
                fetching.pause(where)
