"""What an inactive member's activity means (contract 6.1; for late ones contract 5, "Late")."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """What becomes of the inactivity tag; the activity is kept as a fact in any case.

    RETURN: the member is back; the tag goes and, unless one is open, a workflow opens. RETRACT: the tag was put there
    only because this activity was not known yet; it goes, and nothing opens. KEEP_TAG: the activity changes nothing.
    """

    RETURN = "return"
    RETRACT = "retract"
    KEEP_TAG = "keep_tag"


def judge(at_ms: int, now_ms: int, *, late: bool, last_ms: int | None, after_ms: int) -> Verdict:
    """Judge a qualifying activity, of the instant `at_ms`, of a member who carries the tag.

    `now_ms` is the member's now, `late` whether at_ms lies before it, `last_ms` the latest qualifying activity known
    so far (None: there was none), `after_ms` the span without one that makes a member inactive. Of an activity from
    before `last_ms` only the fact counts: what it could say of the tag, the later one has said.
    """
    if not late or last_ms is None or at_ms - last_ms >= after_ms:
        return Verdict.RETURN
    return Verdict.RETRACT if at_ms + after_ms > now_ms else Verdict.KEEP_TAG
