"""One step of a member's timeline: a record or a timer, and what came of it."""

from __future__ import annotations

from typing import Any

import msgspec

from app.domain.explain.considered import Considered  # noqa: TC001  msgspec resolves the annotation
from app.domain.timers import Timer  # noqa: TC001  as Considered

APPLIED = "applied"
DUPLICATE = "duplicate"
REFUSED = "refused"
SENT_ON = "sent_on"
IGNORED = "ignored"


class Step(msgspec.Struct, kw_only=True):
    """One record of the member, or one of its timers.

    Attributes:
        at_ms: the record's instant, or the timer's due time.
        now_ms: the member's now after it, never earlier.
        late: whether `at_ms` lay before the member's now.
        record: what came; None: a timer.
        from_member: whose record it was, if of a member merged into this one.
        timer: what was due; None: a record came.
        place: where the record lies, as whoever feeds the engine says; empty: nowhere.
        fate: what became of the record: `applied`, `duplicate`, `refused` (a dead letter), `sent_on` to the member
            this one was merged into, or `ignored`: a command, or an answer of a desk, to nobody.
        detail: of the fate, in words.
        outputs: the output records with a sequence, in order.
        asked: the crossings it sent to other entities, by topic.
        considered: what playbooks considered.
        changes: what is kept of the member and is different now: by path, before and after; None: nothing.
        armed: timers that were set or moved, with what they are set to.
        recorded: whether the journal says it happened; else it is what would, by the rules of now.
        under: hash of the playbooks under which it was decided, if others than those it is explained by.
    """

    at_ms: int
    now_ms: int = 0
    late: bool = False
    record: Any = None
    from_member: str | None = None
    timer: Timer | None = None
    place: str = ""
    fate: str = APPLIED
    detail: str = ""
    outputs: list[Any] = msgspec.field(default_factory=list)
    asked: list[str] = msgspec.field(default_factory=list)
    considered: list[Considered] = msgspec.field(default_factory=list)
    changes: dict[str, tuple[Any, Any]] = msgspec.field(default_factory=dict)
    armed: list[Timer] = msgspec.field(default_factory=list)
    recorded: bool = True
    under: str = ""
