"""The coaching engagements of a member: facts, whatever the playbooks are (contract 6.5).

The life of an engagement is a table of legal moves. What a playbook makes of it, on track or off, is `progress.py`'s
business.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING

from app.domain.engagement_sessions import around, bound, cancel_session, complete, latest_ms, schedule, unite
from app.domain.engagement_state import (
    Calendar,
    Engagement,
    decode_engagements,
    encode_engagements,
    pack_calendar,
    unpack_calendar,
)
from app.domain.instants import DAY_MS
from app.domain.lifecycle import Move
from app.domain.outputs import EngagementView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.crossings import MemberMoved
    from app.domain.engagement_state import Engagements
    from app.domain.events import EngagementEvent
    from app.domain.member import Member
    from app.domain.turn import Turn

LAUNCHED, MATCHING, ACTIVE = "LAUNCHED", "MATCHING", "ACTIVE"
DEACTIVATED, COMPLETED = "DEACTIVATED", "COMPLETED"

NOT_TRACKING, ON_TRACK, OFF_TRACK = "NOT_TRACKING", "ON_TRACK", "OFF_TRACK"

KEPT_MS = 90 * DAY_MS
"""How long a completed engagement is remembered (contract 5, "Bounds")."""

MOVES = (
    Move(LAUNCHED, "MATCHING_STARTED", MATCHING, "a coach is looked for; the clock starts"),
    Move(LAUNCHED, "ACTIVATED", ACTIVE, "sessions are to be held; the clock starts"),
    Move(MATCHING, "COACH_SELECTED", ACTIVE, "matching ends; the active phase starts at that moment"),
    Move(MATCHING, "ACTIVATED", ACTIVE, "sessions are to be held; the clock starts"),
    Move(ACTIVE, "MATCHING_STARTED", MATCHING, "a coach is looked for; the clock starts"),
    Move(DEACTIVATED, "MATCHING_STARTED", MATCHING, "a coach is looked for; the clock starts"),
    Move(DEACTIVATED, "ACTIVATED", ACTIVE, "sessions are to be held; the clock starts"),
    Move(LAUNCHED, "DEACTIVATED", DEACTIVATED, "it pauses, and is not tracked"),
    Move(MATCHING, "DEACTIVATED", DEACTIVATED, "it pauses, and is not tracked"),
    Move(ACTIVE, "DEACTIVATED", DEACTIVATED, "it pauses, and is not tracked"),
    Move(LAUNCHED, "COMPLETED", COMPLETED, "it is over"),
    Move(MATCHING, "COMPLETED", COMPLETED, "it is over"),
    Move(ACTIVE, "COMPLETED", COMPLETED, "it is over"),
    Move(DEACTIVATED, "COMPLETED", COMPLETED, "it is over"),
)
"""Every legal move, between phases, by the type of a record; the documents' diagram is drawn from this table. What is not
in it, such as a second ACTIVATED or anything after COMPLETED, moves nothing."""

_AFTER = {(move.before, move.name): move.after for move in MOVES}
_WORDS = frozenset(move.name for move in MOVES)

MOST_WORDS = 8
"""Words on the phase of an engagement among which a late one finds its place; what is older than all of them is settled."""

_PARTIES = ("owner_id", "coach_id", "company_id")


def note_engagement(turn: Turn, event: EngagementEvent) -> None:
    """Take over what a record says of its engagement; one that is not known begins with its first record.

    Late records count at their own time: what is older than the last word on phase, owner and so on does not undo it.
    """
    engagements = turn.member.engagements()
    _let_go(engagements, turn.hot.now_ms)
    engagement = engagements.get(event.engagement_id)
    if engagement is None:
        engagement = engagements[event.engagement_id] = Engagement(template=event.template)
    if event.type == "LAUNCHED" and not engagement.launched:
        engagement.launched = True
        engagement.template = event.template or engagement.template
    for party in _PARTIES:
        value = getattr(event, party)
        if value is not None and _is_newest(engagement, party, turn.at_ms):
            setattr(engagement, party, value)
    if event.type in ("NOTIFICATIONS_ON", "NOTIFICATIONS_OFF"):
        if _is_newest(engagement, "notifies", turn.at_ms):
            engagement.notifies = event.type == "NOTIFICATIONS_ON"
    elif event.session_id is not None:
        _note_session(turn, engagement, event, event.session_id)
    if event.type in _WORDS:
        _hear_word(turn, engagement, event.type)
    turn.member.engagements_changed()
    turn.page_changed = True


def _note_session(turn: Turn, engagement: Engagement, event: EngagementEvent, session_id: str) -> None:
    calendar, at_ms, date_ms = unpack_calendar(engagement), turn.at_ms, event.session_at
    match event.type:
        case "SESSION_SCHEDULED" if date_ms is not None:
            schedule(calendar.sessions, session_id, date_ms, at_ms)
        case "SESSION_COMPLETED":
            complete(calendar.sessions, session_id, date_ms, at_ms)
        case "SESSION_CANCELLED":
            cancel_session(calendar.sessions, session_id, date_ms, at_ms)
        case "DISCOVERY_CALL_SCHEDULED" if date_ms is not None:
            schedule(calendar.calls, session_id, date_ms, at_ms)
        case "DISCOVERY_CALL_CANCELLED":
            cancel_session(calendar.calls, session_id, date_ms, at_ms)
        case _:
            return
    _keep_calendar(turn, engagement, calendar)


def _keep_calendar(turn: Turn, engagement: Engagement, calendar: Calendar) -> None:
    now_ms = turn.hot.now_ms
    for sessions in (calendar.sessions, calendar.calls):
        bound(sessions, now_ms)
    engagement.sessions_to_ms, engagement.calls_to_ms = (
        latest_ms(calendar.sessions),
        latest_ms(calendar.calls),
    )
    engagement.calendar = pack_calendar(calendar)
    _look(engagement, now_ms, calendar)


def _hear_word(turn: Turn, engagement: Engagement, name: str) -> None:
    """A word on the phase: those known are played in order of time, so that the same comes of them in whatever order they came.

    Of two at one instant the one that comes later is the newer. What is not legal in its place moves nothing.
    """
    if turn.at_ms < engagement.settled_ms:
        return
    words = engagement.words
    words.insert(bisect_right(words, turn.at_ms, key=itemgetter(0)), (turn.at_ms, name))
    if len(words) > MOST_WORDS:
        settled = words.pop(0)
        engagement.settled_ms = settled[0]
        engagement.settled_phase, engagement.settled_start_ms = _play(engagement, [settled])
    engagement.phase, engagement.start_ms = _play(engagement, words)
    _look(engagement, turn.hot.now_ms)


def _play(engagement: Engagement, words: Iterable[tuple[int, str]]) -> tuple[str, int]:
    """Phase and start of its clock after these words, from what is settled."""
    phase, start_ms = engagement.settled_phase, engagement.settled_start_ms
    for at_ms, name in words:
        after = _AFTER.get((phase, name))
        if after is not None:
            phase, start_ms = after, at_ms
    return phase, start_ms


def reference_ms(engagement: Engagement) -> int | None:
    """From when the threshold runs; ahead of now while a session or call lies ahead. None: the clock does not run.

    The latest date of a session, in the matching phase of a discovery call, but not before the clock of the phase has
    started.
    """
    if engagement.phase == ACTIVE:
        latest = engagement.sessions_to_ms
    elif engagement.phase == MATCHING:
        latest = engagement.calls_to_ms
    else:
        return None
    return engagement.start_ms if latest is None else max(engagement.start_ms, latest)


def owner_of(engagement: Engagement, member: Member) -> str | None:
    """Whose engagement it is: as its records say, else the profile."""
    return engagement.owner_id or member.hot.owner_id


def views(member: Member) -> list[EngagementView]:
    """The engagements as the page shows them at the member's now, by id.

    With several progress playbooks the status is that of the first by name. One that is over for longer than it is
    kept is left out, whether it has been let go of or not.
    """
    hot = member.hot
    shown = []
    for engagement_id, engagement in sorted(member.engagements().items()):
        if _is_gone(engagement, hot.now_ms):
            continue
        if engagement.next_ms is not None and engagement.next_ms <= hot.now_ms:
            _look(engagement, hot.now_ms)
            member.engagements_changed()
        tracks = engagement.tracks
        track = tracks[min(tracks)] if tracks else None
        shown.append(
            EngagementView(
                engagement_id=engagement_id,
                status=NOT_TRACKING if track is None else track.status,
                off_track_since=None if track is None else track.since_ms,
                last_session=engagement.last_ms,
                next_session=engagement.next_ms,
                owner_id=owner_of(engagement, member),
                coach_id=engagement.coach_id or hot.coach_id,
                company_id=engagement.company_id or hot.company_id,
                location_id=hot.location_id,
            )
        )
    return shown


def history(member: Member) -> bytes | None:
    """What a merged-away member hands over: its part as it is stored; None: it has no engagements."""
    return encode_engagements(member.engagements()) if member.hot.has_engagements else None


def gained(moved: MemberMoved) -> Engagements:
    """The engagements a history brings; those of another member's event are none."""
    return {} if moved.engagements is None else decode_engagements(moved.engagements)


