"""What a contender put out, read back as others would read it: committed records only."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.domain.errors import UserError
from app.domain.outputs import MemberSnapshot, Output
from app.tools.committed import committed_reader
from app.wire.codec import Codec
from bench.oracle import facts

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

    from bench.oracle import Expected, Facts
    from bench.site import Site

TOPICS = ("tag-changed", "workflow-opened", "workflow-resolved", "member-snapshot", "dead-letter")
SETTLED_S = 150.0
"""Longer than a broker keeps the transaction of a dead producer open, 60 s unless the producer asked for less."""

_POLL_S = 0.25


@dataclass
class Outputs:
    """The outputs of one run.

    Attributes:
        sequenced: the facts of each sequenced output as first read, by event_id.
        pages: how many pages were written.
        last_pages: the last of each member, still encoded, by key.
        repeated: sequenced outputs whose event_id had been read before.
        contradicted: the event_ids of those among them that said something else.
        foreign: records that do not belong to the job at all, such as dead letters.
        last_ms: the largest append time the broker gave, epoch ms.
        reached: by partition and append time, the highest number of an event that had caused an output.
    """

    sequenced: dict[str, Facts] = field(default_factory=dict)
    pages: int = 0
    last_pages: dict[bytes, bytes] = field(default_factory=dict)
    repeated: int = 0
    contradicted: set[str] = field(default_factory=set)
    foreign: int = 0
    last_ms: int = 0
    reached: dict[int, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def total(self) -> int:
        """All records."""
        return len(self.sequenced) + self.repeated + self.foreign + self.pages

    @property
    def first_ms(self) -> int:
        """When each partition had put something out, epoch ms: the start-up is then over for all of them."""
        return max((min(by_ms) for by_ms in self.reached.values()), default=self.last_ms)

    def applied_by(self, at_ms: int) -> int:
        """How many events had been applied by then, taking each partition's share of them as even."""
        reached = (
            max((number + 1 for ms, number in by_ms.items() if ms <= at_ms), default=0)
            for by_ms in self.reached.values()
        )
        return round(sum(reached) / (len(self.reached) or 1))

    def take(self, topic: str, record: ConsumerRecord, codec: Codec) -> None:
        """Note one record; `topic` without prefix."""
        self.last_ms = max(self.last_ms, record.timestamp)
        if topic == MemberSnapshot.topic:
            self.pages += 1
            self.last_pages[record.key] = record.value
            return
        output = codec.decode(topic, record.key, record.value, record.timestamp)
        if not isinstance(output, Output):
            self.foreign += 1
            return
        said = facts(output)
        first = self.sequenced.setdefault(output.event_id, said)
        if first is not said:
            self.repeated += 1
            if first != said:
                self.contradicted.add(output.event_id)
        if not output.cause.startswith("timer:"):
            by_ms, number = self.reached[record.partition], int(output.cause.removeprefix("e"))
            by_ms[record.timestamp] = max(number, by_ms.get(record.timestamp, 0))


@dataclass(frozen=True)
class Verdict:
    """How the outputs of one run differ from what must have come out.

    Attributes:
        missing: sequenced outputs that never came.
        wrong: those that came saying something else, or that should not have come at all.
        repeated: those that came again.
        members: how many members' last page is another, or missing.
        pages: how many more pages there are than there can be.
    """

    missing: int = 0
    wrong: int = 0
    repeated: int = 0
    members: int = 0
    pages: int = 0

    def words(self) -> list[str]:
        """What is wrong, in words; empty: every output came once and was right, and each last page is the last."""
        said = (
            (self.missing, "missing outputs"),
            (self.wrong, "wrong outputs"),
            (self.repeated, "repeated outputs"),
            (self.members, "members whose last page is another"),
            (self.pages, "more pages than there can be"),
        )
        return [f"{count:,} {what}" for count, what in said if count]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def judge(expected: Expected, outputs: Outputs) -> Verdict:
    """Hold the outputs of a run against what must have come out."""
    right = expected.sequenced
    wrong = {event_id for event_id, said in outputs.sequenced.items() if right.get(event_id) != said}
    topic, codec = MemberSnapshot.topic, Codec()
    read = (codec.decode(topic, key, value, outputs.last_ms) for key, value in outputs.last_pages.items())
    pages = {page.member_id: page for page in read}
    return Verdict(
        missing=len(right.keys() - outputs.sequenced.keys()),
        wrong=len(wrong | outputs.contradicted) + outputs.foreign,
        repeated=outputs.repeated,
        members=sum(
            pages.get(member_id) != expected.pages.get(member_id)
            for member_id in pages.keys() | expected.pages.keys()
        ),
        pages=max(0, outputs.pages - expected.most_pages),
    )


async def read_outputs(site: Site, partitions: int) -> Outputs:
    """Everything committed so far on the output topics of the job, and on those that must stay empty.

    Transactions still open, such as that of a producer that was killed, are waited for. Raises UserError
    `transaction-open` when one is after 150 s.
    """
    codec, outputs = Codec(), Outputs()
    places = [TopicPartition(site.prefix + topic, number) for topic in TOPICS for number in range(partitions)]
    await _settle(site, places)
    async with committed_reader(site.settings, places, from_beginning=True, until_end=True) as reader:
        while left := [place for place in places if not reader.done(place)]:
            await reader.pump(left)
            for place, buffered in reader.buffers.items():
                topic = place.topic.removeprefix(site.prefix)
                while buffered:
                    outputs.take(topic, buffered.popleft(), codec)
    return outputs


async def _settle(site: Site, places: list[TopicPartition]) -> None:
    """Until no transaction is open: what can be read committed is then all there is."""
    options = site.settings.client_options()
    stable = AIOKafkaConsumer(**options, isolation_level="read_committed")
    written = AIOKafkaConsumer(**options, isolation_level="read_uncommitted")
    await asyncio.gather(stable.start(), written.start())
    try:
        for consumer in (stable, written):
            consumer.assign(places)
            consumer.pause(*places)
        ends, deadline_s = await written.end_offsets(places), time.monotonic() + SETTLED_S
        while any(end < ends[place] for place, end in (await stable.end_offsets(places)).items()):
            if time.monotonic() > deadline_s:
                problem = f"a transaction is still open after {SETTLED_S:.0f} s"
                raise UserError("transaction-open", site.prefix, problem, "look at the broker's log")
            await asyncio.sleep(_POLL_S)
    finally:
        await asyncio.gather(stable.stop(), written.stop())
