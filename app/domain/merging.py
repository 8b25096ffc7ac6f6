"""Merging one member into another, across partitions (contract 5, `merged_into`).

The old member ends and hands its history over; from then on it is a signpost, which sends on whatever comes for it. A
chain of signposts is followed to its end. A merge that would close a circle is refused: each member knows who was
merged into it. Two merges on two partitions can still miss each other, and close a circle of signposts; what travels
around in it carries the merges it has followed, and the latest of them is undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.closing import end_everything, wipe
from app.domain.crossings import MemberMoved, MergeStep
from app.domain.engagements import history, take_over_engagements
from app.domain.responses import moved_responses, take_over_responses
from app.domain.scores import take_over_scores
from app.domain.state import Merged, ReengagerState
from app.domain.tags import add_tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.events import MemberProfile
    from app.domain.hop import Hop
    from app.domain.member import Member
    from app.domain.sink import Sink
    from app.domain.state import Hot
    from app.domain.turn import Turn

MOST_MERGED = 1_000
"""Ids of merged members a member remembers; a circle through an older one is found when something travels in it."""


def is_known(member: Member, record: MemberProfile, hop: Hop | None) -> bool:
    """Whether the merge a profile asks for has been made: it comes from an old id, and says again what it said."""
    return hop is not None and record.merged_into in {member.key, *(step.member_id for step in hop.path)}


def why_refused(member: Member, into: str) -> tuple[str, str] | None:
    """The dead letter's error and message if the merge would close a circle, else None."""
    if into == member.key:
        return "merge_cycle", f"merged_into: {into!r} cannot be merged into itself"
    merged = member.hot.merged
    if merged is not None and into in merged.away:
        return "merge_cycle", f"merged_into: {into!r} was itself merged into {member.key!r}"
    return None


def merge_away(turn: Turn, into: str) -> None:
    """End the member, hand its history to the other, and leave a signpost. `why_refused` has found nothing."""
    member, hot = turn.member, turn.hot
    if hot.born:
        end_everything(turn, "merged")
    away = hot.merged.away if hot.merged is not None else []
    turn.sink.emit(
        MemberMoved(
            event_id=f"{turn.cause}/{member.key}",
            occurred_at=hot.now_ms,
            cause=turn.cause,
            member_id=into,
            from_member_id=member.key,
            path=[MergeStep(member_id=member.key, merged_at=hot.now_ms)],
            seen=hot.born,
            last_activity=_last_activity(hot),
            last_in_app_activity=hot.last_in_app_ms,
            scores=hot.scores or {},
            responses=moved_responses(member),
            tags=_tags(hot),
            merged_from=away,
            engagements=history(member),
        )
    )
    if hot.born:
        wipe(turn)
    turn.hot.merged = Merged(into, hot.now_ms, away)


def note_merge(turn: Turn, moved: MemberMoved) -> None:
    """Remember who was merged into the member, so that it is not merged into one of them."""
    hot = turn.hot
    if hot.merged is None:
        hot.merged = Merged()
    away = hot.merged.away
    for member_id in (*moved.merged_from, moved.from_member_id):
        if member_id != turn.member.key and member_id not in away:
            away.append(member_id)
    del away[:-MOST_MERGED]


def take_over(turn: Turn, moved: MemberMoved) -> None:
    """The facts of a history: last activity in the app, tags, responses, engagements, scores.

    Each re-engager then judges the activity itself.
    """
    hot, last_ms = turn.hot, moved.last_in_app_activity
    if last_ms is not None and (hot.last_in_app_ms is None or last_ms > hot.last_in_app_ms):
        hot.last_in_app_ms = last_ms
        turn.page_changed = True
    for tag in moved.tags:
        add_tag(turn, None, tag, "merged")
    take_over_responses(turn, moved.responses)
    take_over_engagements(turn, moved)
    take_over_scores(turn, moved.scores)


def signpost(member: Member, path: Sequence[MergeStep] = ()) -> tuple[str, tuple[MergeStep, ...]] | None:
    """Where a merged-away member sends on what comes for it, and that one's path; None: it is not merged away."""
    merged = member.hot.merged
    if merged is None or merged.into is None:
        return None
    return merged.into, (*path, MergeStep(member_id=member.key, merged_at=merged.at_ms))


def break_circle(member: Member, path: Sequence[MergeStep], sink: Sink) -> bool:
    """Undo the member's own merge if the path has come back to it, and no merge of that circle is later."""
    merged = member.hot.merged
    if merged is None or merged.into is None:
        return False
    own = MergeStep(member_id=member.key, merged_at=merged.at_ms)
    places = [place for place, step in enumerate(path) if step == own]
    if not places or own != max(path[places[-1] :], key=lambda step: (step.merged_at, step.member_id)):
        return False
    circle = " -> ".join([*(step.member_id for step in path[places[-1] :]), member.key])
    sink.refuse("merge_cycle", f"merged_into: {circle} is a circle; the last of these merges is undone")
    merged.into = None
    return True


def _last_activity(hot: Hot) -> dict[str, int]:
    """The latest qualifying activity known to each re-engager."""
    return {
        name: state.last_ms
        for name, state in hot.states.items()
        if isinstance(state, ReengagerState) and state.last_ms is not None
    }


def _tags(hot: Hot) -> list[str]:
    """The tags but those of inactivity, which are made anew of the activity of both."""
    own = {state.tag for state in hot.states.values() if isinstance(state, ReengagerState)}
    return [tag for tag in sorted(hot.tags or {}) if tag not in own]
