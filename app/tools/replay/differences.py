"""How the outputs of a replay differ from the live ones: pure comparison, no Kafka.

In the journal's order a replay promises the same bytes, and any other byte is a difference. A what-if is another
history: there, what only counts (event_id, sequence, the numbers of workflows and nudges, the playbook's hash) is no
difference, since one output more shifts all numbers behind it.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from app.domain.instants import iso_instant
from app.domain.outputs import DeadLetter, Nudge, NudgeSuppressed, WorkflowOpened, WorkflowResolved
from app.tools.reports.printing import short_span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COUNTING = frozenset(
    {"event_id", "sequence", "playbook_version", "workflow_id", "nudge_id", "attributed_nudge"}
)
"""Fields that say which number something has, or which version decided it."""

_IDENTITY: dict[str, tuple[str, ...]] = {
    "nudge": ("template", "recipient_role"),
    "nudge-suppressed": ("template", "recipient_role"),
    "score-changed": ("score",),
    "tag-changed": ("tag",),
    "track-changed": ("engagement_id",),
    "reactivation": ("scenario",),
}
"""What two outputs of one instant must share, besides topic, member and playbook, to be the same thing told differently."""


class Change(enum.StrEnum):
    """What can have become of an output."""

    DIFFERENT = "different"
    ONLY_IN_LIVE = "only_in_live"
    ONLY_IN_REPLAY = "only_in_replay"


class Difference(NamedTuple):
    """One output that is not on both sides, or not the same.

    live, replay: the records, None where there is none. fields: those that differ. nearest_ms: where only one side has
    it, the instant of the other side's nearest output of this kind for the member and playbook; None: there is none.
    """

    change: Change
    live: Any
    replay: Any
    fields: tuple[str, ...] = ()
    nearest_ms: int | None = None

    @property
    def record(self) -> Any:
        """The one of the replay, else the live one."""
        return self.live if self.replay is None else self.replay

    @property
    def reason(self) -> str:
        """Why, in words."""
        if self.change is Change.DIFFERENT:
            return "; ".join(
                f"{name}: live {_text(getattr(self.live, name))}, replay {_text(getattr(self.replay, name))}"
                for name in self.fields
            )
        other = "live" if self.live is None else "the replay"
        if self.nearest_ms is None:
            return f"{describe(self.record)}; {other} has none for this member"
        apart_ms = self.nearest_ms - self.record.occurred_at
        when = "earlier" if apart_ms < 0 else "later"
        return f"{describe(self.record)}; {other} has its nearest {short_span(abs(apart_ms))} {when}"


def describe(record: Any) -> str:
    """What an output says, in a few words."""
    if isinstance(record, WorkflowOpened):
        told = [f"{name} {value}" for name, value in sorted(record.context.items())]
        return ", ".join([record.reason, *told])
    if isinstance(record, WorkflowResolved):
        return f"{record.resolution}, opened {iso_instant(record.opened_at)}"
    if isinstance(record, Nudge):
        return f"{record.template} to {record.recipient_role} by {record.channel}"
    if isinstance(record, NudgeSuppressed):
        return f"{record.template} to {record.recipient_role}: {record.reason}"
    if isinstance(record, DeadLetter):
        return f"{record.error}: {record.message}"
    words = [str(getattr(record, name)) for name in ("tag", "score", "action", "status", "reason")
             if getattr(record, name, None) is not None]  # fmt: skip
    return ", ".join(words) or type(record).__name__


def compare(live: Sequence[Any], replay: Sequence[Any], *, strict: bool) -> tuple[int, list[Difference]]:
    """Outputs of one topic, member and playbook on both sides: how many are the same, and what is not.

    `strict`: every field counts; else those in `COUNTING` do not.
    """
    ignored = frozenset[str]() if strict else COUNTING
    left_of_live = _by_instant(live)
    left_of_replay = _by_instant(replay)
    same = 0
    differences: list[Difference] = []
    for instant_ms, at_once in left_of_live.items():
        others = left_of_replay.get(instant_ms, [])
        same += _take_equal(at_once, others, ignored)
        differences += _take_alike(at_once, others, ignored)
    differences += [
        Difference(Change.ONLY_IN_LIVE, record, None, (), _nearest_ms(record, replay))
        for at_once in left_of_live.values()
        for record in at_once
    ]
    differences += [
        Difference(Change.ONLY_IN_REPLAY, None, record, (), _nearest_ms(record, live))
        for at_once in left_of_replay.values()
        for record in at_once
    ]
    return same, differences


def _by_instant(records: Iterable[Any]) -> dict[int | None, list[Any]]:
    found: dict[int | None, list[Any]] = defaultdict(list)
    for record in records:
        found[record.occurred_at].append(record)
    return found


def _take_equal(live: list[Any], replay: list[Any], ignored: frozenset[str]) -> int:
    """Remove what is the same on both sides; returns how many pairs that were."""
    telling = [_telling(record, ignored) for record in replay]
    taken = 0
    for record in list(live):
        fields = _telling(record, ignored)
        if fields in telling:
            place = telling.index(fields)
            del telling[place], replay[place]
            live.remove(record)
            taken += 1
    return taken


def _take_alike(live: list[Any], replay: list[Any], ignored: frozenset[str]) -> list[Difference]:
    """Remove and return pairs that are the same thing told differently."""
    found = []
    for record in list(live):
        identity = _identity(record)
        other = next((each for each in replay if _identity(each) == identity), None)
        if other is None:
            continue
        live.remove(record)
        replay.remove(other)
        ours, theirs = _telling(record, ignored), _telling(other, ignored)
        fields = tuple(name for name in ours if ours[name] != theirs[name])
        found.append(Difference(Change.DIFFERENT, record, other, fields))
    return found


def _telling(record: Any, ignored: frozenset[str]) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__ if name not in ignored}


def _identity(record: Any) -> tuple[Any, ...]:
    return tuple(getattr(record, name) for name in _IDENTITY.get(record.topic, ()))


def _nearest_ms(record: Any, others: Sequence[Any]) -> int | None:
    at_ms = record.occurred_at
    instants = [other.occurred_at for other in others if other.occurred_at is not None]
    if at_ms is None or not instants:
        return None
    nearest: int = min(instants, key=lambda each: abs(each - at_ms))
    return nearest


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
