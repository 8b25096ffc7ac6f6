"""`python -m bench.engagements`: what a member's coaching engagements cost an event that has to do with none of them.

As `bench.playbooks`: in one process, without a broker, two contenders in turn by processor time. A member has ten
engagements of fifty sessions each, or none. An event may also write the member's page, on which engagements stand: that
is told apart, for the page holds them whoever asks for it.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.events import Activity, EngagementEvent
from app.domain.instants import DAY_MS, HOUR_MS
from app.playbooks.loader import DEFAULTS, load_playbooks
from bench.playbooks import MEMBERS, MOST, START_MS, Contender, Ratio, activities, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGAGEMENTS, SESSIONS = 10, 50


def visits() -> Iterator[Activity]:
    """Activities on the web, which no playbook asks for and no page shows, of one member after the other."""
    for number in count():
        yield Activity(
            event_id=f"v{number}",
            member_id=f"m{number % MEMBERS}",
            occurred_at=START_MS + number * 1_000,
            type="page.viewed",
            channel="WEB",
        )


def engaged(members: int = MEMBERS) -> Iterator[EngagementEvent]:
    """Ten tracked engagements for every member; of their sessions half are past and half ahead."""
    for member in range(members):
        for number in range(ENGAGEMENTS):
            common = {"member_id": f"m{member}", "engagement_id": f"e{number}", "occurred_at": START_MS}
            parties = {
                "owner_id": f"owner-{member % 50}",
                "coach_id": f"coach-{member % 20}",
                "company_id": "acme",
            }
            yield EngagementEvent(
                **common, **parties, event_id=f"l{number}", type="LAUNCHED", template="standard"
            )
            yield EngagementEvent(**common, event_id=f"a{number}", type="ACTIVATED")
            for session in range(SESSIONS):
                yield EngagementEvent(
                    **common,
                    event_id=f"s{number}-{session}",
                    type="SESSION_SCHEDULED",
                    session_id=f"session-{session}",
                    session_at=START_MS + (session - SESSIONS // 2) * 7 * DAY_MS + 100 * HOUR_MS,
                )


def engagements_nobody_asks_for(folder: Path, *, writes_page: bool, cold: bool) -> Ratio:
    """An unrelated event of a member with engagements, beside one of a member with none."""
    playbooks = load_playbooks(DEFAULTS)
    name = f"{'page' if writes_page else 'plain'}-{'cold' if cold else 'hot'}"
    none, many = (
        Contender(folder / f"{name}-{each}", playbooks, activities() if writes_page else visits(), cold=cold)
        for each in ("none", "many")
    )
    many.feed(engaged())
    where = "read from RocksDB" if cold else "in memory"
    what = "that writes the page" if writes_page else "that writes no page"
    title = f"{ENGAGEMENTS} engagements of {SESSIONS} sessions, beside none, an event {what}, {where}"
    return compare(title, none, many)


def main() -> int:
    """Measure and print; 1 if the ratio of an event that writes no page is above what is wanted."""
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        for writes_page in (False, True):
            for cold in (False, True):
                found = engagements_nobody_asks_for(Path(folder), writes_page=writes_page, cold=cold)
                missed = missed or (found.ratio > MOST and not writes_page)
                print(found.told("" if writes_page else f"at most {MOST}"), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
