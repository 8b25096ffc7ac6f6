"""Telling `simulate` a story in short lines, and what comes out in short words. Days count from 2026-01-05T10:00Z."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from app.tools.simulate import Simulated, simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.outputs import MemberSnapshot
    from app.domain.playbook_set import PlaybookSet

START_MS = 1767607200000
DAY_MS = 86_400_000

Line = dict[str, Any]


def instant(day: float) -> int:
    return START_MS + round(day * DAY_MS)


def activity(
    day: float, member: str = "m", kind: str = "article.read", channel: str = "APP", **more: Any
) -> Line:
    return _line("activity", day, member_id=member, type=kind, channel=channel, **more)


def set_up(day: float, member: str = "m", channel: str = "WEB") -> Line:
    return activity(day, member, "setup.completed", channel)


def profile(day: float, member: str = "m", **fields: Any) -> Line:
    return _line("profile", day, member_id=member, **fields)


def transfer(day: float, member: str = "m", kind: str = "TRANSFERRED", **fields: Any) -> Line:
    return _line("transfer", day, member_id=member, type=kind, **fields)


def capacity(day: float, slots: int, pool: str = "default", **fields: Any) -> Line:
    return _line("capacity", day, pool=pool, slots_per_day=slots, **fields)


def command(day: float, member: str = "m", kind: str = "FORGET_MEMBER", **fields: Any) -> Line:
    return _line("command", day, member_id=member, type=kind, issued_by="op", **fields)


def score(day: float, member: str = "m", points: int = 1) -> Line:
    return _line("score", day, member_id=member, operation="ADD", points=points)


def clock(day: float) -> Line:
    return _line("clock", day)


def _line(topic: str, day: float, **fields: Any) -> Line:
    return {"topic": topic, "occurred_at": instant(day), **fields}


def play(playbooks: PlaybookSet, *lines: Line, **options: Any) -> Simulated:
    """Simulate these lines; each has its number as event_id (`line-1`...)."""
    return simulate([json.dumps(line) for line in lines], playbooks, **options)


def told(result: Simulated, *topics: str) -> list[str]:
    """The outputs of these topics (all, but tags, if none is named), each in a few words, dead letters first."""
    letters = [f"dead letter {letter.source_line} {letter.error}" for letter in result.dead_letters]
    shown = [
        output
        for output in result.outputs
        if (output.topic in topics if topics else output.topic != "tag-changed")
    ]
    return [*letters, *(_words(output) for output in shown)]


def page(result: Simulated, member: str = "m") -> MemberSnapshot:
    (found,) = [snapshot for snapshot in result.snapshots if snapshot.member_id == member]
    return found


def _words(output: Any) -> str:
    say = _WORDS.get(output.topic, lambda other: other.topic)
    return f"{_day(output.occurred_at)} {output.member_id} {say(output)}"


_WORDS: dict[str, Callable[[Any], str]] = {
    "tag-changed": lambda o: f"{'+' if o.action == 'ADDED' else '-'}{o.tag} {o.reason}",
    "workflow-opened": lambda o: f"opened {o.reason}",
    "workflow-resolved": lambda o: f"resolved {o.resolution}",
    "transfer-requested": lambda o: f"asks {o.pool}",
    "transfer-failed": lambda o: f"failed {o.attempts} {_then(o)}",
    "nudge": lambda o: f"nudge {o.template} {o.channel} {o.recipient_id}",
}


def _then(failed: Any) -> str:
    if failed.next_attempt_at is not None:
        return f"next {_day(failed.next_attempt_at)}"
    return "final" if failed.final else "no next"


def _day(at_ms: int) -> str:
    return f"{(at_ms - START_MS) / DAY_MS:g}"
