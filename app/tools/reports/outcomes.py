"""`reengage outcomes`: what was opened and sent, and did it help (contract 7)."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from app.domain.errors import UserError
from app.domain.events import Activity
from app.domain.high_intent import HighIntent
from app.domain.outputs import MemberSnapshot, Nudge, NudgeSuppressed, WorkflowOpened, WorkflowResolved
from app.playbooks.loader import load_playbooks
from app.service.client import broker_errors
from app.tools.reports.form import Form
from app.tools.reports.lift import CONFIDENCE
from app.tools.reports.outcome_counts import DIMENSIONS, OutcomeCounts, Row
from app.tools.reports.outcome_errors import ERROR_DIMENSIONS, ErrorCounts, ErrorRow
from app.tools.reports.printing import print_csv, print_json, print_rows, print_table, short_span
from app.tools.reports.reading import committed_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.service.settings import Settings

TOPICS = (WorkflowOpened.topic, WorkflowResolved.topic, Nudge.topic, NudgeSuppressed.topic, Activity.topic)


def run(settings: Settings, by: str, form: Form) -> int:
    """Read the topics to their end and print a row for each combination of dimensions; 0.

    Args:
        settings: name a broker.
        by: dimensions, comma-separated, of `DIMENSIONS` or of `ERROR_DIMENSIONS`; their order is that of the columns
            and of the rows. By error or company the rows are of the errors members saw (`ErrorRow`), which the
            high-intent playbooks of the settings say.
        form: of the rows. Lift is per playbook, and reason where that is asked for, also in rows that say more.

    Raises:
        UserError: `unknown-dimension`, `mixed-dimensions`, and what `broker_errors` raises. UserErrors:
            `missing-topic`, and what is wrong with the playbooks.
    """
    dimensions = parse_dimensions(by)
    if dimensions[0] in ERROR_DIMENSIONS:
        return _run_errors(settings, dimensions, form)
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


def _run_errors(settings: Settings, dimensions: Sequence[str], form: Form) -> int:
    playbooks = load_playbooks(settings.playbooks).playbooks
    counts = ErrorCounts(each for each in playbooks if isinstance(each, HighIntent))
    with broker_errors(settings):
        asyncio.run(_gather_errors(settings, counts))
    rows = [error_as_json(dimensions, row) for row in counts.rows(dimensions)]
    columns = {name.replace("_", " "): name for name in (*dimensions, *ErrorRow._fields[1:])}
    print_rows(rows, form, columns, "nobody saw an error of a high-intent playbook yet")
    return 0


def parse_dimensions(text: str) -> list[str]:
    """The dimensions of `--by`; raises UserError `unknown-dimension`, `mixed-dimensions`."""
    chosen = list(dict.fromkeys(name.strip() for name in text.split(",")))
    known = (*DIMENSIONS, *ERROR_DIMENSIONS)
    for name in chosen:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise UserError("unknown-dimension", "--by", f"{name!r} is no dimension", hint)
    if len({name in ERROR_DIMENSIONS for name in chosen}) > 1:
        hint = f"ask for some of {', '.join(DIMENSIONS)}, or of {', '.join(ERROR_DIMENSIONS)}"
        problem = f"{text} are not of one table: errors are counted from pages, not from workflows"
        raise UserError("mixed-dimensions", "--by", problem, hint)
    return chosen


def error_as_json(dimensions: Sequence[str], row: ErrorRow) -> dict[str, Any]:
    """A row of errors as an object."""
    return {**dict(zip(dimensions, row.key, strict=True)), **dict(zip(row._fields[1:], row[1:], strict=True))}


def as_json(dimensions: Sequence[str], row: Row) -> dict[str, Any]:
    """A row as an object: spans in milliseconds, shares and differences of shares as fractions."""
    found = row.compared
    return {
        **dict(zip(dimensions, row.key, strict=True)),
        "workflows_opened": row.workflows,
        "nudged": row.nudged,
        "suppressed": row.suppressed,
        **row.feedback,
        "attributed": row.attributed,
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
        "attributed",
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
        str(row.attributed),
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


async def _gather_errors(settings: Settings, counts: ErrorCounts) -> None:
    kinds = [kind.encode() for kind in counts.types]

    def may_tell(topic: str, value: bytes) -> bool:
        return topic != Activity.topic or b"\\u" in value or any(kind in value for kind in kinds)

    async for record in committed_records(settings, (Activity.topic, MemberSnapshot.topic), may_tell):
        counts.take(record)
