"""`python -m bench.responses`: what a hundred campaign responses of a member cost an event that has nothing to do with them.

Measured as in `bench.playbooks`, under the shipped playbooks. Activities need the hot part of a member only; profile
records read and write the cold part, where the responses lie.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.events import CampaignResponse, MemberProfile
from app.domain.responses import MOST_RESPONSES
from app.playbooks.loader import DEFAULTS, load_playbooks
from bench.playbooks import MEMBERS, START_MS, Contender, Ratio, activities, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.domain.events import Activity

MOST = 1.5
DAY_MS = 86_400_000


def profiles() -> Iterator[MemberProfile]:
    """Profile records, of one member after the other."""
    for number in count():
        yield MemberProfile(
            event_id=f"p{number}",
            member_id=f"m{number % MEMBERS}",
            occurred_at=START_MS + number * 1_000,
            email=f"{number}@example.org",
        )


def hundred_responses(members: int = MEMBERS) -> Iterator[CampaignResponse]:
    """As many responses for every member as are kept, in the weeks before; half were only addressed."""
    for number in range(MOST_RESPONSES):
        for member in range(members):
            yield CampaignResponse(
                event_id=f"r{number}",
                member_id=f"m{member}",
                occurred_at=START_MS - (MOST_RESPONSES - number) * DAY_MS,
                response_id=f"00v-{member:06d}-{number:03d}",
                campaign_id=f"701-campaign-{number:03d}",
                is_response=number % 2 == 0,
                status="Resolved - No Action Required",
            )


def beside_none(
    folder: Path, name: str, events: Callable[[], Iterator[Activity | MemberProfile]], *, cold: bool
) -> Ratio:
    """Such an event of a member with a hundred responses, beside one of a member with none."""
    playbooks = load_playbooks(DEFAULTS)
    none, hundred = (
        Contender(folder / f"{which}-{name}-{cold}", playbooks, events(), cold=cold)
        for which in ("none", "hundred")
    )
    hundred.feed(hundred_responses())
    where = "read from RocksDB" if cold else "in memory"
    return compare(f"{name} of a member with 100 responses, beside one with none, {where}", none, hundred)


def main() -> int:
    """Measure and print; 1 if a ratio is above what is wanted."""
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        for name, events in (("an activity", activities), ("a profile record", profiles)):
            for cold in (False, True):
                found = beside_none(Path(folder), name, events, cold=cold)
                missed = missed or found.ratio > MOST
                print(found.told(f"at most {MOST}"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