def take_over_engagements(turn: Turn, moved: MemberMoved) -> None:
    """Gain the engagements of a merged-away member. Playbooks then announce what they track (`progress.py`).

    One that both know stays as the member has it, with the sessions of both.
    """
    found = gained(moved)
    if not found:
        return
    engagements = turn.member.engagements()
    for engagement_id, engagement in found.items():
        own = engagements.get(engagement_id)
        if own is None:
            engagements[engagement_id] = engagement
            for track in engagement.tracks.values():
                track.status = NOT_TRACKING
        else:
            calendar, other = unpack_calendar(own), unpack_calendar(engagement)
            unite(calendar.sessions, other.sessions)
            unite(calendar.calls, other.calls)
            _keep_calendar(turn, own, calendar)
    turn.member.engagements_changed()
    turn.page_changed = True


def _look(engagement: Engagement, now_ms: int, calendar: Calendar | None = None) -> None:
    """Find the dates to be shown around an instant: of discovery calls while a coach is looked for."""
    if calendar is None:
        calendar = unpack_calendar(engagement)
    sessions = calendar.calls if engagement.phase == MATCHING else calendar.sessions
    engagement.last_ms, engagement.next_ms = around(sessions, now_ms)


def _let_go(engagements: Engagements, now_ms: int) -> None:
    for engagement_id in [each for each, engagement in engagements.items() if _is_gone(engagement, now_ms)]:
        del engagements[engagement_id]


def _is_gone(engagement: Engagement, now_ms: int) -> bool:
    return engagement.phase == COMPLETED and engagement.start_ms + KEPT_MS <= now_ms


def _is_newest(engagement: Engagement, what: str, at_ms: int) -> bool:
    """Whether nothing newer was said of this; if so, this is now the newest."""
    if at_ms < engagement.told_ms.get(what, 0):
        return False
    engagement.told_ms[what] = at_ms
    return True
