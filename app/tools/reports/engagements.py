"""`reengage engagements`: the coaching engagements and how they stand, from their coachees' pages (contract 7)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from app.domain.engagements import NOT_TRACKING, OFF_TRACK, ON_TRACK
from app.domain.errors import UserError
from app.domain.instants import DAY_MS
from app.domain.outputs import MemberSnapshot
from app.service.client import broker_errors
from app.tools.reports.caseload import instant_text
from app.tools.reports.printing import print_rows
from app.tools.reports.reading import latest_records
from app.tools.reports.visibility import Viewer, parse_viewer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.outputs import EngagementView
    from app.service.settings import Settings
    from app.tools.reports.form import Form

HIDDEN = "-"
"""Stands for what a viewer may not see."""

_ORDER = (OFF_TRACK, ON_TRACK, NOT_TRACKING)
_EPOCH = date(1970, 1, 1)
_COLUMNS = {
    "engagement": "engagement_id",
    "coachee": "member_id",
    "coach": "coach_id",
    "owner": "owner_id",
    "company": "company_id",
    "status": "status",
    "off track since": "off_track_since",
    "last session": "last_session",
    "next session": "next_session",
}


@dataclass(frozen=True)
class Filters:
    """Which engagements to print; None: whatever it is.

    Attributes:
        status: of these.
        off_track_from_ms, off_track_to_ms: off track since an instant in [from, to).
        owner_id, coach_id: of these.
        viewer: who reads it.
    """

    status: str | None = None
    off_track_from_ms: int | None = None
    off_track_to_ms: int | None = None
    owner_id: str | None = None
    coach_id: str | None = None
    viewer: Viewer | None = None

    def has(self, engagement: EngagementView) -> bool:
        """Whether the engagement is to be printed.

        One whose standing the viewer may not see is left out where that is asked for: the row would tell.
        """
        if self.owner_id not in (None, engagement.owner_id) or self.coach_id not in (
            None,
            engagement.coach_id,
        ):
            return False
        asks_standing = (self.status, self.off_track_from_ms, self.off_track_to_ms) != (None, None, None)
        if asks_standing and not self.shows(engagement):
            return False
        return self.status in (None, engagement.status) and self._has_since(engagement.off_track_since)

    def shows(self, engagement: EngagementView) -> bool:
        """Whether the viewer may see how the engagement stands."""
        return self.viewer is None or self.viewer.sees(engagement)

    def _has_since(self, since_ms: int | None) -> bool:
        if self.off_track_from_ms is None and self.off_track_to_ms is None:
            return True
        if since_ms is None or since_ms < (self.off_track_from_ms or 0):
            return False
        return self.off_track_to_ms is None or since_ms < self.off_track_to_ms


def parse_filters(
    status: str | None, off_track_since: str | None, owner: str | None, coach: str | None, viewer: str | None
) -> Filters:
    """Filters as the command line has them.

    Raises:
        UserError: `bad-dates`, `bad-viewer`.
    """
    from_ms, to_ms = (None, None) if off_track_since is None else parse_dates(off_track_since)
    return Filters(status, from_ms, to_ms, owner, coach, None if viewer is None else parse_viewer(viewer))


def parse_dates(text: str) -> tuple[int | None, int | None]:
    """`2026-01-05..2026-01-31`, UTC dates, both included, as [from, to) in epoch ms; either may be left out.

    Raises:
        UserError: `bad-dates`.
    """
    first, dots, last = text.partition("..")
    try:
        start = date.fromisoformat(first) if first else None
        end = date.fromisoformat(last) if last else None
    except ValueError:
        start = end = None
    if not dots or (start is None and end is None):
        hint = "write FROM..TO, such as 2026-01-05..2026-01-31; one of both may be left out"
        raise UserError("bad-dates", "--off-track-since", f"{text!r} is no span of dates", hint)
    if start is not None and end is not None and start > end:
        raise UserError(
            "bad-dates", "--off-track-since", f"{first} is after {last}", "write the earlier first"
        )
    return (
        None if start is None else _midnight_ms(start),
        None if end is None else _midnight_ms(end) + DAY_MS,
    )


def run(settings: Settings, filters: Filters, form: Form) -> int:
    """Read `member-snapshot` to its end and print a row for each engagement, the longest off track first; 0.

    Raises what `broker_errors` does, and UserErrors `missing-topic`. Settings name a broker.
    """
    with broker_errors(settings):
        pages = asyncio.run(latest_records(settings, MemberSnapshot.topic))
    print_rows(rows(pages, filters), form, _COLUMNS, "no such engagement")
    return 0


def rows(pages: Iterable[MemberSnapshot], filters: Filters) -> list[dict[str, Any]]:
    """A row for each engagement of these pages that the filters have; instants in ISO 8601.

    Sessions are as of the page's own instant. Of an engagement whose standing the viewer may not see that is `-`, and
    these come last, by id: their order would tell too.
    """
    found = [
        (_order(filters, page, engagement), page, engagement)
        for page in pages
        for engagement in page.engagements
        if filters.has(engagement)
    ]
    return [
        _row(page, engagement, is_shown=filters.shows(engagement))
        for _, page, engagement in sorted(found, key=lambda each: each[0])
    ]


def _order(filters: Filters, page: MemberSnapshot, engagement: EngagementView) -> tuple[int, int, str, str]:
    ids = engagement.engagement_id, page.member_id
    if not filters.shows(engagement):
        return (len(_ORDER), 0, *ids)
    return (_ORDER.index(engagement.status), engagement.off_track_since or 0, *ids)


def _row(page: MemberSnapshot, engagement: EngagementView, *, is_shown: bool) -> dict[str, Any]:
    standing = {
        "status": engagement.status,
        "off_track_since": instant_text(engagement.off_track_since),
        "last_session": instant_text(engagement.last_session),
        "next_session": instant_text(engagement.next_session),
    }
    return {
        "engagement_id": engagement.engagement_id,
        "member_id": page.member_id,
        "coach_id": engagement.coach_id,
        "owner_id": engagement.owner_id,
        "company_id": engagement.company_id,
        "location_id": engagement.location_id,
        **(standing if is_shown else dict.fromkeys(standing, HIDDEN)),
    }


def _midnight_ms(day: date) -> int:
    return (day - _EPOCH) // timedelta(days=1) * DAY_MS
