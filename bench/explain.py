"""`python -m bench.explain`: how long `reengage explain` takes to its first line, and how much memory it needs.

Two members of a topic that a worker has drained: one met more often than any other, and one whose only record is the
last of its partition, so that everything before it has to be read before there is anything to tell.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from app.broker.embedded import EmbeddedBroker
from app.broker.locate import locate_broker
from app.domain.errors import UserError
from app.domain.events import Activity
from app.service.logging import configure_logging
from app.service.settings import load_settings
from bench import reengage
from bench.generate import Workload
from bench.load import load
from bench.site import PARTITIONS, opened_site
from bench.taken import TakenCommits

if TYPE_CHECKING:
    from bench.site import Site

OFTEN = "m0000000"
LAST = "last-of-all"
SAMPLE_S = 0.05
WANTED_S = 30.0
"""Until the first line, of a topic of ten million records."""


@dataclass(frozen=True)
class Explained:
    """One run of `explain`.

    Attributes:
        member: who, in words.
        records: in the member's partition of `activity`, about.
        lines: of the timeline.
        first_line_s, seconds: from the start of the process to its first step, and to its end.
        peak_rss_mb: the most memory it held, in MiB.
    """

    member: str
    records: int
    lines: int
    first_line_s: float
    seconds: float
    peak_rss_mb: float


def main(
    *,
    events: Annotated[int, typer.Option(min=1_000, help="Events in the topic.")] = 1_000_000,
    partitions: Annotated[int, typer.Option(min=1, help="Of every topic.")] = PARTITIONS,
    drain: Annotated[
        bool, typer.Option(help="Have a worker drain the topic; without, its journal is made up.")
    ] = True,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the results here.")
    ] = None,
) -> None:
    """Load and drain a topic, then explain two of its members.

    Ten million events want --no-drain: explain reads inputs and journal only, and outputs and states of so many would
    take minutes and gigabytes.

    Uses the broker in REENGAGE_BROKER or the one kept by `reengage broker start`, else starts its own. Exit code 1
    when a first line took longer than 30 s.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    settings = load_settings()
    configure_logging(settings)
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="reengage-bench-") as name, console.status("starting") as status:
        folder, located = Path(name), locate_broker(settings.broker)
        if located is None:
            with EmbeddedBroker(
                folder / "broker", heap_mb=1024, throughput=True, progress=status.update
            ) as own:
                found = _measure(own.address(), folder, events, partitions, status.update, drain=drain)
        else:
            found = _measure(located, folder, events, partitions, status.update, drain=drain)
    _show(found)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n", "utf-8")
    raise typer.Exit(0 if all(each.first_line_s <= WANTED_S for each in found) else 1)


def _measure(
    broker: str, folder: Path, events: int, partitions: int, tell: object, *, drain: bool
) -> list[Explained]:
    say = tell if callable(tell) else print
    with opened_site(broker, folder, "explain", "exactly_once", partitions=partitions) as site:
        end_ms = time.time_ns() // 1_000_000 - 60_000
        last = Activity(
            event_id="last", member_id=LAST, occurred_at=end_ms, type="article.read", channel="APP"
        )
        workload = Workload(events=events, members=max(1, events // 10))
        say(f"loading {events:,} events")
        activities = chain(workload.activities(end_ms), [last])
        if drain:
            asyncio.run(load(site, activities, partitions))
            say("draining them")
            reengage.drain(site, events)
        else:
            taken = TakenCommits(site, partitions)
            asyncio.run(load(site, taken.watch(activities), partitions))
            asyncio.run(taken.write())
        found = []
        for member, words in ((OFTEN, "met most often"), (LAST, "one record, the last")):
            say(f"explaining the member {words}")
            found.append(_explain(site, member, words, events // partitions))
        return found


def _explain(site: Site, member: str, words: str, records: int) -> Explained:
    """Run the command as anybody does, watching its output and its memory. Raises UserError `contender-failed`."""
    command = [str(Path(sys.executable).with_name("reengage")), "explain", member, "--format", "json"]
    started_s = time.perf_counter()
    with subprocess.Popen(
        command, cwd=site.folder, env=site.environ(), stdout=subprocess.PIPE, text=True
    ) as process:
        peak = _Peak(process.pid)
        first_s, lines = None, 0
        for text in process.stdout or ():
            if json.loads(text)["what"] in ("input", "timer"):
                lines += 1
                first_s = time.perf_counter() - started_s if first_s is None else first_s
        code = process.wait()
        seconds = time.perf_counter() - started_s
        peak_bytes = peak.stop()
    if code != 0 or first_s is None:
        raise UserError("contender-failed", "reengage explain", f"ended with exit code {code}, {lines} lines")
    return Explained(words, records, lines, first_s, seconds, peak_bytes / 2**20)


class _Peak:
    """Samples the memory of a process until told to stop."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._peak_bytes = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """The most it held, in bytes."""
        self._stopped.set()
        self._thread.join()
        return self._peak_bytes

    def _sample(self) -> None:
        while not self._stopped.wait(SAMPLE_S):
            try:
                self._peak_bytes = max(self._peak_bytes, self._process.memory_info().rss)
            except psutil.NoSuchProcess:
                return


def _show(found: list[Explained]) -> None:
    table = Table("member", "records in its partition", "lines", "first line", "all", "peak memory")
    for each in found:
        table.add_row(
            each.member,
            f"{each.records:,}",
            f"{each.lines:,}",
            f"{each.first_line_s:.1f} s",
            f"{each.seconds:.1f} s",
            f"{each.peak_rss_mb:.0f} MiB",
        )
    Console().print(table)


if __name__ == "__main__":
    bench = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    bench.command()(main)
    bench(prog_name="python -m bench.explain")
