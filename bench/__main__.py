"""`python -m bench`: every contender on one broker, one after the other, and the ratios between them."""

from __future__ import annotations

import signal
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psutil
import typer
from rich.console import Console

from app.broker.embedded import EmbeddedBroker
from app.broker.locate import locate_broker
from app.cli.root import report as report_errors
from app.domain.errors import UserError, UserErrors
from app.service.client import broker_errors
from app.service.logging import configure_logging
from app.service.settings import load_settings
from bench import plain_faust, reengage
from bench.drain import measure_drain
from bench.generate import Workload
from bench.latency import measure_latency
from bench.report import Report, own_broker
from bench.site import opened_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.status import Status

    from app.service.settings import Settings

MEMBER_SHARE = 10
"""Events for each member, unless told otherwise."""


BUSY_S = 2.0
"""How long others are watched before the run."""


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
    # A terminated bench ends its processes too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    workload = Workload(events=events, members=members or max(1, events // MEMBER_SHARE))
    parts = set(only or Part)
    guarantees = list(dict.fromkeys(guarantee or [Guarantee.EXACTLY_ONCE]))
    console = Console(stderr=True)
    settings = load_settings()
    configure_logging(settings)
    busy_percent = psutil.cpu_percent(interval=BUSY_S)
    with tempfile.TemporaryDirectory(prefix="reengage-bench-") as name:
        folder = Path(name)
        with console.status("starting") as status, _broker(settings, folder, status) as (broker, described):
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


@contextmanager
def _broker(settings: Settings, folder: Path, status: Status) -> Iterator[tuple[str, str]]:
    """Bootstrap servers, and what to say of them: those set or kept, else a broker of our own until the end."""
    located = locate_broker(settings.broker)
    if located is None:
        with EmbeddedBroker(folder / "broker", heap_mb=1024, throughput=True, progress=status.update) as own:
            yield own.address(), own_broker()
        return
    if settings.security_protocol != "PLAINTEXT":
        hint = (
            "unset REENGAGE_BROKER and REENGAGE_SECURITY_PROTOCOL: the bench then starts a broker of its own"
        )
        raise UserError("plaintext-only", located, "the bench speaks to brokers in plain text only", hint)
    yield located, located


if __name__ == "__main__":
    bench = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    bench.command()(main)
    try:
        bench(prog_name="python -m bench")
    except UserErrors as errors:
        report_errors(errors.errors)
        sys.exit(errors.exit_code)
    except UserError as error:
        report_errors([error])
        sys.exit(error.exit_code)
