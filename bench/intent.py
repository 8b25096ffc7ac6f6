"""`python -m bench.intent`: what a member's past sessions cost an event that has nothing to do with them.

As `bench.playbooks`, whose contenders it uses: members with fifty sessions beside members with none, and with a hundred
campaign responses besides.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.events import Activity
from app.domain.responses import MOST_RESPONSES
from app.playbooks.loader import DEFAULTS, load_playbooks
from bench.playbooks import MEMBERS, START_MS, Contender, activities, compare
from bench.responses import hundred_responses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.playbooks import Ratio

MOST = 1.5
SESSIONS = 50
HOUR_MS = 3_600_000
BEFORE_MS = SESSIONS * HOUR_MS
"""The last session ends an hour before the events that are measured: most of its plan is still to be sent."""


def sessions(last: str) -> Iterator[Activity]:
    """Fifty sessions of every member, all without success; but for the last, which ends with the activity `last`."""
    for number in range(SESSIONS):
        start_ms = START_MS - BEFORE_MS + number * HOUR_MS
        for member in range(MEMBERS):
            name = f"m{member}"
            page = {"name": "Viewed MFA Page", "company_id": "acme", "step": "login"}
            yield _happened(f"p{number}", name, start_ms, "interaction", page)
            kind = last if number == SESSIONS - 1 else "closed"
            yield _happened(f"e{number}", name, start_ms + 60_000, kind, {})


def past_sessions(folder: Path, *, cold: bool, last: str, responses: bool = False) -> Ratio:
    """An unrelated event of a member with fifty sessions, and a hundred responses or not, beside one with none."""
    playbooks = load_playbooks(DEFAULTS)
    none, fifty = (
        Contender(folder / f"{name}-{cold}-{last}-{responses}", playbooks, activities(), cold=cold)
        for name in ("none", "fifty")
    )
    none.feed(_happened("seen", f"m{member}", START_MS - BEFORE_MS, "other", {}) for member in range(MEMBERS))
    if responses:
        fifty.feed(hundred_responses())
    fifty.feed(sessions(last))
    where = "read from RocksDB" if cold else "in memory"
    end = "the last converted" if last == "finished" else "a workflow open"
    held = f"{MOST_RESPONSES} responses and {SESSIONS} sessions" if responses else f"{SESSIONS} sessions"
    return compare(f"a member with {held}, {end}, beside one with none, {where}", none, fifty)


def _happened(
    event_id: str, member: str, at_ms: int, kind: str, attributes: dict[str, str | int | float | bool | None]
) -> Activity:
    return Activity(
        event_id=event_id,
        member_id=member,
        occurred_at=at_ms,
        type=f"transact.{kind}",
        channel="WEB",
        attributes=attributes,
    )


def main() -> int:
    """Measure and print; 1 if past sessions cost more than is wanted.

    With a workflow open the page shows it and what is planned, which costs more than the sessions do: that ratio is
    told, and nothing is asked of it.
    """
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        for last, responses, wanted in (
            ("finished", False, f"at most {MOST}"),
            ("finished", True, f"at most {MOST}"),
            ("closed", False, "with its page"),
        ):
            for cold in (False, True):
                found = past_sessions(Path(folder), cold=cold, last=last, responses=responses)
                missed = missed or (last == "finished" and found.ratio > MOST)
                print(found.told(wanted))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
