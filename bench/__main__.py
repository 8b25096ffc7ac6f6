"""`python -m bench`: every contender on one broker, one after the other, and the ratios between them."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psutil
import typer
from rich.console import Console

from app.service.client import broker_errors
from app.service.logging import configure_logging
from app.service.settings import load_settings
from bench import plain_faust, reengage
from bench.command import BUSY_S, opened_broker, run_command
from bench.drain import measure_drain
from bench.generate import Workload
from bench.latency import measure_latency
from bench.report import Report
from bench.site import opened_site

if TYPE_CHECKING:
    from rich.status import Status


MEMBER_SHARE = 10
"""Events for each member, unless told otherwise."""


class Part(StrEnum):
    """What can be left out."""

    REENGAGE = "reengage"
    PLAIN_FAUST = "plain-faust"
    LATENCY = "latency"


class Guarantee(StrEnum):
    """Of Reengage."""

    EXACTLY_ONCE = "exactly_once"
    AT_LEAST_ONCE = "at_least_once"


def main(
    *,
    events: Annotated[int, typer.Option(min=1_000, help="Events for Reengage.")] = 1_000_000,
    members: Annotated[
        int | None, typer.Option(min=1, help="Members they are of; a tenth of the events if left out.")
    ] = None,
    faust_events: Annotated[
        int, typer.Option(min=1_000, help="Events for plain Faust, of as many members less.")
    ] = 30_000,
    only: Annotated[
        list[Part] | None, typer.Option(help="Run this part only; may be given more than once.")
    ] = None,
    guarantee: Annotated[
        list[Guarantee] | None, typer.Option(help="Of Reengage; may be given more than once.")
    ] = None,
    latency_seconds: Annotated[int, typer.Option(min=1, help="How long latency is measured.")] = 20,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the results here.")] = None,
) -> None:
    """Measure Reengage's drain rate, memory and latency, and plain Faust's drain on the same broker.

    Uses the broker in REENGAGE_BROKER or the one kept by `reengage broker start`, else starts its own; deletes its
    topics and ends what it started. Exit code 1 when an output was missing, wrong or repeated.
    """
    workload = Workload(events=events, members=members or max(1, events // MEMBER_SHARE))
    parts = set(only or Part)
    guarantees = list(dict.fromkeys(guarantee or [Guarantee.EXACTLY_ONCE]))
    console = Console(stderr=True)
    settings = load_settings()
    configure_logging(settings)
    busy_percent = psutil.cpu_percent(interval=BUSY_S)
    with tempfile.TemporaryDirectory(prefix="reengage-bench-") as name:
        folder = Path(name)
        with (
            console.status("starting") as status,
            opened_broker(settings, folder, status) as (broker, described),
        ):
            report = Report(described, busy_percent)
            with broker_errors(replace(settings, broker=broker)):
                _run(
                    report, broker, folder, status, workload, faust_events, parts, guarantees, latency_seconds
                )
    report.show(Console())
    if json is not None:
        report.write(json)
    raise typer.Exit(0 if report.exact else 1)


def _run(
    report: Report,
    broker: str,
    folder: Path,
    status: Status,
    workload: Workload,
    faust_events: int,
    parts: set[Part],
    guarantees: list[Guarantee],
    latency_seconds: int,
) -> None:
    if Part.REENGAGE in parts:
        for each in guarantees:
            with opened_site(broker, folder, "reengage", each) as site:
                drain = measure_drain(site, reengage.NAME, workload, reengage.drain, status.update)
            report.drains.append(drain)
    if Part.PLAIN_FAUST in parts:
        smaller = workload.scaled(min(faust_events, workload.events))
        with opened_site(broker, folder, "faust", Guarantee.AT_LEAST_ONCE) as site:
            drain = measure_drain(
                site, plain_faust.NAME, smaller, plain_faust.drain, status.update, silent_timers=False
            )
        report.drains.append(drain)
    if Part.LATENCY in parts:
        for each in guarantees:
            status.update(f"{reengage.NAME}: latency, {each}")
            with opened_site(broker, folder, "latency", each) as site:
                report.latencies.append(measure_latency(site, latency_seconds))


if __name__ == "__main__":
    run_command(main, "python -m bench")
