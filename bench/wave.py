"""`python -m bench.wave`: nudges that have all waited for one morning are released while live events go on.

History first: each member's score is set in the night, so each has a nudge that waits for the end of the quiet hours.
Then a live worker, events at an even rate, and the end of the quiet hours. What is looked at: how long live events take
before it and after it, and whether each nudge is sent once, at its own instant within the spread.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from app.domain.errors import UserError
from app.domain.events import ScoreCommand
from app.domain.instants import DAY_MS, HOUR_MS, MINUTE_MS
from app.domain.outputs import Nudge, WorkflowOpened
from app.domain.policy import spread_offset_ms
from bench.beside import LiveEvents
from bench.command import reported_run, run_command
from bench.latency import ANSWER_TIMEOUT_S, WARM_UP_S, first_activity
from bench.live import Waits, opened_line
from bench.load import load
from bench.reengage import drain, worker
from bench.site import PARTITIONS, opened_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.process import Contender
    from bench.report import Report
    from bench.site import Site

FULL = 1_000_000
FULL_SPREAD_S = 15 * 60
BEFORE_S = 20
"""How long live events are timed before the wave."""

START_S = WARM_UP_S + 25
"""What has to be left before that, for the worker to start and to be warmed up."""

LOADED_PER_S = 4_000
"""The slowest machine that is waited for sets so many scores a second."""

PLAYBOOK = """
kind = "score"
when = ">= 1"
actions = [{ do = "nudge", template = "good-morning", channels = ["IN_APP"] }]
"""


class Wave(NamedTuple):
    """So many nudges that wait until `end_ms` (epoch, a full minute), then leave within `spread_s`."""

    nudges: int
    end_ms: int
    spread_s: int

    def scores(self) -> Iterator[ScoreCommand]:
        """What makes them wait: in the night, five hours before it ends."""
        began_ms = self.end_ms - 5 * HOUR_MS
        for number in range(self.nudges):
            yield ScoreCommand(
                event_id=f"w{number}",
                member_id=f"w{number:07d}",
                occurred_at=began_ms + number * HOUR_MS // self.nudges,
                operation="SET",
                points=1,
            )

    def due_ms(self, member_id: str) -> int:
        """When the nudge of a member has to be sent."""
        return self.end_ms + spread_offset_ms(member_id, self.spread_s * 1000)

    def write_playbooks(self, folder: Path) -> Path:
        """A folder with the re-engager, the playbook that nudges, and the policy."""
        folder.mkdir()
        (folder / "re-engager.toml").write_text('kind = "reengager"\n')
        (folder / "morning.toml").write_text(PLAYBOOK)
        start, end = (_wall_time(ms) for ms in (self.end_ms - 8 * HOUR_MS, self.end_ms))
        (folder / "policy.toml").write_text(
            f'holidays = false\ncaps = {{}}\nspread = "{self.spread_s}s"\n'
            f'quiet = {{ from = "{start}", to = "{end}" }}\n'
        )
        return folder


def _wall_time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms % DAY_MS / 1000, UTC):%H:%M}"


def main(
    *,
    nudges: Annotated[int, typer.Option(min=1_000, help="How many wait.")] = FULL,
    spread: Annotated[
        int | None, typer.Option(min=0, help="Seconds; left out: 900 for a million, fewer for fewer.")
    ] = None,
    rate: Annotated[int, typer.Option(min=10, help="Live events a second.")] = 1_000,
    minutes: Annotated[
        int | None, typer.Option(min=1, help="From now to the end of the quiet hours; left out: by the size.")
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the results here.")] = None,
) -> None:
    """Measure what a wave of nudges does to live events. Broker and exit code as for `python -m bench`."""
    with reported_run(json) as run:
        ahead_s = minutes * 60 if minutes is not None else START_S + BEFORE_S + 30 + nudges // LOADED_PER_S
        end_ms = (int((time.time() + ahead_s) * 1000) // MINUTE_MS + 1) * MINUTE_MS
        spread_s = spread if spread is not None else FULL_SPREAD_S * nudges // FULL
        wave = Wave(nudges, end_ms, spread_s)
        playbooks = wave.write_playbooks(run.folder / "playbooks")
        with opened_site(run.broker, run.folder, "wave", "exactly_once", playbooks) as site:
            measure(site, wave, rate, run.report, run.status.update)


def measure(site: Site, wave: Wave, rate: int, report: Report, say: Callable[[str], None]) -> None:
    """Load, release, and put what was found into the report. Blocks until the last nudge is out.

    Raises UserError `contender-failed` when the worker ends or something is missing, `too-slow` when the nudges do not
    all wait in time.
    """
    say(f"setting {wave.nudges:,} scores")
    asyncio.run(load(site, wave.scores(), PARTITIONS))
    say(f"planning {wave.nudges:,} nudges")
    drain(site, wave.nudges)
    if time.time() * 1000 > wave.end_ms - (START_S + BEFORE_S) * 1000:
        hint = "give it more time with --minutes, or fewer --nudges"
        raise UserError("too-slow", "bench.wave", "the quiet hours end before all nudges wait", hint)
    with worker(site) as running:
        watched = asyncio.run(_watch(site, running, wave, rate, say))
        running.stop()
    watched.tell(report, site, running, watched.windows())
    report.facts += watched.facts()
    report.wrong += watched.wrong()


async def _watch(
    site: Site, running: Contender, wave: Wave, rate: int, say: Callable[[str], None]
) -> _Watched:
    watched = _Watched(wave)
    async with opened_line(site, running, [WorkflowOpened.topic, Nudge.topic], watched.hear) as line:
        await watched.begin(line, partial(first_activity, 0), rate)
        idle_s = wave.end_ms / 1000 - time.time() - BEFORE_S - WARM_UP_S
        if idle_s > 0:
            say("waiting for the morning")
            await asyncio.sleep(idle_s)
        say(f"releasing {wave.nudges:,} nudges within {wave.spread_s} s")
        await watched.go_on(line, watched.live_events(rate), rate)
    return watched


class _Watched(LiveEvents):
    """What was sent and read; perf_counter seconds, live events by their number, nudges by their member."""

    def __init__(self, wave: Wave) -> None:
        super().__init__()
        self.nudged_s: dict[str, float] = {}
        self._wave = wave
        self._astray = 0

    def hear(self, output: Any, read_s: float) -> None:
        """Note an output."""
        if output.topic == Nudge.topic:
            self.repeated += output.member_id in self.nudged_s
            self.nudged_s[output.member_id] = read_s
            self._astray += output.occurred_at != self._wave.due_ms(output.member_id)
        else:
            self.answered(output, read_s)

    def live_events(self, rate: int) -> Iterator[Callable[[], Any]]:
        """First activities until all nudges were read; as many as are worth waiting for."""
        wave = self._wave
        slowest_s = WARM_UP_S + BEFORE_S + wave.spread_s + ANSWER_TIMEOUT_S + wave.nudges / 1_000
        for number in count(1):
            if len(self.nudged_s) >= wave.nudges or number > slowest_s * rate:
                return
            yield partial(first_activity, number)

    def windows(self) -> Iterator[tuple[str, int, int]]:
        """Name, first and last number (exclusive) of the live events before the wave and of those in it."""
        sent_ms = [self.epoch_ms(sent_s) for sent_s in self.sent_s]
        before_ms, end_ms = self._wave.end_ms - BEFORE_S * 1000, self._wave.end_ms
        first = next(number for number, at_ms in enumerate(sent_ms) if number and at_ms >= before_ms)
        wave = next(number for number, at_ms in enumerate(sent_ms) if at_ms >= end_ms)
        yield "before the wave", first, wave
        yield "in the wave", wave, len(sent_ms)

    def facts(self) -> Iterator[str]:
        """How the release went."""
        wave = self._wave
        read_ms = {member: self.epoch_ms(read_s) for member, read_s in self.nudged_s.items()}
        late = Waits(at_ms - wave.due_ms(member) for member, at_ms in read_ms.items())
        by_second = Counter(int(at_ms / 1000) for at_ms in read_ms.values())
        seconds = (max(read_ms.values()) - min(read_ms.values())) / 1000 if read_ms else 0.0
        yield (
            f"{len(read_ms):,} nudges, due within {wave.spread_s} s, were read within {seconds:.1f} s, at most "
            f"{max(by_second.values(), default=0):,} in a second"
        )
        yield (
            f"from when a nudge was due to its being read (the grace of 2 s in it): p50 {late.share(50):,.0f} ms, "
            f"p99 {late.share(99):,.0f} ms, at most {late.share(100):,.0f} ms"
        )

    def wrong(self) -> Iterator[str]:
        """What is not as it must be."""
        if len(self.nudged_s) != self._wave.nudges:
            yield f"{len(self.nudged_s)} nudges, in place of {self._wave.nudges}"
        if self._astray:
            yield f"{self._astray} nudges carry another instant than their own"


if __name__ == "__main__":
    run_command(main, "python -m bench.wave")
