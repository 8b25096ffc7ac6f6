"""Ending what is open of a member who is forgotten or merged away, and all that is known (contract 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.pending import drop_nudges
from app.domain.sink import PageGone
from app.domain.workflow import playbook_of, resolve_workflow

if TYPE_CHECKING:
    from app.domain.turn import Turn


def end_everything(turn: Turn, reason: str) -> None:
    """Resolve the open workflows, drop the planned nudges, and leave every queue; `reason` is also the resolution."""
    playbooks = turn.playbooks
    for stem in list(turn.hot.workflows or {}):
        resolve_workflow(turn, playbooks.by_name.get(playbook_of(stem)), stem, reason)
    drop_nudges(turn)
    for leave in playbooks.leaving:
        leave(turn, reason)


def wipe(turn: Turn) -> None:
    """Keep of the member only its counters and recent event ids, and take its page away. The last step of a turn.

    The ids stay as hashes, so that a record sent twice is not taken for a new member's first.
    """
    member = turn.member
    member.wipe()
    turn.hot = member.hot
    turn.page_changed = turn.page_moved = turn.page_urgent = False
    turn.sink.emit(PageGone(member.key))


def forget_member(turn: Turn) -> None:
    """FORGET_MEMBER: later events start a new member, whose ids go on where these end."""
    end_everything(turn, "forgotten")
    wipe(turn)
