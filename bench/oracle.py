"""What a workload must give, computed in memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.domain.outputs import MemberSnapshot
from app.wire.codec import encode_key
from app.wire.partitioner import murmur2_partition
from bench.inactivity import Effect, Member, act, advance

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.events import Activity

GRACE_MS = 2_000


def label(kind: str, what: str) -> str:
    """What an output is counted under: its topic, and the action of a tag-changed."""
    return f"{kind} {what}".rstrip()


@dataclass
class Expected:
    """What must have come out.

    Attributes:
        counts: sequenced outputs, by `label`.
        pages_ms: occurred_at of each member's last page, by member_id. How many pages were written before it is
            nobody's business: of two decided in one transaction the worker writes the second only.
        pages: the most that can have been written.
    """

    counts: Counter[str] = field(default_factory=Counter)
    pages_ms: dict[str, int] = field(default_factory=dict)
    pages: int = 0

    def take(self, member_id: str, effects: Iterable[Effect]) -> None:
        """Count what came of one member."""
        for effect in effects:
            if effect.kind == MemberSnapshot.topic:
                self.pages += 1
                self.pages_ms[member_id] = effect.at_ms
            else:
                self.counts[label(effect.kind, effect.what)] += 1


def expect(activities: Iterable[Activity], partitions: int, *, silent_timers: bool = True) -> Expected:
    """What is out once every activity is applied and nothing more is due.

    Args:
        activities: in order of time.
        partitions: of the input topic; timers of silent members fire by the time of their partition.
        silent_timers: False for a contender that looks at a member only when an event of it comes.
    """
    expected = Expected()
    members: dict[str, Member] = {}
    time_ms: dict[int, int] = {}
    for activity in activities:
        member_id = activity.member_id
        member = members.get(member_id)
        if member is None:
            member = members[member_id] = Member()
        expected.take(member_id, act(member, activity))
        if silent_timers:
            time_ms[murmur2_partition(encode_key(member_id), partitions)] = activity.occurred_at
    if silent_timers:
        for member_id, member in members.items():
            partition = murmur2_partition(encode_key(member_id), partitions)
            expected.take(member_id, advance(member, time_ms[partition] - GRACE_MS))
    return expected
