"""The journal of a worker that has taken every record of a topic, without running one: for topics of many millions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer

from app.domain.crossings import JournalEntry
from app.playbooks.loader import load_playbooks
from app.runtime.merge import MAX_BATCH
from app.tools.world import MEMBERS
from app.wire.codec import Codec, encode_key
from app.wire.partitioner import murmur2_partition
from app.wire.topics import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.domain.events import Activity
    from bench.site import Site


class TakenCommits:
    """The commits of a worker that drains activities in full batches, each with the marks it would leave.

    Args:
        site: whose playbooks and grace hold.
        partitions: of the topic.
    """

    def __init__(self, site: Site, partitions: int) -> None:
        self._site = site
        self._partitions = partitions
        self._grace_ms = site.settings.grace_ms
        self._hash = load_playbooks(site.playbooks).hash
        self._taken: Counter[int] = Counter()
        self._time_ms: dict[int, int] = {}
        self._entries: list[tuple[int, JournalEntry]] = []

    def watch(self, records: Iterable[Activity]) -> Iterator[Activity]:
        """The same records, which are in order of time; what is loaded of each partition is taken."""
        for record in records:
            number = murmur2_partition(encode_key(record.member_id), self._partitions)
            self._taken[number] += 1
            self._time_ms[number] = record.occurred_at
            if self._taken[number] % MAX_BATCH == 0:
                self._commit(number)
            yield record
        for number, count in self._taken.items():
            if count % MAX_BATCH:
                self._commit(number)

    async def write(self) -> None:
        """Write the journal, once everything is loaded."""
        codec, topic = Codec(), self._site.prefix + JOURNAL
        producer = AIOKafkaProducer(**self._site.settings.client_options(), enable_idempotence=True)
        await producer.start()
        try:
            for number, entry in self._entries:
                await producer.send(topic, codec.encode(entry), encode_key(entry.processor), partition=number)
        finally:
            await producer.stop()

    def _commit(self, number: int) -> None:
        time_ms = self._time_ms[number]
        entry = JournalEntry(
            processor=MEMBERS,
            offsets={"activity": self._taken[number]},
            time=time_ms,
            mark_due=time_ms - self._grace_ms + 1,
            mark_entity="",
            fired=0,
            playbooks_hash=self._hash,
            version="bench",
        )
        self._entries.append((number, entry))
