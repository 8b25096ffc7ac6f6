"""`reengage outcomes`: what was opened and sent, and did it help (contract 7)."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from app.domain.errors import UserError
from app.domain.events import Activity
from app.domain.outputs import Nudge, NudgeSuppressed, WorkflowOpened, WorkflowResolved
from app.service.client import broker_errors
from app.tools.reports.form import Form
from app.tools.reports.lift import CONFIDENCE
from app.tools.reports.outcome_counts import DIMENSIONS, OutcomeCounts, Row
from app.tools.reports.printing import print_csv, print_json, print_table, short_span
from app.tools.reports.reading import committed_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.service.settings import Settings

TOPICS = (WorkflowOpened.topic, WorkflowResolved.topic, Nudge.topic, NudgeSuppressed.topic, Activity.topic)


def run(settings: Settings, by: str, form: Form) -> int:
    """Read the topics to their end and print a row for each combination of dimensions; 0.

    Args:
        settings: name a broker.
        by: dimensions, comma-separated, of `DIMENSIONS`; their order is that of the columns and of the rows.
        form: of the rows. Lift is per playbook, and reason where that is asked for, also in rows that say more.

    Raises:
        UserError: `unknown-dimension`, and what `broker_errors` raises. UserErrors: `missing-topic`.
    """
    dimensions = parse_dimensions(by)
    with broker_errors(settings):
        counts = asyncio.run(_gather(settings))
    rows = counts.rows(dimensions)
    if form is Form.TABLE:
        print_table(*as_table(dimensions, rows))
        _explain(rows)
    elif form is Form.JSON:
        print_json([as_json(dimensions, row) for row in rows])
    else:
        print_csv([as_json(dimensions, row) for row in rows])
    return 0


def parse_dimensions(text: str) -> list[str]:
    """The dimensions of `--by`; raises UserError `unknown-dimension`."""
    chosen = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in chosen:
        if name not in DIMENSIONS:
            close = get_close_matches(name, DIMENSIONS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(DIMENSIONS)}"
            raise UserError("unknown-dimension", "--by", f"{name!r} is no dimension", hint)
    return chosen


def as_json(dimensions: Sequence[str], row: Row) -> dict[str, Any]:
    """A row as an object: spans in milliseconds, shares and differences of shares as fractions."""
    found = row.compared
    return {
        **dict(zip(dimensions, row.key, strict=True)),
        "workflows_opened": row.workflows,
        "nudged": row.nudged,
        "suppressed": row.suppressed,
        **row.feedback,
        "resolved": {name: asdict(resolved) for name, resolved in row.resolved.items()},
        "unresolved": row.unresolved,
        "lift": None
        if found is None
        else {
            "treated": found.treated._asdict(),
            "held_out": found.held_out._asdict(),
            **{name: round(value, 6) for name, value in found.lift._asdict().items()},
            "confidence": CONFIDENCE,
            "interval": "newcombe",
        },
    }


def as_table(dimensions: Sequence[str], rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells."""
    headings = [
        *dimensions,
        "workflows",
        "nudged",
        "suppressed",
        "feedback",
        "resolved (median time)",
        "open",
        "lift over held out",
    ]
    return headings, [_cells(row) for row in rows]


def _cells(row: Row) -> list[str]:
    resolved = [
        f"{name} {resolved.count} ({short_span(resolved.median_ms)})"
        for name, resolved in row.resolved.items()
    ]
    return [
        *(value or "-" for value in row.key),
        str(row.workflows),
        str(row.nudged),
        _counted(row.suppressed),
        _counted(row.feedback),
        ", ".join(resolved) or "-",
        str(row.unresolved),
        _lift_cell(row),
    ]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count) or "-"


def _lift_cell(row: Row) -> str:
    if row.compared is None:
        return "-"
    treated, held_out, found = row.compared
    return (
        f"{found.difference:+.1%} ({found.low:+.1%} to {found.high:+.1%};"
        f" {treated.successes}/{treated.trials} vs {held_out.successes}/{held_out.trials})"
    )


def _explain(rows: Sequence[Row]) -> None:
    if not rows:
        print("no workflow was opened and no nudge decided yet", file=sys.stderr)
    elif any(row.compared is not None for row in rows):
        print(
            f"lift: success of the workflows nudged less that of those held out, of the whole playbook;"
            f" {CONFIDENCE:.0%} interval by Newcombe's method",
            file=sys.stderr,
        )


async def _gather(settings: Settings) -> OutcomeCounts:
    counts = OutcomeCounts()
    async for record in committed_records(settings, TOPICS, _may_tell):
        counts.take(record)
    return counts


def _may_tell(topic: str, value: bytes) -> bool:
    """Of activities only those of nudges do. Their type stands in every encoding as it is, unless JSON escapes it."""
    return topic != Activity.topic or b"nudge." in value or b"\\u" in value
