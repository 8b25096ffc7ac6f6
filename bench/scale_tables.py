"""What `bench.scale` found, as the Markdown tables of docs/scaling.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.unit_costs import CHANGELOG, INPUTS, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.fleet import Shared
    from bench.plan import Line
    from bench.stored import Cost
    from bench.unit_costs import WorkerCost

MIB = 2**20


def markdown(header: str, rows: Iterable[Iterable[object]]) -> str:
    """A table; `header` names the columns, separated by `|`, each cell is put down as it is."""
    columns = header.split("|")
    lines = [f"| {' | '.join(map(str, line))} |" for line in (columns, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(columns), *lines[1:]])


def stored_table(costs: Sequence[Cost]) -> str:
    """What an event costs by members stored."""
    header = "members stored|us an event, by the clock|processor time, all threads|of the deciding thread|memory, MiB"
    return markdown(
        header,
        (
            (
                f"{cost.size.members:,}",
                f"{cost.wall_us:.1f}",
                f"{cost.cpu_us:.1f}",
                f"{cost.own_us:.1f}",
                f"{cost.rss_bytes / MIB:.0f}",
            )
            for cost in costs
        ),
    )


def size_table(costs: Sequence[Cost]) -> str:
    """What members take up."""
    header = (
        "members stored|bytes each in RocksDB|in a compacted changelog|in memory for filters and indexes"
        "|written and compacted in, s"
    )
    return markdown(
        header,
        (
            (
                f"{size.members:,}",
                f"{size.disk_bytes / size.members:.0f}",
                f"{size.changelog_bytes / size.members:.0f}",
                f"{size.readers_bytes / size.members:.1f}",
                f"{size.build_s:.0f}",
            )
            for size, *_ in costs
        ),
    )


def drain_table(drains: Sequence[Shared]) -> str:
    """Drains by workers and partitions."""
    header = "workers|partitions|events/s|per core-s|peak MiB of a worker|outputs"
    return markdown(
        header,
        (
            (
                workers,
                partitions,
                _rate(drain.events_per_s),
                _rate(drain.events_per_core_s),
                f"{drain.peak_rss_mb:.0f}",
                "wrong" if drain.wrong else "exact",
            )
            for workers, partitions, drain in drains
        ),
    )


def worker_table(workers: Sequence[WorkerCost]) -> str:
    """One worker, idle and busy, by partitions."""
    header = (
        "partitions|idle: MiB|cores|transactions/s|busy: events/s|MiB|cores|transactions/s|of a partition"
        "|events in one|p50 ms|p99 ms"
    )
    return markdown(
        header,
        (
            (
                each.partitions,
                f"{each.idle.rss_bytes / MIB:.0f}",
                f"{each.idle.cores:.3f}",
                f"{each.idle.commits_per_s:.1f}",
                f"{each.events_per_s:,.0f}",
                f"{each.busy.rss_bytes / MIB:.0f}",
                f"{each.busy.cores:.2f}",
                f"{each.busy.commits_per_s:.0f}",
                f"{each.busy.commits_per_s / each.partitions:.1f}",
                f"{each.events / max(1, each.busy.commits):.1f}",
                f"{each.p50_ms:.0f}",
                f"{each.p99_ms:.0f}",
            )
            for each in workers
        ),
    )


def log_table(workers: Sequence[WorkerCost]) -> str:
    """What the brokers write of it."""
    header = (
        "partitions|bytes an event: inputs|outputs|changelog|journal, bytes a transaction|journal, MiB a day"
    )
    return markdown(
        header,
        (
            (
                each.partitions,
                *(f"{each.bytes_per_event(kind):.0f}" for kind in (INPUTS, OUTPUTS, CHANGELOG)),
                f"{each.journal_bytes_per_commit:.0f}",
                f"{each.journal_bytes_per_day / MIB:,.0f}",
            )
            for each in workers
        ),
    )


def plan_table(lines: Iterable[Line]) -> str:
    """The plan, each figure with its arithmetic."""
    return markdown("figure|from|is", lines)


def _rate(rate: float | None) -> str:
    return "too few" if rate is None else f"{rate:,.0f}"
