"""A timeline out of the topics: one partition is read, and of it only what concerns the member is applied.

The journal says which records each commit took and how far timers had fired by then (contract 5, "Journal"). So the
member's records are applied in the order and at the marks of the worker, without the other members: nothing of theirs
reaches it but through the partition's time, which is worked out where a timer of the member depends on it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from app.domain.crossings import MemberMoved, Rerouted
from app.domain.engine import Engine, TimerFailed
from app.domain.errors import UserError
from app.domain.explain.ending import Ended, WatchedUntil
from app.domain.explain.watch import WatchedMembers
from app.domain.instants import iso_instant
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.sink import Sink
from app.service.client import make_codec, partition_counts
from app.tools.committed import committed_reader
from app.tools.explain.commits import MemberCommits, Taken
from app.tools.world import MEMBERS
from app.wire.bad_record import BadRecord
from app.wire.codec import encode_key
from app.wire.hops import read_hop
from app.wire.partitioner import murmur2_partition
from app.wire.topics import JOURNAL, RANK, load_topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from app.domain.engine import Mark
    from app.domain.explain.step import Step
    from app.domain.member import Member
    from app.domain.playbook_set import PlaybookSet
    from app.service.settings import Settings
    from app.tools.committed import CommittedReader, Record


@asynccontextmanager
async def member_topics(
    settings: Settings, playbooks: PlaybookSet, member_id: str, at_ms: int | None
) -> AsyncIterator[MemberTopics]:
    """What the topics say of a member, to be played; they are let go with the block.

    Args:
        settings: name a broker.
        playbooks: by which it is explained.
        member_id: who.
        at_ms: where to end: before the first thing that happened to the member after it; None: at the end.

    Raises UserErrors `missing-topic`, and what `broker_errors` turns into a UserError.
    """
    declared = load_topics()
    topics = [name for name in RANK if declared[name].processor == MEMBERS]
    counts = await partition_counts(settings, [*topics, JOURNAL])
    partition = murmur2_partition(encode_key(member_id), counts["activity"])
    places = [TopicPartition(settings.topic_prefix + topic, partition) for topic in (*topics, JOURNAL)]
    async with committed_reader(settings, places, from_beginning=True, until_end=True) as reader:
        source = f"partition {partition} of {counts['activity']}"
        yield MemberTopics(settings, reader, counts, source, _Watching(settings, playbooks, member_id, at_ms))


class _Watching:
    """One member in an engine of its own, and where it has to end."""

    def __init__(self, settings: Settings, playbooks: PlaybookSet, member_id: str, at_ms: int | None) -> None:
        self.at_ms = at_ms
        self.watched = (
            WatchedMembers(playbooks, member_id)
            if at_ms is None
            else WatchedUntil(playbooks, member_id, at_ms)
        )
        self.deadlines = MemoryDeadlines()
        self.engine = Engine(
            self.watched, MemoryEntities(), self.deadlines, Sink(), grace_ms=settings.grace_ms
        )

    def limit(self, mark: Mark | None) -> None:
        """Fire no timer at or beyond the mark; None: of the journal there is no more."""
        self.engine.ceiling = mark

    def is_due_before(self, mark: Mark) -> bool:
        """Whether a timer of the member's lies before the mark."""
        first = self.deadlines.first()
        return first is not None and first < mark

    def move_time(self, time_ms: int) -> None:
        """The partition's time."""
        self.engine.move_time(time_ms)
        self.engine.sink.take()

    def apply(self, event: Any) -> None:
        """One record of the member's."""
        self.move_time(event.occurred_at)
        self.engine.apply(event.member_id, event)
        self.engine.sink.take()


