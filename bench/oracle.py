"""What a workload must give, computed in memory."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app.domain.outputs import MemberSnapshot
from app.wire.codec import encode_key
from app.wire.partitioner import murmur2_partition
from bench.inactivity import Member
from bench.records import outputs, timer_outputs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.events import Activity
    from bench.generate import Workload
    from bench.records import Record

GRACE_MS = 2_000

Facts = tuple[Any, ...]
"""What an output says, all but its event_id, under which it is filed, and the version of the playbook."""


def label(kind: str, what: str) -> str:
    """What an output is counted under: its topic, and the action of a tag-changed."""
    return f"{kind} {what}".rstrip()


def facts(output: Any) -> Facts:
    """What a sequenced output says, beginning with its `label`."""
    what, said = (
        (output.action, (output.tag,))
        if output.topic == "tag-changed"
        else ("", (output.workflow_id, getattr(output, "kind", None), tuple(sorted(output.context.items()))))
    )
    common = (output.sequence, output.member_id, output.occurred_at, output.playbook, output.cause)
    return (label(output.topic, what), getattr(output, "reason", None), *common, *said)


@dataclass
class Expected:
    """What must have come out.

    Attributes:
        sequenced: the facts of each sequenced output, by event_id.
        pages: each member's last page, by member_id. How many were written before it is nobody's business: of two
            decided in one transaction the worker writes the second only.
        most_pages: the most that can have been written.
        grown: how many sequenced outputs there are once so many events have been applied, from one event on.
    """

    sequenced: dict[str, Facts] = field(default_factory=dict)
    pages: dict[str, MemberSnapshot] = field(default_factory=dict)
    most_pages: int = 0
    grown: array[int] = field(default_factory=lambda: array("q"))

    @property
    def counts(self) -> Counter[str]:
        """Sequenced outputs, by `label`."""
        return Counter(str(each[0]) for each in self.sequenced.values())

    def take(self, records: Iterable[Record]) -> None:
        """Note what came of one member."""
        for record in records:
            if isinstance(record, MemberSnapshot):
                self.most_pages += 1
                self.pages[record.member_id] = record
            else:
                self.sequenced[record.event_id] = facts(record)

    def by_share(self, percent: int) -> int:
        """How many sequenced outputs the first so many percent of the events cause; 0 without events."""
        events = len(self.grown) * percent // 100
        return self.grown[events - 1] if events else 0


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
        expected.take(outputs(member, activity))
        expected.grown.append(len(expected.sequenced))
        if silent_timers:
            time_ms[murmur2_partition(encode_key(member_id), partitions)] = activity.occurred_at
    if silent_timers:
        for member_id, member in members.items():
            partition = murmur2_partition(encode_key(member_id), partitions)
            expected.take(timer_outputs(member, member_id, time_ms[partition] - GRACE_MS))
    return expected


@lru_cache(maxsize=2)
def expect_workload(workload: Workload, end_ms: int, partitions: int, *, silent_timers: bool) -> Expected:
    """`expect` of a workload; the last two answers are kept, since several contenders do the same."""
    return expect(workload.activities(end_ms), partitions, silent_timers=silent_timers)
