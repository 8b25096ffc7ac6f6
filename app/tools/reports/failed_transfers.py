"""`reengage failed-transfers`: the members no coach could be found for (contract 7)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from app.domain.outputs import MemberSnapshot, TransferFailed
from app.domain.transfer import FAILED
from app.service.client import broker_errors
from app.tools.reports.caseload import instant_text
from app.tools.reports.printing import print_rows
from app.tools.reports.reading import committed_records, latest_records

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.service.settings import Settings
    from app.tools.reports.form import Form

_COLUMNS = {
    "member": "member_id",
    "pool": "pool",
    "program": "program",
    "attempts": "attempts",
    "failed": "failed_at",
    "workflows": "workflows",
    "owner": "owner_id",
    "coach": "coach_id",
}


def run(settings: Settings, form: Form) -> int:
    """Read `member-snapshot` and `transfer-failed` to their ends and print a row for each member; 0.

    Raises what `broker_errors` does, and UserErrors `missing-topic`. Settings name a broker.
    """
    with broker_errors(settings):
        pages, failures = asyncio.run(_gather(settings))
    print_rows(rows(pages, failures), form, _COLUMNS, "no transfer has failed finally")
    return 0


def rows(pages: Iterable[MemberSnapshot], failures: dict[str, int]) -> list[dict[str, Any]]:
    """A row for each member whose transfer has failed finally, the longest failed first.

    `failures`: when the last attempt of each member failed, epoch ms. One who was transferred since, or given another
    program, has another page and is not listed any more.
    """
    found = [(failures.get(page.member_id), page) for page in pages if page.transfer.state == FAILED]
    return [
        {
            "member_id": page.member_id,
            "pool": page.transfer.pool,
            "program": page.transfer.program,
            "attempts": page.transfer.attempts,
            "failed_at": instant_text(failed_ms),
            "workflows": [workflow.workflow_id for workflow in page.workflows],
            "owner_id": page.owner_id,
            "coach_id": page.coach_id,
        }
        for failed_ms, page in sorted(found, key=lambda each: (each[0] or 0, each[1].member_id))
    ]


async def _gather(settings: Settings) -> tuple[list[MemberSnapshot], dict[str, int]]:
    failures: dict[str, int] = {}
    async for record in committed_records(settings, [TransferFailed.topic]):
        if record.final:
            failures[record.member_id] = max(record.occurred_at, failures.get(record.member_id, 0))
    return await latest_records(settings, MemberSnapshot.topic), failures