class MemberTopics:
    """One member's records, applied as the journal says they were.

    Attributes:
        source: what is read, in words.
        warnings: what a person should know of the timeline, after it was played.
    """

    def __init__(
        self,
        settings: Settings,
        reader: CommittedReader,
        partitions: dict[str, int],
        source: str,
        watching: _Watching,
    ) -> None:
        self.source = source
        self.warnings: list[str] = []
        self._prefix = settings.topic_prefix
        self._grace_ms = settings.grace_ms
        self._codec = make_codec(settings)
        self._partitions = partitions
        self._reader = reader
        self._watching = watching
        self._key = encode_key(watching.watched.member_id)
        self._commits = MemberCommits(reader, self._codec, self._prefix, self._key)
        self._found = False
        self._others: dict[str, tuple[int, int]] = {}
        self.warnings += [
            f"{place.topic} {place.partition}: the records before offset {offset} are deleted; what they did is missing"
            for place, offset in reader.positions.items()
            if offset and not place.topic.endswith(JOURNAL)
        ]

    @property
    def member(self) -> Member | None:
        """The member after its last step; None: nobody has heard of it."""
        return self._watching.watched.member

    @property
    def time_ms(self) -> int:
        """The instant that is reached: the partition's time, or the one asked for."""
        at_ms = self._watching.at_ms
        return self._watching.engine.time_ms if at_ms is None else at_ms

    async def play(self, tell: Callable[[Step], None]) -> None:
        """Apply everything, telling each step as it is found.

        Raises UserError `unknown-member` when no input holds a record of the member.
        """
        self._watching.watched.tell = tell
        try:
            async for taken in self._commits.each():
                self._take(taken)
            self._foresee(await self._commits.rest())
        except Ended:
            pass
        except TimerFailed as failed:
            if not isinstance(failed.__cause__, Ended):
                raise
        if not self._found:
            member_id = self._watching.watched.member_id
            hint = "ids are told apart by case; is it the right broker, and the right topic prefix?"
            problem = f"no input holds a record of this member ({self.source})"
            raise UserError("unknown-member", member_id, problem, hint)
        self.warnings += [
            f"from {iso_instant(first_ms)} to {iso_instant(last_ms)} other playbooks decided ({other});"
            f" it is explained by those of now ({self._watching.watched.playbooks_hash})"
            for other, (first_ms, last_ms) in self._others.items()
        ]
        self.warnings += [
            f"{place.topic} {place.partition}: left out what a transaction still open holds back"
            for place in self._reader.withheld
        ]

    def _take(self, taken: Taken) -> None:
        """One commit that took records of the member, or several that did not."""
        watching, mark = self._watching, taken.mark
        self._note_playbooks(taken)
        watching.limit(mark)
        watching.move_time(watching.engine.time_ms)
        met = 0
        for place, record in enumerate(taken.records):
            if record.key != self._key:
                continue
            # Only a timer due by the end of this commit can tell when exactly within it time had come how far.
            if watching.is_due_before(mark):
                met = self._catch_up(taken.records, met, place)
            self._apply(record)
            if watching.is_due_before(mark):
                met = self._catch_up(taken.records, met, place)
        watching.move_time(max(taken.time_ms, mark[0] + self._grace_ms))

    def _catch_up(self, records: Sequence[Record], met: int, place: int) -> int:
        """The partition's time goes on with the records of others, up to one of the member's."""
        for record in records[met:place]:
            if record.key != self._key and (event := self._event(record)) is not None:
                self._watching.move_time(event.occurred_at)
        return max(met, place)

    def _apply(self, record: Record) -> None:
        """Apply one record of the member's, unless it is no valid record. Raises `Ended` behind the end."""
        at = f"{record.topic.removeprefix(self._prefix)} {record.partition} offset {record.offset}"
        watching = self._watching
        self._found = True
        try:
            event = self._decode(record)
        except BadRecord as bad:
            self.warnings.append(f"{at} is no valid record: {bad.error}: {bad.message}")
            return
        if event is None:
            return
        watching.watched.place = at
        watching.apply(event)

    def _foresee(self, records: Sequence[Record]) -> None:
        """What no worker has decided yet: the records that wait, then the timers due by the end."""
        watching = self._watching
        watching.watched.recorded = False
        watching.watched.under = ""
        watching.limit(None)
        for record in records:
            self._apply(record)
        if watching.at_ms is not None:
            watching.move_time(watching.at_ms + self._grace_ms)

    def _event(self, record: Record) -> Any:
        """The record if it moved the partition's time; None for one that did not."""
        try:
            return self._decode(record)
        except BadRecord:
            return None

    def _decode(self, record: Record) -> Any:
        """What a worker applies of the record; None for one it sends on to its own partition. Raises BadRecord."""
        topic = record.topic.removeprefix(self._prefix)
        event: Any = self._codec.decode(topic, record.key, record.value, record.timestamp)
        if isinstance(event, Rerouted):
            return self._codec.decode(event.source_topic, event.key, event.value, event.appended_at)
        if isinstance(event, MemberMoved):
            return read_hop(self._codec, event) or event
        if record.key is not None and not topic.startswith("internal-"):
            right = murmur2_partition(record.key, self._partitions[topic])
            return event if right == record.partition else None
        return event

    def _note_playbooks(self, taken: Taken) -> None:
        """Remember from when to when others decided."""
        watched, other = self._watching.watched, taken.playbooks_hash
        if other == watched.playbooks_hash:
            watched.under = ""
            return
        watched.under = other
        first_ms, _ = self._others.get(other, (taken.time_ms, 0))
        self._others[other] = (first_ms, taken.time_ms)
