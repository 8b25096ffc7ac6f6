"""What a record says of a member whatever the playbooks are; applied before any playbook acts (contract 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.events import Activity, MemberProfile
from app.domain.profile import note_profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.turn import Turn


def note_activity(turn: Turn, activity: Activity) -> None:
    """Activity on channel APP, of whatever type, is what the page shows as the last in-app activity."""
    if activity.channel != "APP":
        return
    last_ms = turn.hot.last_in_app_ms
    if last_ms is None or turn.at_ms > last_ms:
        turn.hot.last_in_app_ms = turn.at_ms
        turn.page_changed = True


FACTS: dict[type, Callable[[Turn, Any], None]] = {
    Activity: note_activity,
    MemberProfile: note_profile,
}
"""By record type; records of other types hold no such fact."""
