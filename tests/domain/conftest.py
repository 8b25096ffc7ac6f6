"""What the core's tests are told with: a small cast, days counted from a Monday morning, and a store that forgets."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.engine import Engine
from app.domain.events import Activity, MemberProfile, OperatorCommand, ScoreCommand, TransferEvent
from app.domain.instants import DAY_MS
from app.domain.members import MemberCore
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.outputs import MemberSnapshot
from app.domain.playbook_set import PlaybookSet
from app.domain.reengager import Reengager
from app.domain.sink import PageGone, Refused, Sink

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.member import Member
    from app.domain.playbook import Playbook
    from app.domain.policy import Policy

MONDAY_MS = 1767607200000
"""2026-01-05T10:00:00Z."""


def days(number: float) -> int:
    """The instant so many days after that Monday, 10 o'clock."""
    return MONDAY_MS + round(number * DAY_MS)


def re_engager(name: str = "re-engager", **changes: Any) -> Reengager:
    """A re-engager of 7 days; `after` in days. Its version tells what is not as usual."""
    version = ",".join(["v1", *(f"{name}={changes[name]}" for name in sorted(changes))])
    changes["after_ms"] = round(changes.pop("after", 7) * DAY_MS)
    fields = {
        "version": version,
        "tag": "inactive",
        "activities": frozenset({"article.read", "reminder.created"}),
        "channels": frozenset({"APP"}),
    }
    return Reengager(name=name, **{**fields, **changes})


class RestartingEntities:
    """Keeps bytes only: every entity is loaded anew each time it is met, as after a restart in between."""

    def __init__(self, core: MemberCore) -> None:
        self.core = core
        self.parts: dict[str, dict[int, bytes]] = {}
        self.indexed: dict[str, int] = {}
        self._open: dict[str, Member] = {}

    def get(self, key: str) -> Member | None:
        self.flush()
        parts = self.parts.get(key)
        if parts is None:
            return None
        member = self.core.load(key, parts.get)
        if member is not None:
            member.indexed_due_ms = self.indexed[key]
        return member

    def keep(self, entity: Member) -> None:
        if self._open.get(entity.key) is not entity:
            self.flush()
        self._open[entity.key] = entity

    def flush(self) -> None:
        for key, entity in self._open.items():
            parts = self.parts.setdefault(key, {})
            for part, body in self.core.dump(entity):
                if body is None:
                    parts.pop(part, None)
                else:
                    parts[part] = body
            self.indexed[key] = entity.indexed_due_ms
        self._open.clear()


class Story:
    """One engine and what comes out of it. Instants are given in days (see `days`); `outputs` grows."""

    def __init__(
        self, *playbooks: Playbook, entities: Any = None, grace_ms: int = 0, policy: Policy | None = None
    ) -> None:
        self.core = MemberCore(PlaybookSet(playbooks or (re_engager(),), policy))
        self.sink = Sink()
        self.engine = Engine(
            self.core, entities or MemoryEntities(), MemoryDeadlines(), self.sink, grace_ms=grace_ms
        )
        self.ids = count(1)
        self.outputs: list[Any] = []

    def record(self, record: Any, arrived: float | None = None) -> list[Any]:
        """Apply a record, time having reached `arrived` (default: its own instant); returns what came out."""
        self.engine.move_time(record.occurred_at if arrived is None else days(arrived))
        self.engine.apply(record.member_id, record)
        return self._take()

    def activity(
        self,
        at: float,
        member: str = "m1",
        *,
        type: str = "article.read",  # noqa: A002  the record's own name for it
        channel: str = "APP",
        arrived: float | None = None,
        event_id: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> list[Any]:
        return self.record(
            Activity(
                event_id=event_id or f"e{next(self.ids)}",
                member_id=member,
                occurred_at=days(at),
                type=type,
                channel=channel,
                attributes=attributes or {},
            ),
            arrived,
        )

    def profile(
        self, at: float, member: str = "m1", *, arrived: float | None = None, **fields: Any
    ) -> list[Any]:
        event_id = fields.pop("event_id", None) or f"e{next(self.ids)}"
        return self.record(
            MemberProfile(event_id=event_id, member_id=member, occurred_at=days(at), **fields), arrived
        )

    def score(
        self, at: float, member: str = "m1", *, arrived: float | None = None, **fields: Any
    ) -> list[Any]:
        event_id = fields.pop("event_id", None) or f"e{next(self.ids)}"
        return self.record(
            ScoreCommand(event_id=event_id, member_id=member, occurred_at=days(at), **fields), arrived
        )

    def transfer(
        self, at: float, member: str = "m1", *, arrived: float | None = None, **fields: Any
    ) -> list[Any]:
        fields.setdefault("type", "TRANSFERRED")
        return self.record(
            TransferEvent(event_id=f"e{next(self.ids)}", member_id=member, occurred_at=days(at), **fields),
            arrived,
        )

    def command(self, at: float, member: str = "m1", **fields: Any) -> list[Any]:
        fields.setdefault("type", "RESOLVE_WORKFLOW")
        event_id = fields.pop("event_id", None) or f"e{next(self.ids)}"
        return self.record(
            OperatorCommand(
                event_id=event_id, member_id=member, occurred_at=days(at), issued_by="op", **fields
            )
        )

    def until(self, at: float) -> list[Any]:
        """Let time pass."""
        self.engine.move_time(days(at))
        return self._take()

    def member(self, key: str = "m1") -> Member:
        found = self.engine.entities.get(key)
        assert found is not None
        return found

    def _take(self) -> list[Any]:
        taken = self.sink.take()
        self.outputs += taken
        return taken


def told(outputs: list[Any], *, snapshots: bool = False) -> list[str]:
    """Outputs in a few words each, instants in days, such as `7 +inactive inactive` or `7 opened m1:1 returned`."""
    return [_words(output) for output in outputs if snapshots or not isinstance(output, MemberSnapshot)]


def _words(output: Any) -> str:
    if isinstance(output, Refused):
        return f"refused {output.error}"
    if isinstance(output, PageGone):
        return f"page of {output.member_id} gone"
    return f"{_day(output.occurred_at)} {_WORDS.get(output.topic, lambda other: other.topic)(output)}"


_WORDS: dict[str, Callable[[Any], str]] = {
    "tag-changed": lambda o: f"{'+' if o.action == 'ADDED' else '-'}{o.tag} {o.reason}",
    "workflow-opened": lambda o: f"opened {o.workflow_id} {o.reason}",
    "workflow-resolved": lambda o: f"resolved {o.workflow_id} {o.resolution}",
    "score-changed": lambda o: f"{o.score} {o.before} {o.operation} {o.points} = {o.after}",
    "nudge": lambda o: f"nudge {o.nudge_id} {o.template} {o.channel} {o.recipient_id}",
    "nudge-suppressed": lambda o: f"no nudge {o.nudge_id} {o.template} {o.reason}",
    "transfer-requested": lambda o: f"asks {o.pool} for {o.program}, attempt {o.attempt}",
    "transfer-failed": lambda o: f"failed {o.attempts}, {_then(o)}",
}


def _day(instant_ms: int) -> str:
    return f"{(instant_ms - MONDAY_MS) / DAY_MS:g}"


def _then(failed: Any) -> str:
    if failed.next_attempt_at is not None:
        return f"next {_day(failed.next_attempt_at)}"
    return "final" if failed.final else "no next known"


@pytest.fixture
def make_story() -> Callable[..., Story]:
    return Story


@pytest.fixture
def story() -> Story:
    return Story()
