"""Outputs in words: one record as it comes, and all that was decided about one member."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from app.domain.outputs import (
    AnyOutput,
    DeadLetter,
    Nudge,
    NudgeSuppressed,
    Output,
    ScoreChanged,
    TagChanged,
    TransferFailed,
    TransferRequested,
    WorkflowOpened,
    WorkflowResolved,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_NOT_YET = "not seen in the app yet"
_REASONS = {
    "never_active": _NOT_YET,
    "inactive": "seven days without activity",
    "activity": "active",
    "late_activity": "was active, as it turns out",
}
_ENVELOPE = frozenset(Output.__struct_fields__)


def day(at_ms: int) -> str:
    """`17 Feb`, in UTC."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at.day} {at:%b}"


def _clock(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%H:%M}"


def describe(output: AnyOutput) -> str:
    """One record in a few words; of a kind that has none here, its fields."""
    words = _WORDS.get(type(output))
    return words(output) if words is not None else _fields(output)


def decisions(outputs: Sequence[Output | DeadLetter]) -> list[str]:
    """What was decided about one member, dated, in order; what one input or timer set off makes one entry.

    Dead letters have no sequence; they are put where they belong in time. That a member is inactive at first is left
    out where it did not stay so.
    """
    entries = [
        f"{day(at_ms):>6}  {_summary(list(together))}"
        for (at_ms, _), together in groupby(sorted(outputs, key=_order), key=_occasion)
    ]
    return entries[1:] if len(entries) > 1 and _NOT_YET in entries[0] else entries


def _order(output: Output | DeadLetter) -> tuple[int, int]:
    return output.occurred_at or 0, 0 if isinstance(output, DeadLetter) else output.sequence


def _occasion(output: Output | DeadLetter) -> tuple[int, str]:
    return output.occurred_at or 0, "" if isinstance(output, DeadLetter) else output.cause


def _summary(together: list[Output | DeadLetter]) -> str:
    """What is understood is left out: where a workflow opens, why; where a transfer is answered, that it was asked for.

    So is where a workflow is resolved that its planned messages go with it.
    """
    kinds = {type(output) for output in together}
    understood: set[type] = set()
    if WorkflowOpened in kinds:
        understood |= {TagChanged, ScoreChanged}
    if kinds & {TransferFailed, WorkflowResolved}:
        understood |= {TransferRequested, NudgeSuppressed}
    together = [output for output in together if type(output) not in understood]
    return ", ".join(_SHORT.get(type(output), describe)(output) for output in together)


def _tag_changed(output: TagChanged) -> str:
    action = "added" if output.action == "ADDED" else "removed"
    return f"{output.tag} {action}: {_REASONS.get(output.reason, _plain(output.reason))}"


def _tag_in_short(output: TagChanged) -> str:
    phrases = {
        "never_active": f"{output.tag}: {_NOT_YET}",
        "inactive": f"{output.tag}: {_REASONS['inactive']}",
        "activity": "active again",
        "late_activity": f"not {output.tag} after all",
    }
    return phrases.get(output.reason, _tag_changed(output))


def _workflow_opened(output: WorkflowOpened) -> str:
    days = output.context.get("inactive_days")
    if output.reason == "score_condition":
        return f"{output.context['score']} {output.context['when']}"
    return f"{_plain(output.reason)} after {days} days" if days else _plain(output.reason)


def _workflow_resolved(output: WorkflowResolved) -> str:
    return _plain(output.resolution)


def _score_changed(output: ScoreChanged) -> str:
    before = "empty" if output.before is None else output.before
    after = "empty" if output.after is None else output.after
    return f"{output.score} from {before} to {after}"


def _nudge(output: Nudge) -> str:
    return f"{output.template}, to the {output.recipient_role.lower()}, {_plain(output.channel)}"


def _nudge_suppressed(output: NudgeSuppressed) -> str:
    return f"{output.template}, to the {output.recipient_role.lower()}: {_plain(output.reason)}"


def _suppressed_in_short(output: NudgeSuppressed) -> str:
    return f"no message to the {output.recipient_role.lower()}: {_plain(output.reason)}"


def _transfer_requested(output: TransferRequested) -> str:
    return f"of pool {output.pool}"


def _transfer_failed(output: TransferFailed) -> str:
    return f"attempt {output.attempts}, {_next_attempt(output)}"


def _next_attempt(output: TransferFailed) -> str:
    if output.next_attempt_at is None:
        return "the last one"
    return f"next try {day(output.next_attempt_at)}, {_clock(output.next_attempt_at)}"


def _dead_letter(output: DeadLetter) -> str:
    return f"{_plain(output.error)}, {output.message}"


def _plain(symbol: str) -> str:
    return symbol.replace("_", " ")


def _fields(output: AnyOutput) -> str:
    found = msgspec.structs.asdict(output)
    return ", ".join(f"{name} {value}" for name, value in found.items() if value and name not in _ENVELOPE)


def counted(number: int, noun: str) -> str:
    """`1 event`, `2 events`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(counts: Iterable[tuple[str, int]]) -> str:
    """`activity 182, profile 15`."""
    return ", ".join(f"{name} {count}" for name, count in counts)


_WORDS: dict[type, Callable[[Any], str]] = {
    TagChanged: _tag_changed,
    WorkflowOpened: _workflow_opened,
    WorkflowResolved: _workflow_resolved,
    ScoreChanged: _score_changed,
    Nudge: _nudge,
    NudgeSuppressed: _nudge_suppressed,
    TransferRequested: _transfer_requested,
    TransferFailed: _transfer_failed,
    DeadLetter: _dead_letter,
}

_SHORT: dict[type, Callable[[Any], str]] = {
    TagChanged: _tag_in_short,
    WorkflowOpened: lambda output: f"{_workflow_opened(output)}: workflow opened",
    WorkflowResolved: lambda output: f"workflow resolved: {_workflow_resolved(output)}",
    Nudge: lambda output: f"message sent at {_clock(output.occurred_at)}: {output.template}",
    NudgeSuppressed: _suppressed_in_short,
    TransferRequested: lambda _output: "transfer requested",
    TransferFailed: lambda output: f"no coach free, {_next_attempt(output)}",
    DeadLetter: lambda _output: "an unreadable event set aside",
}
