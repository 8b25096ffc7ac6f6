"""`python -m bench.replay`: a replay beside the drain it repeats, each a process of its own on the same broker."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.domain.errors import UserError
from bench import reengage
from bench.command import reported_run, run_command
from bench.generate import Workload
from bench.load import load
from bench.process import Contender
from bench.report import Report, Target
from bench.site import PARTITIONS, opened_site

if TYPE_CHECKING:
    from bench.site import Site

MEMBER_SHARE = 10
LEAST = 0.9
"""Of the drain's rate, which a replay in either order should reach."""


def main(
    *,
    events: Annotated[int, typer.Option(min=1_000, help="Events to drain and to replay.")] = 500_000,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the results here.")] = None,
) -> None:
    """Measure a replay in each order beside the drain. Broker and exit code as for `python -m bench`."""
    workload = Workload(events=events, members=max(1, events // MEMBER_SHARE))
    with reported_run(json) as run:
        run.status.update(f"draining and replaying {events:,} events")
        with opened_site(run.broker, run.folder, "replay", "exactly_once") as site:
            measure(site, workload, run.report)


def measure(site: Site, workload: Workload, report: Report) -> None:
    """Drain, then replay and compare; puts what was found into the report. Blocks.

    Raises UserError `contender-failed` when one of them fails.
    """
    end_ms = time.time_ns() // 1_000_000
    asyncio.run(load(site, workload.activities(end_ms), PARTITIONS))
    drained = reengage.drain(site, workload.events)
    followed = replay(site, "journal", workload.events)
    by_time = replay(site, "event-time", workload.events)
    for what, contender in (("drain", drained), ("journal", followed), ("event time", by_time)):
        rate, per_core_s = workload.events / contender.seconds, workload.events / contender.used_cpu_s
        report.facts.append(
            f"{what}: {rate:,.0f} events/s with start-up, {per_core_s:,.0f} per core-s, "
            f"{contender.peak_rss_bytes / 2**20:,.0f} MiB at most"
        )
    for what, contender in (("following the journal", followed), ("by event time", by_time)):
        ratio = drained.seconds / contender.seconds
        report.promises.append(Target(f"replay {what} / drain", ratio, f">= {LEAST}", ratio >= LEAST))
        ratio = drained.used_cpu_s / contender.used_cpu_s
        report.facts.append(f"replay {what} / drain by processor time: {ratio:.2f}")
    try:
        replay(site, "journal", workload.events, "--diff")
    except UserError as different:
        report.wrong.append(different.problem)


def replay(site: Site, order: str, events: int, *more: str) -> Contender:
    """Run `reengage replay` in an order; returns the ended process. Blocks until then."""
    command = Path(sys.executable).with_name("reengage")
    into = f"{site.prefix}{order}-"
    with Contender(site, [str(command), "replay", "--into", into, "--order", order, *more]) as running:
        running.wait(reengage.PATIENCE_S + events / reengage.SLOWEST_EVENTS_PER_S)
    return running


if __name__ == "__main__":
    run_command(main, "python -m bench.replay")
