"""A member's session in another system, as a table of legal moves, and which of its events say something of it.

A session is told by activities: started, page seen, finished, closed (contract 6.4). One runs at most; it ends by
success, or without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.instants import MINUTE_MS
from app.domain.intent_state import Session
from app.domain.lifecycle import Move

if TYPE_CHECKING:
    from app.domain.events import Activity
    from app.domain.intent_state import HighIntentState

NONE, RUNNING, SUCCEEDED, UNSUCCESSFUL = "NONE", "RUNNING", "SUCCEEDED", "UNSUCCESSFUL"

START, PAGE, SUCCESS, CLOSE, TIMEOUT = "start", "page", "success", "close", "timeout"

LONGEST_TEXT = 256
"""Characters kept of a page's name and step; a company's id that is longer is none."""

MOVES = (
    Move(NONE, START, RUNNING, "`session.start`"),
    Move(NONE, PAGE, RUNNING, "`session.page`, but for the success page"),
    Move(NONE, SUCCESS, SUCCEEDED, "`session.finish`, or the success page with the success state"),
    Move(RUNNING, PAGE, RUNNING, "`session.page`, but for the success page"),
    Move(RUNNING, SUCCESS, SUCCEEDED, "`session.finish`, or the success page with the success state"),
    Move(RUNNING, CLOSE, UNSUCCESSFUL, "`session.close`"),
    Move(RUNNING, START, UNSUCCESSFUL, "while one runs it ends, and the next begins"),
    Move(RUNNING, TIMEOUT, UNSUCCESSFUL, "`session.timeout` after its last event"),
)
"""Every legal move; the documents' diagram is drawn from this table. What is not in it, such as a close without a
session, changes nothing."""

_AFTER = {(move.before, move.name): move.after for move in MOVES}


@dataclass(frozen=True, kw_only=True)
class SessionRules:
    """A playbook's settings of sessions; the defaults are contract 6.4's.

    Attributes:
        start, page, finish, close: types of the activities that tell of a session, each another.
        timeout_ms: so long after its last event a session is over.
        success_page, success_state: attributes `name` and `state` of the page that is a success; both have to be there.
        late_pages: names of the pages that are seen shortly before a success.
    """

    start: str = "transact.started"
    page: str = "transact.interaction"
    finish: str = "transact.finished"
    close: str = "transact.closed"
    timeout_ms: int = 30 * MINUTE_MS
    success_page: str = "Viewed Task Completed Page"
    success_state: str = "completed"
    late_pages: frozenset[str] = frozenset({"Viewed Distribution Confirmation Page"})

    @property
    def activities(self) -> tuple[str, ...]:
        """The types of all activities that tell of a session."""
        return self.start, self.page, self.finish, self.close

    def name_of(self, activity: Activity) -> str:
        """The move an activity of one of these types asks for."""
        if activity.type == self.page:
            attributes = activity.attributes
            is_success = (
                attributes.get("name") == self.success_page and attributes.get("state") == self.success_state
            )
            return SUCCESS if is_success else PAGE
        if activity.type == self.finish:
            return SUCCESS
        return START if activity.type == self.start else CLOSE


def move(state: HighIntentState, name: str, at_ms: int, timeout_ms: int) -> str | None:
    """Where a move of that instant leads; None where it leads nowhere, or says nothing of the session that runs.

    A late word counts if it is of the running session: a page that was seen in it, a start or close after all else
    that is known of it. One of a session that is over counts no more, unless it is a success, which always does.
    """
    session = state.session
    after = _AFTER.get((NONE if session is None else RUNNING, name))
    if name in (SUCCESS, TIMEOUT):
        return after
    if session is None or name == PAGE:
        return after if at_ms >= state.over_ms and _is_of(session, at_ms, timeout_ms) else None
    return after if at_ms >= session.last_ms else None


def note_event(state: HighIntentState, at_ms: int, *, is_start: bool = False) -> Session:
    """An event of the running session, which begins with it if none runs."""
    session = state.session
    if session is None:
        session = state.session = Session(at_ms, at_ms, has_start=is_start)
    session.start_ms = min(session.start_ms, at_ms)
    session.last_ms = max(session.last_ms, at_ms)
    return session


def note_page(session: Session, rules: SessionRules, activity: Activity, at_ms: int) -> None:
    """A page seen in the session: the last one, unless a later one is known."""
    page = text_attribute(activity, "name")
    session.is_late = session.is_late or page in rules.late_pages
    if at_ms >= session.page_ms:
        company_id = text_attribute(activity, "company_id")
        session.page, session.page_ms = _cut(page), at_ms
        session.step = _cut(text_attribute(activity, "step"))
        session.company_id = company_id if company_id and len(company_id) <= LONGEST_TEXT else None


def end(state: HighIntentState, at_ms: int) -> None:
    """The running session ended at an instant, or without one the time of sessions up to then is over."""
    state.session = None
    state.over_ms = max(state.over_ms, at_ms)


def covers(state: HighIntentState, at_ms: int, timeout_ms: int) -> bool:
    """Whether a session runs and what happened at that instant, late or not, happened in it."""
    session = state.session
    return session is not None and at_ms >= state.over_ms and _is_of(session, at_ms, timeout_ms)


def _is_of(session: Session | None, at_ms: int, timeout_ms: int) -> bool:
    """Whether the instant is behind the session's beginning, or so near before it that it is of the same session.

    Unless the session is known to have started then: what is earlier is of another.
    """
    if session is None:
        return True
    return at_ms >= session.start_ms if session.has_start else at_ms > session.start_ms - timeout_ms


def text_attribute(activity: Activity, name: str) -> str | None:
    """An attribute as text; None for none, an empty one, and what is neither text nor a whole number.

    Ids are sometimes sent as numbers, by some producers as `42.0`.
    """
    value = activity.attributes.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or isinstance(value, bool | float):
        return None
    return str(value) or None


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:LONGEST_TEXT]
