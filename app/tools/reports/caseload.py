"""`reengage caseload`: the members with an open workflow, from their pages (contract 7)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from app.domain.instants import iso_instant
from app.domain.outputs import MemberSnapshot
from app.service.client import broker_errors
from app.tools.reports.printing import print_rows
from app.tools.reports.reading import latest_records

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.service.settings import Settings
    from app.tools.reports.form import Form

_COLUMNS = {
    "member": "member_id",
    "workflow": "workflow_id",
    "reason": "reason",
    "opened": "opened_at",
    "inactive since": "inactive_since",
    "transfer": "transfer.state",
    "attempts": "transfer.attempts",
    "owner": "owner_id",
    "coach": "coach_id",
}
"""Of the table: what is read first. JSON and CSV have all of a row."""


def run(settings: Settings, form: Form) -> int:
    """Read `member-snapshot` to its end and print a row for each open workflow, the longest open first; 0.

    Raises what `broker_errors` does, and UserErrors `missing-topic`. Settings name a broker.
    """
    with broker_errors(settings):
        pages = asyncio.run(latest_records(settings, MemberSnapshot.topic))
    print_rows(rows(pages), form, _COLUMNS, "nobody has an open workflow")
    return 0


def rows(pages: Iterable[MemberSnapshot]) -> list[dict[str, Any]]:
    """A row for each open workflow of these pages, with what the page says of its member; instants in ISO 8601."""
    found = [
        (workflow.opened_at, workflow.workflow_id, page, workflow)
        for page in pages
        for workflow in page.workflows
    ]
    return [
        {
            "member_id": page.member_id,
            "workflow_id": workflow.workflow_id,
            "kind": workflow.kind,
            "reason": workflow.reason,
            "opened_at": iso_instant(workflow.opened_at),
            "tags": list(page.tags),
            "inactive_since": instant_text(page.inactive_since),
            "last_in_app_activity": instant_text(page.last_in_app_activity),
            "setup_completed_at": instant_text(page.setup_completed_at),
            "transfer": transfer_fields(page),
            "owner_id": page.owner_id,
            "coach_id": page.coach_id,
            "company_id": page.company_id,
            "location_id": page.location_id,
        }
        for _, _, page, workflow in sorted(found, key=lambda each: each[:2])
    ]


def transfer_fields(page: MemberSnapshot) -> dict[str, Any]:
    """Where the member's transfer stands."""
    transfer = page.transfer
    return {
        "state": transfer.state,
        "pool": transfer.pool,
        "program": transfer.program,
        "attempts": transfer.attempts,
    }


def instant_text(instant_ms: int | None) -> str | None:
    """ISO 8601, None for none."""
    return None if instant_ms is None else iso_instant(instant_ms)
