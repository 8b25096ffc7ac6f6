"""Rows of a report on standard output: as a table for people, as JSON or as CSV."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_NO_LIMIT = 100_000
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))


def print_json(rows: Sequence[Mapping[str, Any]]) -> None:
    """One JSON array, a row a line."""
    lines = ",\n ".join(msgspec.json.encode(row).decode() for row in rows)
    print(f"[{lines}]")


def print_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """A header and a line a row; a map's entries have columns of their own, `suppressed.capped`; None is empty."""
    flat = [dict(_flat(row)) for row in rows]
    columns = sorted({name for row in flat for name in row}, key=lambda name: _first_place(flat, name))
    writer = csv.DictWriter(sys.stdout, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table as wide as it has to be; where standard output is no terminal it is not cut to 80 columns."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console.width = Console(width=_NO_LIMIT).measure(table).maximum
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
            yield prefix + name, value


def _first_place(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[int, str]:
    """Columns stand as in the first row that has them; entries of one map side by side, by name."""
    outer = name.partition(".")[0]
    for row in rows:
        for place, known in enumerate(dict.fromkeys(each.partition(".")[0] for each in row)):
            if known == outer:
                return place, name
    return len(rows), name
