"""Rows of a report on standard output: as a table for people, as JSON or as CSV."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from rich.table import Table
from rich.text import Text

from app.tools.piped_console import PipedConsole
from app.tools.reports.form import Form

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_NO_LIMIT = 100_000
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))


def print_rows(
    rows: Sequence[Mapping[str, Any]], form: Form, columns: Mapping[str, str], nothing: str
) -> None:
    """Print rows in a form; `columns`: of the table, by title, the path of each in a row (`transfer.state`).

    Lists are joined by commas, but for JSON. Without rows neither table nor CSV is printed: their columns depend on the
    rows. `nothing` is said to standard error instead.
    """
    if form is Form.JSON:
        print_json(rows)
    elif not rows:
        print(nothing, file=sys.stderr)
    elif form is Form.CSV:
        print_csv(rows)
    else:
        flat = [dict(_flat(row)) for row in rows]
        print_table(
            list(columns),
            [["" if row[path] is None else str(row[path]) for path in columns.values()] for row in flat],
        )


def print_json(rows: Sequence[Mapping[str, Any]]) -> None:
    """One JSON array, a row a line."""
    lines = ",\n ".join(msgspec.json.encode(row).decode() for row in rows)
    print(f"[{lines}]")


def print_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """A header and a line a row; None is empty, a list joined by commas.

    The entries of a map that any row has stand in columns of their own, side by side by name: `suppressed.capped`.
    """
    flat = [dict(_flat(row)) for row in rows]
    places = {name: place for place, name in enumerate(dict.fromkeys(name for row in rows for name in row))}
    names = {name for row in flat for name in row}
    maps = {name.partition(".")[0] for name in names if "." in name}
    columns = sorted(names - maps, key=lambda name: (places[name.partition(".")[0]], name))
    writer = csv.DictWriter(sys.stdout, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table as wide as it has to be; where standard output is no terminal it is not cut to 80 columns.

    Cells are shown as they stand: to rich, a member called `[/a]` would be markup, and wrong.
    """
    table = Table(*columns)
    for row in rows:
        table.add_row(*map(Text, row))
    console = PipedConsole()
    if not console.is_terminal:
        console.width = PipedConsole(width=_NO_LIMIT).measure(table).maximum
    console.print(table)


def short_span(span_ms: float) -> str:
    """`3d 4h`, `2m 5s`, `0s`: the two largest units."""
    parts: list[tuple[int, str]] = []
    rest = round(span_ms)
    for unit, unit_ms in _UNITS:
        number, rest = divmod(rest, unit_ms)
        if number or parts:
            parts.append((number, unit))
    return " ".join(f"{number}{unit}" for number, unit in parts[:2] if number) or "0s"


def _flat(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, ",".join(map(str, value)) if isinstance(value, list) else value
