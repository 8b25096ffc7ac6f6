"""The events of the bench: activities in order of time, the same ones for the same workload and end."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.domain.events import Activity

if TYPE_CHECKING:
    from collections.abc import Iterator

STEP_MS = 5
"""Between two of a million events; a workload of another size lasts as long, so that a member returns as often."""

SPAN_MS = 1_000_000 * STEP_MS

SETUP_SHARE = 0.05
WEB_SHARE = 0.15
QUALIFYING = ("article.read", "et_session.started", "reminder.created", "appointment.scheduled")


@dataclass(frozen=True)
class Workload:
    """How many events of how many members.

    Attributes:
        events: how many; their ids are `e0`, `e1`...
        members: how many there are to choose from. Event by event a member is drawn with density falling towards the
            end (the r-th part of the draws goes to the first r squared of the members), so a few are met often and
            many once.
        seed: of everything drawn.
    """

    events: int = 1_000_000
    members: int = 100_000
    seed: int = 7

    @property
    def span_ms(self) -> int:
        """From the first event to the last; no two events share a millisecond."""
        return max(SPAN_MS, self.events)

    def scaled(self, events: int) -> Workload:
        """A smaller or larger one, in which a member is met as many times and as often."""
        return replace(self, events=events, members=max(1, round(self.members * events / self.events)))

    def activities(self, end_ms: int) -> Iterator[Activity]:
        """All events, in order of time; the last one is of `end_ms`, which lies in the past when they are sent.

        Set-up steps are made in the app, so that every change of a page is one of tag, workflow or last activity.
        """
        draws = random.Random(self.seed)
        draw, members, events, span_ms = draws.random, self.members, self.events, self.span_ms
        start_ms = end_ms - span_ms
        for number in range(events):
            kind = draw()
            step, web = kind < SETUP_SHARE, kind >= 1 - WEB_SHARE
            yield Activity(
                event_id=f"e{number}",
                member_id=f"m{int(members * draw() ** 2):07d}",
                occurred_at=start_ms + (number + 1) * span_ms // events,
                type="setup.step_completed" if step else QUALIFYING[int(kind * 1000) % 4],
                channel="WEB" if web else "APP",
            )
