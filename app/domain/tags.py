"""Tags of a member: adding and removing them, each once (contract 4, tag-changed)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.outputs import TagChanged

if TYPE_CHECKING:
    from app.domain.playbook import Playbook
    from app.domain.turn import Turn


def carries(turn: Turn, tag: str) -> bool:
    """Whether the member has the tag."""
    tags = turn.hot.tags
    return tags is not None and tag in tags


def add_tag(turn: Turn, playbook: Playbook | None, tag: str, reason: str) -> None:
    """Add a tag; one that is there already stays as it is, and nothing is put out."""
    hot = turn.hot
    if hot.tags is None:
        hot.tags = {}
    elif tag in hot.tags:
        return
    hot.tags[tag] = hot.now_ms
    turn.page_urgent = True
    turn.emit(TagChanged, playbook, tag=tag, action="ADDED", reason=reason)


def remove_tag(turn: Turn, playbook: Playbook | None, tag: str, reason: str) -> int | None:
    """Remove a tag; returns since when it was carried, None when it was not (and nothing is put out)."""
    hot = turn.hot
    if hot.tags is None or tag not in hot.tags:
        return None
    since_ms = hot.tags.pop(tag)
    hot.tags = hot.tags or None
    turn.page_urgent = True
    turn.emit(TagChanged, playbook, tag=tag, action="REMOVED", reason=reason)
    return since_ms
