"""What a member who has been silent for long gives up, so that states do not only grow (contract 5, "Bounds").

The time for that is no timer in the member's list: it comes only to members who wait for nothing else, and would
otherwise have to be moved with every event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.entity import NEVER_MS
from app.domain.instants import DAY_MS
from app.domain.intent_state import HighIntentState

if TYPE_CHECKING:
    from app.domain.member import Member
    from app.domain.state import Hot

UNTOUCHED_MS = 2 * 365 * DAY_MS
"""Without record and timer for this long, and with nothing open, a member keeps only what the contract lists."""


def prune_due_ms(hot: Hot) -> int:
    """When a member without timers is to be pruned; `NEVER_MS` while something is open, or nothing came since."""
    if hot.workflows or hot.pending or not (hot.recent or hot.older_ids):
        return NEVER_MS
    return hot.now_ms + UNTOUCHED_MS


def prune(member: Member) -> None:
    """Let go of recent event ids, engagements, sent nudges, responses and past sessions.

    Puts out nothing, and does not move the member's now.
    """
    member.forget_ids()
    member.forget_engagements()
    hot = member.hot
    hot.states = {name: state for name, state in hot.states.items() if not isinstance(state, HighIntentState)}
    if hot.has_cold and ((cold := member.cold()).sent or cold.intents or cold.responses):
        cold.sent.clear()
        cold.intents.clear()
        cold.responses = b""
        member.cold_changed()
