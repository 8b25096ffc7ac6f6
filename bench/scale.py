"""`python -m bench.scale`: what grows with members, partitions and workers, and what does not (docs/scaling.md).

Prints the tables of that page as Markdown, and the plan to 100 million members counted from what was measured.
"""

from __future__ import annotations

import json as json_text
import tempfile
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import psutil
import typer
from rich.console import Console

from app.broker.embedded import EmbeddedBroker
from app.domain.errors import UserError
from app.runtime.merge import MAX_BATCH
from app.service.client import broker_errors
from app.service.logging import configure_logging
from app.service.settings import load_settings
from bench.command import BUSY_S, run_command
from bench.fleet import JOIN_TOGETHER, measure_shared
from bench.generate import Workload
from bench.lives import make_models
from bench.plan import Assumed, UnitCosts, plan, unit_costs
from bench.report import Report, Target, own_broker
from bench.scale_tables import drain_table, log_table, plan_table, size_table, stored_table, worker_table
from bench.site import opened_site
from bench.stored import ACTIVE, measure_stored, steepness
from bench.unit_costs import measure_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.fleet import Shared
    from bench.stored import Cost
    from bench.unit_costs import WorkerCost

FLAT = 1.3
SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
PARTITIONS = (4, 16, 64)
WORKERS = (1, 2)
DRAIN_EVENTS = 300_000
MEMBER_SHARE = 10


class Part(StrEnum):
    """What can be left out."""

    STORED = "stored"
    DRAINS = "drains"
    WORKERS = "workers"
    PLAN = "plan"


@dataclass
class Found:
    """What one run has measured; a part left out is empty."""

    stored: list[Cost] = field(default_factory=list)
    drains: list[Shared] = field(default_factory=list)
    workers: list[WorkerCost] = field(default_factory=list)
    unit: UnitCosts | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "stored": [each._asdict() | {"size": each.size._asdict()} for each in self.stored],
            "drains_shared": [each._asdict() | {"drain": each.drain.as_json()} for each in self.drains],
            "workers": [
                each._asdict() | {"idle": each.idle._asdict(), "busy": each.busy._asdict()}
                for each in self.workers
            ],
            "unit_costs": None if self.unit is None else self.unit._asdict(),
        }

    def tables(self, assumed: Assumed) -> Iterator[str]:
        """Everything as Markdown; the plan where there are unit costs to count with."""
        if self.stored:
            yield stored_table(self.stored)
            yield size_table(self.stored)
        if self.drains:
            yield drain_table(self.drains)
        if self.workers:
            yield worker_table(self.workers)
            yield log_table(self.workers)
        if self.unit is not None:
            yield plan_table(plan(self.unit, assumed))


