"""The sessions of an engagement, and its discovery calls: which date each counts with (contract 6.5, and 8, "Progress").

Records count at their own time: in whatever order those of one session come, the same becomes of it. Of two at one
instant the one that comes later is the newer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.engagement_state import Session

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_SESSIONS = 50
"""Kept of an engagement, and as many discovery calls (contract 5, "Bounds")."""

MOST_ENDS = 8
"""Instants remembered at which one session was completed, and cancelled: only the first counts, while it is not
scheduled again in between."""

Sessions = dict[str, Session]


class Around(NamedTuple):
    """The dates around an instant, cancelled ones aside; None: there is none."""

    last_ms: int | None
    next_ms: int | None


def schedule(sessions: Sessions, session_id: str, date_ms: int, at_ms: int) -> None:
    """It is to be at this date; one that is known is moved, and one that was completed or cancelled is to be again."""
    session = sessions.setdefault(session_id, Session())
    if at_ms < session.told_ms:
        return
    session.date_ms, session.told_ms = date_ms, at_ms
    session.completed_ms = tuple(ended_ms for ended_ms in session.completed_ms if ended_ms > at_ms)
    session.cancelled_ms = tuple(ended_ms for ended_ms in session.cancelled_ms if ended_ms > at_ms)


def complete(sessions: Sessions, session_id: str, date_ms: int | None, at_ms: int) -> None:
    """It was held. One that nobody scheduled has the date given with the completion, else the completion itself."""
    session = _ended(sessions, session_id, date_ms, at_ms)
    if session is not None:
        session.completed_ms = _with(session.completed_ms, at_ms)


def cancel_session(sessions: Sessions, session_id: str, date_ms: int | None, at_ms: int) -> None:
    """It will not be. A second time changes nothing."""
    session = _ended(sessions, session_id, date_ms, at_ms)
    if session is not None:
        session.cancelled_ms = _with(session.cancelled_ms, at_ms)


def _ended(sessions: Sessions, session_id: str, date_ms: int | None, at_ms: int) -> Session | None:
    """The session a record ends; None where it has been scheduled anew since."""
    session = sessions.setdefault(session_id, Session())
    if at_ms < session.told_ms:
        return None
    if session.date_ms is None:
        session.date_ms = date_ms
    return session


def _with(ended_ms: tuple[int, ...], at_ms: int) -> tuple[int, ...]:
    return tuple(sorted({*ended_ms, at_ms})[:MOST_ENDS])


def counted_ms(session: Session) -> int | None:
    """The date a session counts with, past or ahead; None: it does not count, for its date was never said.

    One completed or cancelled before its date counts at that instant; a completed one is cancelled no more.
    """
    date_ms = session.date_ms
    if session.completed_ms:
        completed_ms = session.completed_ms[0]
        return completed_ms if date_ms is None else min(date_ms, completed_ms)
    if date_ms is not None and session.cancelled_ms:
        return min(date_ms, session.cancelled_ms[0])
    return date_ms


def latest_ms(sessions: Sessions) -> int | None:
    """The latest date that counts, past or ahead: from it on the threshold runs."""
    return max(_dates(sessions.values()), default=None)


def around(sessions: Sessions, now_ms: int) -> Around:
    """The sessions last held, or missed, and next to be held, seen from an instant."""
    dates = _dates(
        session for session in sessions.values() if session.completed_ms or not session.cancelled_ms
    )
    return Around(
        max((date_ms for date_ms in dates if date_ms <= now_ms), default=None),
        min((date_ms for date_ms in dates if date_ms > now_ms), default=None),
    )


def bound(sessions: Sessions, now_ms: int) -> None:
    """Let go of what can least change the track, until no more are left than may be.

    That is first what has no date, then the earliest past ones, but never the latest past one, then, of those ahead,
    the last but one: the next is shown, the last says how long all is well.
    """
    while len(sessions) > MOST_SESSIONS:
        order = sorted(sessions, key=lambda each: (counted_ms(sessions[each]) or 0, each))
        past = [each for each in order if (counted_ms(sessions[each]) or 0) <= now_ms]
        del sessions[past[0] if len(past) > 1 else order[-2]]


def unite(own: Sessions, gained: Sessions) -> None:
    """Add the sessions of the same engagement that another member knew of. Of one that both know the newer word counts."""
    for session_id, other in gained.items():
        known = own.get(session_id)
        own[session_id] = other if known is None else _united(known, other)


def _united(own: Session, other: Session) -> Session:
    newer, older = (other, own) if other.told_ms > own.told_ms else (own, other)
    return Session(
        older.date_ms if newer.date_ms is None else newer.date_ms,
        newer.told_ms,
        _of_both(newer.completed_ms, older.completed_ms, newer.told_ms),
        _of_both(newer.cancelled_ms, older.cancelled_ms, newer.told_ms),
    )


def _of_both(ended_ms: tuple[int, ...], other_ms: tuple[int, ...], told_ms: int) -> tuple[int, ...]:
    return tuple(sorted({*ended_ms, *(each for each in other_ms if each > told_ms)})[:MOST_ENDS])


def _dates(sessions: Iterable[Session]) -> list[int]:
    return [date_ms for session in sessions if (date_ms := counted_ms(session)) is not None]
