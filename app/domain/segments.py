"""Why somebody who nearly converted did not: the segment of an unsuccessful end (contract 6.4)."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.domain.instants import WEEK_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.domain.intent_state import IntentHistory, Session

KNOWN_ERROR = "known_error"
MULTIPLE_ATTEMPTS = "multiple_attempts"
UNKNOWN_EXIT = "unknown_exit"

MAINTENANCE = "maintenance"
"""The error that the company mends, not the member: nudges wait for it (contract 6.4)."""

MOST_ATTEMPTS = 100
"""Unsuccessful ends remembered, and the most `attempts.count` may ask for."""

ERRORS: Mapping[str, str] = {
    MAINTENANCE: "Viewed Under Maintenance Page",
    "high_latency": "Viewed High Latency Page",
    "authentication": "Viewed Authentication Failed Page",
    "mfa": "Viewed MFA Page",
    "task_failed": "Viewed Task Failed Page",
}
PRECEDENCE = (
    MAINTENANCE,
    "authentication",
    "mfa",
    MULTIPLE_ATTEMPTS,
    "high_latency",
    "task_failed",
    UNKNOWN_EXIT,
)


@dataclass(frozen=True, kw_only=True)
class SegmentRules:
    """A playbook's settings of segments; the defaults are contract 6.4's.

    Attributes:
        errors: name of the page of each error, by the error's key.
        precedence: what is asked in this order: keys of errors, and the two other segments.
        attempts: so many unsuccessful ends, the last one included,
        within_ms: in such a span, are multiple attempts.
    """

    errors: Mapping[str, str] = field(default_factory=lambda: ERRORS)
    precedence: tuple[str, ...] = PRECEDENCE
    attempts: int = 2
    within_ms: int = WEEK_MS

    def segment_of(self, session: Session, attempts: int) -> str:
        """The first of the precedence that applies; empty: none does.

        Args:
            session: that ended without success.
            attempts: unsuccessful ends that count, this one included.
        """
        for word in self.precedence:
            if word == MULTIPLE_ATTEMPTS:
                if attempts >= self.attempts:
                    return word
            elif word == UNKNOWN_EXIT:
                if session.is_late:
                    return word
            elif session.page == self.errors[word]:
                return f"{KNOWN_ERROR}:{word}"
        return ""

    def note_end(self, history: IntentHistory, at_ms: int) -> int:
        """Remember an unsuccessful end; returns how many count at it: those in (at - within, at], this one included."""
        ends = history.ends
        insort(ends, at_ms)
        from_ms = ends[-1] - self.within_ms
        ends[:] = [end_ms for end_ms in ends if end_ms > from_ms or end_ms == at_ms][-MOST_ATTEMPTS:]
        return max(1, bisect_right(ends, at_ms) - bisect_right(ends, at_ms - self.within_ms))


def forget_ends(history: IntentHistory, until_ms: int) -> None:
    """Attempts start anew after an instant."""
    history.ends = [end_ms for end_ms in history.ends if end_ms > until_ms]
