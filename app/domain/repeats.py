"""Activities that repeat: all that one more of them changes of a member is instants.

Most records are of this kind: a member who was active yesterday reads another article. What moves then is the member's now, the
ids applied, the last activity in the app with the page's instant, and with re-engagers the last activity they know and
the timer they wait with. Which activities these are, and of whom, is said here; what is done about them stays in the
rules (`Reengager._active`). Knowing it, a worker can apply such a record without them, to the same effect
(`runtime/repeating.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.feedback import FEEDBACK
from app.domain.reengager import Reengager
from app.domain.state import ReengagerState

if TYPE_CHECKING:
    from app.domain.member import Member
    from app.domain.playbook_set import PlaybookSet


class Move(NamedTuple):
    """What a re-engager does about a repeated activity: its last activity is this one, and its timer is due later.

    playbook: the name of the re-engager, under which its state and its timer lie.
    channels: on these channels; on any other it does nothing.
    after_ms: how long after its last activity the timer is due.
    """

    playbook: str
    channels: frozenset[str]
    after_ms: int


def moves_of(playbooks: PlaybookSet) -> dict[str, tuple[Move, ...]]:
    """By type, the activities that may repeat, with all that playbooks do about one; other types may do anything."""
    moves: dict[str, tuple[Move, ...]] = {}
    for playbook in playbooks.playbooks:
        if isinstance(playbook, Reengager):
            move = Move(playbook.name, playbook.channels, playbook.after_ms)
            for activity_type in playbook.activities:
                moves[activity_type] = (*moves.get(activity_type, ()), move)
    return {
        activity_type: found
        for activity_type, found in moves.items()
        if len(found) == len(playbooks.activity_reactions(activity_type)) and activity_type not in FEEDBACK
    }


def can_repeat(member: Member) -> bool:
    """Whether the member is one of whom nothing waits to be shown: known, and with a page that is not stale."""
    return member.hot.born and not member.hot.page_stale


def is_moved(member: Member, playbook: Reengager) -> bool:
    """Whether the re-engager does to this member what its `Move` says: it knows an activity, and has not put its tag there."""
    hot = member.hot
    state = hot.states.get(playbook.name)
    knows_one = isinstance(state, ReengagerState) and state.last_ms is not None
    return knows_one and not (hot.tags and playbook.tag in hot.tags)
