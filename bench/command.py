"""What the commands of the bench share: a broker to run on, and how their errors are told."""

from __future__ import annotations

import signal
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

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
from bench.report import Report, own_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.status import Status

    from app.service.settings import Settings

BUSY_S = 2.0
"""How long others are watched before the run."""


@dataclass
class Run:
    """One run of a bench.

    Attributes:
        broker, folder, status: where it runs, and where it says what it does.
        report: takes the results.
        passed: False has it end with exit code 1 whatever the report says.
    """

    broker: str
    folder: Path
    status: Status
    report: Report
    passed: bool = True


@contextmanager
def reported_run(json: Path | None) -> Iterator[Run]:
    """A run on a broker, in a folder that is removed afterwards. Then the report is shown, and written to `json`.

    Ends the command (typer.Exit) with 1 when an output was missing, wrong or repeated. Blocks for `BUSY_S` to begin with.
    """
    settings = load_settings()
    configure_logging(settings)
    busy_percent = psutil.cpu_percent(interval=BUSY_S)
    with (
        tempfile.TemporaryDirectory(prefix="reengage-bench-") as name,
        Console(stderr=True).status("starting") as status,
    ):
        folder = Path(name)
        with (
            opened_broker(settings, folder, status) as (broker, described),
            broker_errors(replace(settings, broker=broker)),
        ):
            run = Run(broker, folder, status, Report(described, busy_percent))
            yield run
    run.report.show(Console())
    if json is not None:
        run.report.write(json)
    raise typer.Exit(0 if run.report.exact and run.passed else 1)


@contextmanager
def opened_broker(settings: Settings, folder: Path, status: Status) -> Iterator[tuple[str, str]]:
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


def run_command(main: Callable[..., None], name: str) -> None:
    """Run `main` as the command `name`, its options those of its parameters; ends the process."""
    # A terminated bench ends its processes too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    bench.command()(main)
    try:
        bench(prog_name=name)
    except UserErrors as errors:
        report_errors(errors.errors)
        sys.exit(errors.exit_code)
    except UserError as error:
        report_errors([error])
        sys.exit(error.exit_code)
