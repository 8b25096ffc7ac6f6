"""`python -m bench.company`: a company comes back, and so many members who waited for it are released meanwhile.

Live events go on at a steady rate, each the first activity of a member of its own, and are answered by a
workflow-opened. What counts is how long those answers take while the wave is released, and when its members are told.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path  # noqa: TC003  typer reads the annotation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.domain.company_state import offset_ms, rank_of
from app.domain.crossings import CompanyUp
from app.domain.events import Activity, CompanyStatus
from app.domain.outputs import WorkflowOpened
from bench.beside import LiveEvents
from bench.command import reported_run, run_command
from bench.latency import ANSWER_TIMEOUT_S, WARM_UP_S, first_activity
from bench.live import Waits, opened_line
from bench.load import load
from bench.reengage import drain, worker
from bench.site import PARTITIONS, PLAYBOOKS, opened_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.domain.events import Input
    from bench.process import Contender
    from bench.report import Report
    from bench.site import Site

COMPANY = "acme"
BEFORE_S = 20
"""How long live events are timed before the company is back."""

AFTER_S = 10
"""How long they go on after the last member's instant, at least: the grace is in it."""

HIGH_INTENT = """
kind = "high_intent"
deep_link = "https://example.com/{{step}}"
release = "{release_s}s"
nudges = [{{ after = "1h" }}]
"""


@dataclass(frozen=True)
class Wave:
    """So many members who wait for one company, and are released within `release_s` once it is back."""

    members: int
    release_s: int

    def waiting(self) -> Iterator[Input]:
        """What makes them wait: they see the company's maintenance page, and leave."""
        at_ms = time.time_ns() // 1_000_000
        page = {"name": "Viewed Under Maintenance Page", "company_id": COMPANY, "step": "login"}
        for number in range(self.members):
            member = f"w{number:07d}"
            yield _happened(f"seen {member}", member, "transact.interaction", page, at_ms)
            yield _happened(f"left {member}", member, "transact.closed", {}, at_ms)

    def told_ms(self, member_id: str, up_ms: int) -> int:
        """When a member is to be told of a company that is back at `up_ms`."""
        return up_ms + offset_ms(rank_of(member_id), self.release_s * 1000)

    def write_playbooks(self, folder: Path) -> Path:
        """A folder with the re-engager, for the live events, and a high-intent playbook that releases as asked for."""
        folder.mkdir()
        for file in PLAYBOOKS.glob("*.toml"):
            (folder / file.name).write_bytes(file.read_bytes())
        (folder / "transact.toml").write_text(HIGH_INTENT.format(release_s=self.release_s))
        return folder


def main(
    *,
    members: Annotated[int, typer.Option(min=1, help="Members who wait for the company.")] = 100_000,
    release: Annotated[int, typer.Option(min=1, help="Seconds within which they are released.")] = 900,
    rate: Annotated[int, typer.Option(min=10, help="Live events a second meanwhile.")] = 1_000,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the results here.")] = None,
) -> None:
    """Measure what the release of a company's members does to live events. Broker and exit code as for `python -m bench`."""
    with reported_run(json) as run:
        wave = Wave(members, release)
        playbooks = wave.write_playbooks(run.folder / "playbooks")
        with opened_site(run.broker, run.folder, "company", "exactly_once", playbooks) as site:
            measure(site, wave, rate, run.report, run.status.update)


def measure(site: Site, wave: Wave, rate: int, report: Report, say: Callable[[str], None]) -> None:
    """Load, release, and put what was found into the report. Blocks until the last member is told.

    Raises UserError `contender-failed` when the worker ends or something is missing.
    """
    say(f"{wave.members:,} members begin to wait")
    asyncio.run(load(site, wave.waiting(), PARTITIONS))
    drain(site, 2 * wave.members)
    with worker(site) as running:
        watched = asyncio.run(_watch(site, running, wave, rate, say))
        running.stop()
    watched.tell(report, site, running, watched.windows)
    report.facts += watched.facts()
    report.wrong += watched.wrong()


