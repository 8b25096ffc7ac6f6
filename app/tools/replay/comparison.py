"""Comparing a replay's outputs with the live ones, sorted on disk so that memory stays flat."""

from __future__ import annotations

import shutil
import struct
from collections import Counter
from contextlib import aclosing
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from rocksdict import Options, Rdict, WriteBatch

from app.domain.outputs import OUTPUTS, DeadLetter, MemberSnapshot
from app.tools.replay.differences import Change, Difference, compare
from app.tools.replay.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aiokafka import TopicPartition

    from app.runtime.hosting.record_batch import ReadRow
    from app.runtime.processor import Host
    from app.tools.replay.meter import Meter

EXAMPLES = 3
"""Of each change of each topic."""

DECISIONS = ("workflow-opened", "workflow-resolved", "nudge")
"""The topics whose differences concern somebody."""

_LIVE, _REPLAY = b"\0", b"\1"
_TAIL = struct.Struct(">cqQ")
"""Behind the group's key: the side, the instant, a running number."""

_TOPICS = tuple(OUTPUTS)


class Count(msgspec.Struct, kw_only=True):
    """What became of one topic's outputs."""

    topic: str
    live: int = 0
    replay: int = 0
    same: int = 0
    different: int = 0
    only_in_live: int = 0
    only_in_replay: int = 0

    @property
    def equal(self) -> bool:
        """Nothing differs."""
        return not (self.different or self.only_in_live or self.only_in_replay)


class Found(NamedTuple):
    """A whole comparison: counts by topic, how many members decisions differ for, examples."""

    counts: dict[str, Count]
    members: int
    examples: list[Difference]

    @property
    def equal(self) -> bool:
        """Nothing differs."""
        return all(count.equal for count in self.counts.values())


class _Group(NamedTuple):
    """The outputs of one topic, member and playbook, as they lie, on both sides."""

    topic: str
    member: bytes
    live: list[bytes]
    replay: list[bytes]


class Comparison:
    """One comparison; `folder` is its own, and removed at its end.

    Args:
        host: how to reach the brokers, and the codec.
        since_ms, until_ms: outputs of other instants are left out.
        strict: see `differences.compare`; pages of members are compared then only, and in whole histories only.
    """

    def __init__(
        self, host: Host, folder: Path, since_ms: int | None, until_ms: int | None, *, strict: bool
    ) -> None:
        self._host = host
        self._since_ms = since_ms
        self._until_ms = until_ms
        self._strict = strict
        self._pages = strict and since_ms is None and until_ms is None
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        self._db = Rdict(str(folder), options=options)
        self._number = 0

    async def read(
        self, prefix: str, ends: Mapping[TopicPartition, int], meter: Meter, *, live: bool
    ) -> None:
        """Take in one side: the live outputs, or those under the replay's prefix, up to these offsets."""
        side = _LIVE if live else _REPLAY
        meter.begin("reading live outputs" if live else "reading replayed outputs", sum(ends.values()))
        reached = dict.fromkeys(ends, 0)

        async with aclosing(sweep(self._host.client_options, reached, ends)) as swept:
            async for place, rows, at in swept:
                self._keep(side, place.topic.removeprefix(prefix), rows)
                meter.done(at - reached[place])
                reached[place] = at
        meter.end()

    def _keep(self, side: bytes, topic: str, rows: list[ReadRow]) -> None:
        if topic == MemberSnapshot.topic and not self._pages:
            return
        batch = WriteBatch(raw_mode=True)
        for _, appended_ms, key, value in rows:
            if topic == MemberSnapshot.topic:
                # Of a page the last one counts.
                place = _group_key(topic, key or b"", b"") + _TAIL.pack(side, 0, 0)
                if value is None:
                    batch.delete(place)
                else:
                    batch.put(place, value)
            elif value is not None:
                record = self._host.codec.decode(topic, key, value, appended_ms)
                if self._in_window(record.occurred_at):
                    self._number += 1
                    member, playbook = _whose(record)
                    tail = _TAIL.pack(side, record.occurred_at or 0, self._number)
                    batch.put(_group_key(topic, member, playbook) + tail, value)
        self._db.write(batch)

    def _in_window(self, instant_ms: int | None) -> bool:
        if instant_ms is None:
            return self._since_ms is None and self._until_ms is None
        after = self._since_ms is None or instant_ms >= self._since_ms
        return after and (self._until_ms is None or instant_ms <= self._until_ms)

    def compare(self) -> Found:
        """Compare what has been read."""
        counts = {topic: Count(topic=topic) for topic in _TOPICS}
        taken: Counter[tuple[str, Change]] = Counter()
        examples: list[Difference] = []
        concerned: set[bytes] = set()
        for group in self._groups():
            count = counts[group.topic]
            count.live += len(group.live)
            count.replay += len(group.replay)
            if group.live == group.replay:
                count.same += len(group.live)
                continue
            same, differences = compare(
                [self._decode(group, value) for value in group.live],
                [self._decode(group, value) for value in group.replay],
                strict=self._strict,
            )
            count.same += same
            for each in differences:
                setattr(count, each.change, getattr(count, each.change) + 1)
                if group.topic in DECISIONS:
                    concerned.add(group.member)
                if taken[group.topic, each.change] < EXAMPLES:
                    taken[group.topic, each.change] += 1
                    examples.append(each)
        order = {topic: place for place, topic in enumerate((*DECISIONS, *_TOPICS))}
        shown = {topic: counts[topic] for topic in dict.fromkeys((*DECISIONS, *_TOPICS))}
        examples.sort(key=lambda each: (order[each.record.topic] % len(_TOPICS), each.change))
        return Found(shown, len(concerned), examples)

    def close(self) -> None:
        """Remove what was sorted."""
        self._db.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _groups(self) -> Iterator[_Group]:
        """Groups of outputs, in the order of their keys."""
        size = _TAIL.size
        for key, entries in groupby(self._entries(), key=lambda entry: entry[0][:-size]):
            live: list[bytes] = []
            replay: list[bytes] = []
            for place, value in entries:
                (live if place[-size : -size + 1] == _LIVE else replay).append(value)
            member = key[3 : 3 + int.from_bytes(key[1:3])]
            yield _Group(_TOPICS[key[0]], member, live, replay)

    def _entries(self) -> Iterator[tuple[bytes, bytes]]:
        iterator = self._db.iter()
        iterator.seek_to_first()
        while iterator.valid():
            yield iterator.key(), iterator.value()
            iterator.next()

    def _decode(self, group: _Group, value: bytes) -> Any:
        return self._host.codec.decode(group.topic, group.member, value, 0)


def _whose(record: Any) -> tuple[bytes, bytes]:
    """Member and playbook of an output; of a dead letter where the record lay."""
    if isinstance(record, DeadLetter):
        place = f"{record.source_topic}/{record.source_partition}/{record.source_offset}"
        return place.encode(), b""
    return record.member_id.encode(), (record.playbook or "").encode()


def _group_key(topic: str, member: bytes, playbook: bytes) -> bytes:
    """Sorts a topic's outputs by member, so that those of one lie together."""
    return bytes([_TOPICS.index(topic)]) + len(member).to_bytes(2) + member + playbook
