"""How a member stands at an instant: what is kept, what it waits for, and what would still have to happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from app.domain.explain.picture import picture_of
from app.domain.explain.registry import EXPLAINERS
from app.domain.member import Member
from app.domain.pending import NUDGE_TIMER
from app.domain.sink import Sink
from app.domain.snapshot import SNAPSHOT_TIMER
from app.domain.turn import Turn
from app.domain.workflow import workflow_id

if TYPE_CHECKING:
    from app.domain.explain.considered import Considered
    from app.domain.playbook_set import PlaybookSet
    from app.domain.timers import Timer


class Wake(msgspec.Struct, frozen=True):
    """One timer of the member, and what it is for, as a sentence without subject."""

    timer: Timer
    purpose: str


class Standing(msgspec.Struct, kw_only=True):
    """A member at an instant.

    Attributes:
        at_ms: the instant.
        known: whether it is a member: one that was forgotten, or merged away, is none.
        merged_into: the member it was merged into; None: into none.
        merged_ms: when that was.
        workflows: the open ones: id, and when opened.
        facts: what else is kept, by path (`picture.py`).
        wakes: its timers, the next one first.
        waiting: what each outcome still waits for, by the playbooks of now.
    """

    at_ms: int
    known: bool = False
    merged_into: str | None = None
    merged_ms: int = 0
    workflows: dict[str, int] = msgspec.field(default_factory=dict)
    facts: dict[str, Any] = msgspec.field(default_factory=dict)
    wakes: list[Wake] = msgspec.field(default_factory=list)
    waiting: list[Considered] = msgspec.field(default_factory=list)


def standing_of(playbooks: PlaybookSet, member: Member | None, at_ms: int) -> Standing:
    """How a member stands; None: nobody has heard of it. The member is left as it is."""
    standing = Standing(at_ms=at_ms)
    if member is None:
        return standing
    hot = member.hot
    standing.known = hot.born
    if hot.merged is not None and hot.merged.into is not None:
        standing.merged_into, standing.merged_ms = hot.merged.into, hot.merged.at_ms
    for stem, workflow in sorted((hot.workflows or {}).items()):
        standing.workflows[workflow_id(stem, member.key, workflow.number)] = workflow.opened_ms
    standing.facts = {
        path: value
        for path, value in picture_of(member).items()
        if not path.startswith(("workflows.", "merged."))
    }
    standing.wakes = [
        Wake(timer, purpose_of(playbooks, timer, member))
        for timer in hot.timers
        if timer[1] != SNAPSHOT_TIMER
    ]
    copy = _copy(member)
    if copy is not None and hot.born:
        turn = Turn(copy, Sink(), max(at_ms, hot.now_ms), "", playbooks)
        for playbook in playbooks.playbooks:
            explainer = EXPLAINERS.get(playbook.kind)
            if explainer is not None:
                standing.waiting += explainer.standing(playbook, turn)
    return standing


def purpose_of(playbooks: PlaybookSet, timer: Timer, member: Member) -> str:
    """What a timer of the member is for."""
    _, name, playbook_name, ref = timer
    if name == NUDGE_TIMER:
        nudge = member.cold().pending.get(ref)
        if nudge is None:
            return "judges a nudge"
        who = nudge.message.role.lower()
        return f'judges nudge "{nudge.message.template}" to the {who}'
    playbook = playbooks.by_name.get(playbook_name)
    explainer = None if playbook is None else EXPLAINERS.get(playbook.kind)
    return "" if explainer is None else explainer.awaits(playbook, timer, member)


def _copy(member: Member) -> Member | None:
    """The same member apart, so that a turn of it moves nothing."""
    parts: dict[int, bytes | None] = dict(member.dump())
    # What lies in a store is read, and dumped once more.
    if member.hot.has_cold:
        member.cold()
        member.cold_changed()
    if member.hot.has_engagements:
        member.engagements()
        member.engagements_changed()
    parts.update(member.dump())
    return Member.load(member.key, parts.get)