async def _watch(
    site: Site, running: Contender, wave: Wave, rate: int, say: Callable[[str], None]
) -> Watched:
    watched = Watched(wave)
    async with opened_line(site, running, [WorkflowOpened.topic, CompanyUp.topic], watched.hear) as line:

        async def live(seconds: float) -> tuple[int, int]:
            first = len(watched.sent_s)
            made = (partial(first_activity, number) for number in range(first, first + round(seconds * rate)))
            watched.sent_s += await line.send_evenly(made, rate)
            return first, len(watched.sent_s)

        say("a live worker is warmed up")
        await watched.begin(line, partial(first_activity, 0), rate)
        await live(WARM_UP_S)
        before = await live(BEFORE_S)
        say(f"releasing {wave.members:,} members within {wave.release_s} s")
        watched.up_ms = time.time_ns() // 1_000_000
        line.send(
            CompanyStatus(
                event_id="back", company_id=COMPANY, occurred_at=watched.up_ms, status="OPERATIONAL"
            )
        )
        during = await live(wave.release_s + AFTER_S)
        watched.windows = [("before it is back", *before), ("while they are released", *during)]
        await line.until(
            lambda: len(watched.read_s) >= len(watched.sent_s) and len(watched.told_s) >= wave.members,
            ANSWER_TIMEOUT_S,
            lambda: (
                f"{len(watched.sent_s) - len(watched.read_s)} answers and {wave.members - len(watched.told_s)}"
                " members did not come"
            ),
        )
    return watched


class Watched(LiveEvents):
    """What was sent and read; perf_counter seconds, live events by their number, those who waited by their id.

    `up_ms` is when the company was back; `windows` are name, first and last number (exclusive) of the events timed.
    """

    def __init__(self, wave: Wave) -> None:
        super().__init__()
        self.told_s: dict[str, float] = {}
        self.up_ms = 0
        self.windows: list[tuple[str, int, int]] = []
        self._wave = wave
        self._told_ms: dict[str, int] = {}

    def hear(self, output: Any, read_s: float) -> None:
        """Note an answer, or that a member is told."""
        if isinstance(output, CompanyUp):
            self.repeated += output.member_id in self.told_s
            self.told_s[output.member_id] = read_s
            self._told_ms[output.member_id] = output.occurred_at
        elif output.cause.startswith("e"):
            self.answered(output, read_s)

    def facts(self) -> Iterator[str]:
        """How the release went."""
        release_ms = self._wave.release_s * 1000
        tenths = Counter((at_ms - self.up_ms) * 10 // release_ms for at_ms in self._told_ms.values())
        late = Waits(self.epoch_ms(read_s) - self._told_ms[member] for member, read_s in self.told_s.items())
        by_tenths = ", ".join(f"{tenths[tenth]:,}" for tenth in range(10))
        yield f"{len(self.told_s):,} members told within {self._wave.release_s} s, in each tenth of it {by_tenths}"
        yield (
            f"from a member's instant to its being read (the grace of 2 s in it): p50 {late.share(50):,.0f} ms, "
            f"p99 {late.share(99):,.0f} ms, at most {late.share(100):,.0f} ms"
        )

    def wrong(self) -> Iterator[str]:
        """What is not as it must be."""
        if len(self.told_s) != self._wave.members:
            yield f"{len(self.told_s)} members told, in place of {self._wave.members}"
        astray = sum(
            at_ms != self._wave.told_ms(member, self.up_ms) for member, at_ms in self._told_ms.items()
        )
        if astray:
            yield f"{astray} members were told with another instant than their own"


def _happened(event_id: str, member: str, kind: str, attributes: dict[str, Any], at_ms: int) -> Activity:
    """One activity in the app."""
    return Activity(
        event_id=event_id,
        member_id=member,
        occurred_at=at_ms,
        type=kind,
        channel="APP",
        attributes=attributes,
    )


if __name__ == "__main__":
    run_command(main, "python -m bench.company")
