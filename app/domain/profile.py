"""What profile records say of a member: the newest word on each field counts (contract 3, MemberProfile)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.nudges import retime_held_nudges

if TYPE_CHECKING:
    from app.domain.events import MemberProfile
    from app.domain.state import Profile
    from app.domain.turn import Turn

ON_THE_PAGE = ("owner_id", "coach_id", "company_id", "location_id")
OFF_THE_PAGE = (
    "time_zone",
    "country",
    "region",
    "email",
    "phone",
    "channels",
    "lead_status",
    "record_type",
    "program",
    "pool",
)


def note_profile(turn: Turn, record: MemberProfile) -> None:
    """Take over what the record says; null is no word. A late record does not undo a newer one.

    `consents` is merged by channel, null putting a channel back to the policy's default (contract 8).
    """
    cold = turn.member.cold()
    profile, hot = cold.profile, turn.hot
    place = (profile.time_zone, profile.country, profile.region)
    for field in ON_THE_PAGE:
        value = getattr(record, field)
        if value is not None and _is_newest(turn, profile, field) and getattr(hot, field) != value:
            setattr(hot, field, value)
            turn.page_changed = True
    for field in OFF_THE_PAGE:
        value = getattr(record, field)
        if value is not None and _is_newest(turn, profile, field):
            setattr(profile, field, value)
    for channel, consent in record.consents.items():
        set_consent(turn, channel, consent)
    if (profile.time_zone, profile.country, profile.region) != place:
        # What waits was timed by the zone and the holidays of the old place (contract 8, "Policy").
        retime_held_nudges(turn)


def set_consent(turn: Turn, channel: str, consent: bool | None) -> None:
    """Note what was said of a nudge channel, unless something newer was; None: back to the policy's default."""
    profile = turn.member.cold().profile
    if not _is_newest(turn, profile, f"consents.{channel}"):
        return
    consents = dict(profile.consents or {})
    if consent is None:
        consents.pop(channel, None)
    else:
        consents[channel] = consent
    profile.consents = consents or None


def _is_newest(turn: Turn, profile: Profile, field: str) -> bool:
    """Whether nothing newer was said of the field; if so, this is now the newest."""
    if turn.at_ms < profile.told_ms.get(field, 0):
        return False
    profile.told_ms[field] = turn.at_ms
    turn.member.cold_changed()
    return True