def main(
    *,
    only: Annotated[
        list[Part] | None, typer.Option(help="Run this part only; may be given more than once.")
    ] = None,
    size: Annotated[
        list[int] | None, typer.Option(min=1_000, help="Members stored; may be given more than once.")
    ] = None,
    round_events: Annotated[
        int, typer.Option(min=1_000, help="Events of a round with stored members.")
    ] = ACTIVE,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each size, in turn.")] = 5,
    partitions: Annotated[
        list[int] | None, typer.Option(min=1, help="Of drains and workers; may be given more than once.")
    ] = None,
    workers: Annotated[
        list[int] | None, typer.Option(min=1, help="Of a drain; may be given more than once.")
    ] = None,
    drain_events: Annotated[
        int | None,
        typer.Option(min=1_000, help="Events of a drain; left out: 300,000, or 20,000 a partition if more."),
    ] = None,
    rate: Annotated[int, typer.Option(min=10, help="Events a second to a live worker.")] = 1_000,
    seconds: Annotated[int, typer.Option(min=1, help="How long that is measured.")] = 20,
    plan_members: Annotated[int, typer.Option(min=1, help="Members of the plan.")] = Assumed().members,
    plan_partitions: Annotated[
        int, typer.Option(min=1, help="Partitions of the plan.")
    ] = Assumed().partitions,
    costs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Plan with the unit costs in this earlier --json.")
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the results here.")] = None,
) -> None:
    """Measure what grows with stored members, partitions and workers. Starts a broker of its own, to look into its logs.

    Exit code 1 when an output was missing, wrong or repeated.
    """
    parts = set(only or Part)
    found = Found()
    given = None if costs is None else read_unit_costs(costs)
    configure_logging(load_settings())
    report = Report(own_broker(), psutil.cpu_percent(interval=BUSY_S))
    try:
        with (
            tempfile.TemporaryDirectory(prefix="reengage-bench-") as name,
            Console(stderr=True).status("starting") as status,
        ):
            folder, say = Path(name), status.update
            if Part.STORED in parts:
                say("making models of members")
                models = make_models(folder / "models")
                found.stored = measure_stored(folder, models, size or SIZES, round_events, rounds, say)
            if parts & {Part.DRAINS, Part.WORKERS}:
                with _own_broker(folder, say) as broker, broker_errors(load_settings()):
                    for count in partitions or PARTITIONS:
                        if Part.DRAINS in parts:
                            load = drain_workload(drain_events, count)
                            found.drains += _drains(broker, folder, load, workers or WORKERS, count, say)
                        if Part.WORKERS in parts:
                            found.workers.append(_worker(broker, folder, count, rate, seconds, say))
    finally:
        # What was measured before something failed is told all the same.
        if Part.PLAN in parts:
            found.unit = given or unit_costs(found.stored, found.drains, found.workers)
        _conclude(report, found)
        for table in found.tables(Assumed(members=plan_members, partitions=plan_partitions)):
            print(f"\n{table}\n")
        if json is not None:
            report.write(json, found.as_json())
    report.show(Console())
    raise typer.Exit(0 if report.exact else 1)


def drain_workload(events: int | None, partitions: int) -> Workload:
    """So many events, or as many as it takes to see a steady rate: several full batches of each partition."""
    events = events or max(DRAIN_EVENTS, partitions * 4 * MAX_BATCH)
    return Workload(events=events, members=max(1, events // MEMBER_SHARE))


def _own_broker(folder: Path, say: Callable[[str], None]) -> EmbeddedBroker:
    return EmbeddedBroker(
        folder / "broker", heap_mb=1024, throughput=True, properties=JOIN_TOGETHER, progress=say
    )


def _drains(
    broker: EmbeddedBroker,
    folder: Path,
    workload: Workload,
    workers: Sequence[int],
    partitions: int,
    say: Callable[[str], None],
) -> Iterator[Shared]:
    for number in workers:
        name = f"drain-{number}-{partitions}"
        with opened_site(broker.address(), folder, name, "exactly_once", partitions=partitions) as site:
            yield measure_shared(site, workload, number, partitions, say)


def _worker(
    broker: EmbeddedBroker,
    folder: Path,
    partitions: int,
    rate: int,
    seconds: int,
    say: Callable[[str], None],
) -> WorkerCost:
    name = f"worker-{partitions}"
    with opened_site(broker.address(), folder, name, "exactly_once", partitions=partitions) as site:
        return measure_worker(site, folder / "broker", partitions, rate, seconds, say)


def _conclude(report: Report, found: Found) -> None:
    """What was promised, and what came out wrong."""
    if sum(cost.size.members >= ACTIVE for cost in found.stored) > 1:
        ratio = steepness(found.stored)
        report.promises.append(
            Target(f"dearest / cheapest event, from {ACTIVE:,} stored on", ratio, f"<= {FLAT}", ratio <= FLAT)
        )
    for workers, partitions, drain in found.drains:
        report.wrong += [f"{workers} workers, {partitions} partitions: {wrong}" for wrong in drain.wrong]


def read_unit_costs(file: Path) -> UnitCosts:
    """Those an earlier run has written. Raises UserError `no-unit-costs`."""
    hint = "name a file written with --json by a run with all parts"
    try:
        return UnitCosts(**json_text.loads(file.read_text())["unit_costs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError("no-unit-costs", f"--costs {file}", "holds no unit costs", hint) from error


if __name__ == "__main__":
    run_command(main, "python -m bench.scale")
