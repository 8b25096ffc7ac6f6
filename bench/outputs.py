"""What a contender put out, read back as others would read it: committed records only."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from app.domain.outputs import MemberSnapshot, Output
from app.tools.committed import committed_reader
from app.wire.codec import Codec
from bench.oracle import label

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

    from bench.oracle import Expected
    from bench.site import Site

TOPICS = ("tag-changed", "workflow-opened", "workflow-resolved", "member-snapshot", "dead-letter")


@dataclass
class Outputs:
    """The outputs of one run.

    Attributes:
        counts: sequenced outputs and dead letters, by `oracle.label`.
        pages: how many pages were written.
        last_pages: the last of each member, still encoded, by key.
        repeated: sequenced outputs whose event_id had been seen before.
        last_ms: the largest append time the broker gave, epoch ms.
        reached: by partition and append time, the highest number of an event that had caused an output.
    """

    counts: Counter[str] = field(default_factory=Counter)
    pages: int = 0
    last_pages: dict[bytes, bytes] = field(default_factory=dict)
    repeated: int = 0
    last_ms: int = 0
    reached: dict[int, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def total(self) -> int:
        """All records."""
        return self.counts.total() + self.pages

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


async def read_outputs(site: Site, partitions: int) -> Outputs:
    """Everything committed so far on the output topics of the job, and on those that must stay empty."""
    codec, outputs, seen = Codec(), Outputs(), set[str]()
    places = [TopicPartition(site.prefix + topic, number) for topic in TOPICS for number in range(partitions)]
    async with committed_reader(site.settings, places, from_beginning=True, until_end=True) as reader:
        while left := [place for place in places if not reader.done(place)]:
            await reader.pump(left)
            for place, buffered in reader.buffers.items():
                topic = place.topic.removeprefix(site.prefix)
                while buffered:
                    _take(topic, buffered.popleft(), codec, outputs, seen)
    return outputs


def _take(topic: str, record: ConsumerRecord, codec: Codec, outputs: Outputs, seen: set[str]) -> None:
    outputs.last_ms = max(outputs.last_ms, record.timestamp)
    if topic == MemberSnapshot.topic:
        outputs.pages += 1
        outputs.last_pages[record.key] = record.value
        return
    decoded = codec.decode(topic, record.key, record.value, record.timestamp)
    outputs.counts[label(topic, getattr(decoded, "action", ""))] += 1
    if isinstance(decoded, Output):
        outputs.repeated += decoded.event_id in seen
        seen.add(decoded.event_id)
        if not decoded.cause.startswith("timer:"):
            by_ms, number = outputs.reached[record.partition], int(decoded.cause.removeprefix("e"))
            by_ms[record.timestamp] = max(number, by_ms.get(record.timestamp, 0))


def differences(expected: Expected, outputs: Outputs) -> list[str]:
    """What is wrong, in words; empty: every output came as often as it must, none twice, and each page is the last."""
    found = outputs.counts
    wrong = [
        f"{name}: {found[name]} in place of {expected.counts[name]}"
        for name in sorted(expected.counts | found)
        if found[name] != expected.counts[name]
    ]
    if outputs.repeated:
        wrong.append(f"{outputs.repeated} repeated")
    if outputs.pages > expected.pages:
        wrong.append(f"{outputs.pages} pages, where {expected.pages} are the most there can be")
    topic, codec = MemberSnapshot.topic, Codec()
    pages = (codec.decode(topic, key, value, outputs.last_ms) for key, value in outputs.last_pages.items())
    pages_ms = {page.member_id: page.occurred_at for page in pages}
    unlike = sum(
        pages_ms.get(member_id) != expected.pages_ms.get(member_id)
        for member_id in pages_ms.keys() | expected.pages_ms.keys()
    )
    return [*wrong, f"the last page of {unlike} members is another"] if unlike else wrong
