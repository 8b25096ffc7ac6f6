"""What a record says of a member whatever the playbooks are; applied before any playbook acts (contract 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.crossings import MemberMoved
from app.domain.engagements import note_engagement
from app.domain.events import Activity, CampaignResponse, EngagementEvent, MemberProfile, ScoreCommand
from app.domain.feedback import FEEDBACK
from app.domain.merging import take_over
from app.domain.profile import note_profile
from app.domain.responses import note_response
from app.domain.scores import note_score

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.turn import Turn


def note_activity(turn: Turn, activity: Activity) -> None:
    """Activity on channel APP, of whatever type, is what the page shows as the last in-app activity.

    Activities that say what became of a nudge are noted with it (contract 6.6).
    """
    if activity.type in FEEDBACK:
        FEEDBACK[activity.type](turn, activity)
    if activity.channel != "APP":
        return
    last_ms = turn.hot.last_in_app_ms
    if last_ms is None or turn.at_ms > last_ms:
        turn.hot.last_in_app_ms = turn.at_ms
        turn.page_moved = True


FACTS: dict[type, Callable[[Turn, Any], None]] = {
    Activity: note_activity,
    MemberProfile: note_profile,
    ScoreCommand: note_score,
    CampaignResponse: note_response,
    EngagementEvent: note_engagement,
    MemberMoved: take_over,
}
"""By record type; records of other types hold no such fact."""
