"""`python -m bench.backlog`: live events of one partition, while the same worker catches up with the others.

So it is after a takeover, or when a source sends what it has kept back: three of four partitions have a backlog to be
worked off, the fourth has none, and its events want their answers as soon as ever.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from itertools import count
from pathlib import Path  # noqa: TC003  typer reads the annotation
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec.structs import replace

from app.domain.outputs import WorkflowOpened
from app.wire.partitioner import murmur2_partition
from bench.beside import LiveEvents
from bench.command import reported_run, run_command
from bench.generate import Workload
from bench.latency import ANSWER_TIMEOUT_S, first_activity
from bench.live import opened_line
from bench.load import load
from bench.reengage import worker
from bench.site import PARTITIONS, opened_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.domain.events import Activity
    from bench.process import Contender
    from bench.report import Report
    from bench.site import Site

LIVE = 0
"""The partition without a backlog."""

BEHIND = [number for number in range(PARTITIONS) if number != LIVE]

AFTER_S = 20
"""How long live events are timed once the backlog is worked off."""

SETTLING_S = 5
"""What of the beginning is left out: worker and broker are just starting."""

SLOWEST_PER_S = 4_000
"""A worker that works off fewer records a second is not waited for."""


def main(
    *,
    events: Annotated[int, typer.Option(min=10_000, help="Records in the backlog.")] = 1_000_000,
    rate: Annotated[int, typer.Option(min=10, help="Live events a second.")] = 250,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the results here.")] = None,
) -> None:
    """Measure what a backlog does to live events beside it. Broker and exit code as for `python -m bench`."""
    with (
        reported_run(json) as run,
        opened_site(run.broker, run.folder, "backlog", "exactly_once") as site,
    ):
        measure(site, events, rate, run.report, run.status.update)


def measure(site: Site, events: int, rate: int, report: Report, say: Callable[[str], None]) -> None:
    """Load, catch up, and put what was found into the report. Blocks until the backlog is worked off and 20 s more.

    Raises UserError `contender-failed` when the worker ends or something is missing.
    """
    say(f"loading {events:,} events")
    asyncio.run(load(site, backlog(events), PARTITIONS))
    with worker(site) as running:
        say("catching up")
        watched = asyncio.run(_watch(site, running, events, rate))
        running.stop()
    watched.tell(report, site, running, watched.windows())
    report.facts.append(
        f"{events:,} records were worked off in {watched.caught_up_s - watched.began_s:.1f} s, beside live events"
    )


def backlog(events: int) -> Iterator[Activity]:
    """Activities of members of the other partitions, the last of each of a member whose workflow says that it is done."""
    now_ms = time.time_ns() // 1_000_000
    members = events // 10
    made = 0
    for activity in Workload(events=2 * events, members=2 * members).activities(now_ms - 60_000):
        member = activity.member_id.replace("m", "b")
        if murmur2_partition(member.encode(), PARTITIONS) != LIVE:
            yield replace(activity, event_id=f"b{made}", member_id=member)
            made += 1
            if made == events - len(BEHIND):
                break
    for partition in BEHIND:
        yield replace(first_activity(0), event_id=f"last{partition}", member_id=member_of(partition, "z"))


def member_of(partition: int, stem: str) -> str:
    """An id that belongs to the partition: the first number behind the stem for which it does."""
    ids = (f"{stem}{number}" for number in count())
    return next(each for each in ids if murmur2_partition(each.encode(), PARTITIONS) == partition)


def live_activity(number: int) -> Activity:
    """The first activity, now, of a member of its own in the partition without a backlog."""
    return replace(first_activity(number), member_id=member_of(LIVE, f"l{number}-"))


async def _watch(site: Site, running: Contender, events: int, rate: int) -> _Watched:
    watched = _Watched()
    async with opened_line(site, running, [WorkflowOpened.topic], watched.hear) as line:
        await watched.begin(line, partial(live_activity, 0), rate)
        watched.began_s = time.perf_counter()
        await watched.go_on(line, watched.live_events(rate, events / SLOWEST_PER_S), rate)
        await line.until(
            lambda: bool(watched.caught_up_s), ANSWER_TIMEOUT_S, lambda: "the backlog was not worked off"
        )
    return watched


class _Watched(LiveEvents):
    """What was sent and read, in perf_counter seconds; `began_s` is when the first answer was there."""

    def __init__(self) -> None:
        super().__init__()
        self.began_s = 0.0
        self.caught_up_s = 0.0
        self._behind = len(BEHIND)

    def hear(self, opened: Any, read_s: float) -> None:
        """Note an output."""
        if opened.cause.startswith("e"):
            self.answered(opened, read_s)
        elif opened.cause.startswith("last"):
            self._behind -= 1
            if not self._behind:
                self.caught_up_s = read_s

    def live_events(self, rate: int, most_s: float) -> Iterator[Callable[[], Any]]:
        """First activities until the backlog is worked off, and for a while after it."""
        left = AFTER_S * rate
        for number in count(1):
            if self.caught_up_s or number > most_s * rate:
                left -= 1
            if not left:
                return
            yield partial(live_activity, number)

    def windows(self) -> Iterator[tuple[str, int, int]]:
        """Name, first and last number (exclusive) of the live events beside the backlog and of those after it."""
        first, after = self.first_from(self.began_s + SETTLING_S), self.first_from(self.caught_up_s)
        yield "after the backlog", after, len(self.sent_s)
        yield "beside the backlog", first, after


if __name__ == "__main__":
    run_command(main, "python -m bench.backlog")
