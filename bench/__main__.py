"""`python -m bench`: every contender on one broker, one after the other, and the ratios between them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from app.domain.errors import UserError
from bench.command import reported_run, run_command
from bench.contenders import ENTRIES, Entry, Guarantee, System, prepare
from bench.drain import measure_drain
from bench.generate import Workload
from bench.kills import measure_kills
from bench.latency import measure_latency
from bench.site import opened_site
from bench.targets import drain_targets, kill_targets, latency_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.status import Status

    from bench.report import Report
    from bench.site import Site

MEMBER_SHARE = 10
"""Events for each member, unless told otherwise."""


class Measure(StrEnum):
    """What can be measured of a contender, in this order."""

    DRAIN = "drain"
    LATENCY = "latency"
    KILLS = "kills"


Part = StrEnum("Part", {each.name: each.value for kind in (System, Measure) for each in kind})
"""What `--only` takes: contenders and measures; of a kind not named, all."""


def main(
    *,
    events: Annotated[int, typer.Option(min=1_000, help="Events of a drain.")] = 1_000_000,
    members: Annotated[
        int | None, typer.Option(min=1, help="Members they are of; a tenth of the events if left out.")
    ] = None,
    faust_events: Annotated[
        int, typer.Option(min=1_000, help="Events for plain Faust, of as many members less.")
    ] = 30_000,
    only: Annotated[
        list[Part] | None,
        typer.Option(help="Only this contender, or this measure; may be given more than once."),
    ] = None,
    guarantee: Annotated[
        list[Guarantee] | None, typer.Option(help="Only under this one; may be given more than once.")
    ] = None,
    latency_seconds: Annotated[int, typer.Option(min=1, help="How long latency is measured.")] = 20,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the results here.")] = None,
) -> None:
    """Measure Reengage, plain Faust, Quix Streams and Kafka Streams at the same job: drain, latency, three kills.

    Uses the broker in REENGAGE_BROKER or the one kept by `reengage broker start`, else starts its own; deletes its
    topics and ends what it started. A contender that cannot be had here is left out, unless it is named by --only.
    Exit code 1 when an output was missing, wrong or repeated, or Reengage did not get through.
    """
    plan = _Plan.of(set(only or ()), set(guarantee or Guarantee))
    workload = Workload(events=events, members=members or max(1, events // MEMBER_SHARE))
    smaller = workload.scaled(min(faust_events, events))
    with reported_run(json) as here:
        run = _Run(here.report, here.broker, here.folder, here.status, workload, smaller, latency_seconds)
        run.all(plan)
        here.passed = run.ours_got_through


@dataclass(frozen=True)
class _Plan:
    """Who is measured, and what of them; `named`: the systems asked for by name."""

    entries: Sequence[Entry]
    measures: Sequence[Measure]
    named: frozenset[System]

    @classmethod
    def of(cls, parts: set[Part], guarantees: set[Guarantee]) -> _Plan:
        """What `--only` and `--guarantee` ask for."""
        named = frozenset(system for system in System if Part(system.value) in parts)
        return cls(
            [each for each in ENTRIES if each.system in (named or System) and each.guarantee in guarantees],
            [each for each in Measure if Part(each.value) in parts] or list(Measure),
            named,
        )


@dataclass
class _Run:
    """One run of the bench.

    Attributes:
        report: takes the results.
        broker, folder, status: where it runs, and where it says what it does.
        workload, smaller: the events, and those of the contenders that take fewer.
        latency_seconds: how long latency is measured.
        end_ms: instant of the last event, the same for all, so that what must come out is computed once.
        ours_got_through: whether every measurement of Reengage came to an end.
    """

    report: Report
    broker: str
    folder: Path
    status: Status
    workload: Workload
    smaller: Workload
    latency_seconds: int
    end_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    ours_got_through: bool = True

    def all(self, plan: _Plan) -> None:
        """Measure everything planned. Raises UserError for a contender named that cannot be had."""
        started_s = time.monotonic()
        missing = set(self._missing(plan))
        measures: dict[Measure, Callable[[Site, Entry], None]] = {
            Measure.DRAIN: self._drain,
            Measure.LATENCY: self._latency,
            Measure.KILLS: self._kills,
        }
        for measure in plan.measures:
            for entry in plan.entries:
                if entry.system not in missing:
                    self._measure(measure, entry, measures[measure])
        report = self.report
        report.promises += drain_targets(report.drains)
        report.promises += latency_targets(report.latencies)
        report.promises += kill_targets(report.kills)
        report.facts.append(f"This run took {(time.monotonic() - started_s) / 60:.0f} minutes.")

    def _missing(self, plan: _Plan) -> Iterator[System]:
        for system in {entry.system: None for entry in plan.entries}:
            self.status.update(f"{system}: making it ready")
            try:
                self.report.versions |= prepare(system)
            except UserError as error:
                if system in plan.named:
                    raise
                self.report.left_out.append(f"LEFT OUT: {system}: {error.place}: {error.problem}")
                yield system

    def _measure(self, measure: Measure, entry: Entry, run: Callable[[Site, Entry], None]) -> None:
        name = f"{entry.system}-{measure}-{ENTRIES.index(entry)}"
        started_s = time.monotonic()
        try:
            with opened_site(self.broker, self.folder, name, entry.guarantee) as site:
                run(site, entry)
        except UserError as error:
            if error.reference not in ("contender-failed", "transaction-open"):
                raise
            self.ours_got_through = self.ours_got_through and entry.system != System.REENGAGE
            said = f"FAILED: {entry.name}, {entry.guarantee}, {measure}: {error.problem}"
            self.report.left_out.append(said)
            self.status.console.print(f"{said}\n{error.hint}", markup=False)
        # A run is long, and where it does not go to a terminal nothing else tells how far it is.
        seconds = time.monotonic() - started_s
        self.status.console.print(f"{measure}: {entry.name}, {entry.guarantee}: {seconds:.0f} s")

    def _of(self, entry: Entry) -> Workload:
        return self.smaller if entry.small else self.workload

    def _drain(self, site: Site, entry: Entry) -> None:
        drain = measure_drain(
            site,
            entry.name,
            self._of(entry),
            entry.drain,
            self.status.update,
            silent_timers=entry.silent_timers,
            end_ms=self.end_ms,
        )
        self.report.drains.append(drain)

    def _latency(self, site: Site, entry: Entry) -> None:
        self.status.update(f"{entry.name}: latency, {entry.guarantee}")
        latency = measure_latency(site, self.latency_seconds, system=entry.name, start=entry.start)
        self.report.latencies.append(latency)

    def _kills(self, site: Site, entry: Entry) -> None:
        kills = measure_kills(site, entry, self._of(entry), self.end_ms, self.status.update)
        self.report.kills.append(kills)


if __name__ == "__main__":
    run_command(main, "python -m bench")
