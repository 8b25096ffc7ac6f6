"""What became of a nudge, as activities tell: delivered, opened, clicked, bounced, unsubscribed (contract 6.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.policy import NUDGE_CHANNELS
from app.domain.profile import set_consent

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.events import Activity
    from app.domain.turn import Turn


def _unsubscribed(turn: Turn, activity: Activity) -> None:
    """Consent to the channel in attribute `channel` is revoked at once.

    One that names no channel revokes all: to write to somebody who does not want it is the worse mistake.
    """
    named = activity.attributes.get("channel")
    channel = named.upper() if isinstance(named, str) else None
    for revoked in (channel,) if channel in NUDGE_CHANNELS else NUDGE_CHANNELS:
        set_consent(turn, revoked, consent=False)


def _happened(turn: Turn, activity: Activity) -> None:
    """Kept with the nudge in attribute `nudge_id`, the first time; a nudge no longer remembered keeps nothing."""
    word = activity.type.removeprefix("nudge.")
    for sent in turn.member.cold().sent:
        if sent.nudge_id == activity.attributes.get("nudge_id"):
            known = sent.feedback or {}
            if turn.at_ms < known.get(word, turn.at_ms + 1):
                sent.feedback = {**known, word: turn.at_ms}
                turn.member.cold_changed()


FEEDBACK: dict[str, Callable[[Turn, Activity], None]] = {
    "nudge.unsubscribed": _unsubscribed,
    "nudge.delivered": _happened,
    "nudge.opened": _happened,
    "nudge.clicked": _happened,
    "nudge.bounced": _happened,
}
"""By activity type."""
