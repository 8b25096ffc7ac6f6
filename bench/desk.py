"""`python -m bench.desk`: from a request for a transfer to its answer, through the topics, under a live load.

Of ten events nine are the first activity of a member of its own, and one completes the set-up of one who came before:
it asks the desk of the one pool there is, in another processor. Half of the requests find a slot, the others none.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.domain.events import Activity
from app.domain.outputs import TransferFailed, TransferRequested, WorkflowResolved
from bench.command import reported_run, run_command
from bench.latency import ANSWER_TIMEOUT_S, READY_TIMEOUT_S, WARM_UP_S, Latency, first_activity
from bench.live import Waits, opened_line
from bench.reengage import worker
from bench.report import Report, Target
from bench.site import opened_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.process import Contender
    from bench.site import Site

WANTED_P99_MS = 200
ASKS_EVERY = 10
"""Events, of which one is a request."""


def main(
    *,
    seconds: Annotated[int, typer.Option(min=1, help="How long it is measured.")] = 20,
    rate: Annotated[
        int, typer.Option(min=ASKS_EVERY, help="Events a second; a tenth of them are requests.")
    ] = 1_000,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the results here.")] = None,
) -> None:
    """Measure how long a request for a transfer waits for its answer. Broker and exit code as for `python -m bench`."""
    with reported_run(json) as run:
        asks = (WARM_UP_S + seconds) * rate // ASKS_EVERY
        playbooks = write_playbook(run.folder / "playbooks", asks // 2)
        run.status.update(f"asking for {asks:,} transfers")
        with opened_site(run.broker, run.folder, "desk", "exactly_once", playbooks) as site:
            measure(site, seconds, rate, run.report)


def write_playbook(folder: Path, slots: int) -> Path:
    """A folder with a re-engager of so many slots, whose reset is far off."""
    folder.mkdir()
    reset_at = datetime.now(UTC) + timedelta(hours=12)
    (folder / "re-engager.toml").write_text(
        f'kind = "reengager"\n[transfer]\nslots_per_day = {slots}\ntime_zone = "UTC"\nreset_at = "{reset_at:%H:%M}"\n'
    )
    return folder


def measure(site: Site, seconds: int, rate: int, report: Report) -> None:
    """Ask a live worker, and put what was found into the report. Blocks: `seconds` and about 15 s more.

    Raises UserError `contender-failed` when the worker ends or an answer is missing.
    """
    with worker(site) as running:
        talk = asyncio.run(_talk(site, running, seconds, rate))
        running.stop()
    measured = [n for n, sent_s in talk.sent_s.items() if sent_s >= talk.measured_from_s]
    for system, began_s in (("request to answer", talk.asked_s), ("set-up to answer", talk.sent_s)):
        waits = Waits.between((began_s[n] for n in measured), (talk.answered_s[n] for n in measured))
        report.latencies.append(
            Latency(
                system=system,
                guarantee=site.guarantee,
                events=len(waits),
                rate_per_s=rate,
                p50_ms=waits.share(50),
                p99_ms=waits.share(99),
                max_ms=waits.share(100),
                cores=running.cpu_s(*talk.between_ms) / ((talk.between_ms[1] - talk.between_ms[0]) / 1000),
                peak_rss_mb=running.peak_rss_bytes / 2**20,
                repeated=talk.repeated,
            )
        )
    report.latency_title = "Transfers, answers as read_committed readers have them"
    p99_ms = report.latencies[0].p99_ms
    report.promises.append(
        Target("request to answer, p99 ms", p99_ms, f"< {WANTED_P99_MS}", p99_ms < WANTED_P99_MS)
    )
    slots = len(talk.sent_s) // 2
    found = talk.answers[WorkflowResolved.topic]
    report.facts.append(f"{len(talk.sent_s):,} requests in one pool, {found:,} of them given a slot")
    if found != slots:
        report.wrong.append(f"{found} slots were given, in place of {slots}")


async def _talk(site: Site, running: Contender, seconds: int, rate: int) -> _Talk:
    talk = _Talk()
    topics = [TransferRequested.topic, TransferFailed.topic, WorkflowResolved.topic]
    async with opened_line(site, running, topics, talk.hear) as line:
        warming = list(_events(0, WARM_UP_S * rate))
        # The first one waits for the worker's start.
        sent_s = await line.send_evenly(warming[:ASKS_EVERY], rate)
        await line.until(lambda: bool(talk.answered_s), READY_TIMEOUT_S, lambda: "nothing was answered")
        sent_s += await line.send_evenly(warming[ASKS_EVERY:], rate)
        talk.measured_from_s, started_ms = time.perf_counter(), time.time() * 1000
        sent_s += await line.send_evenly(_events(len(sent_s), seconds * rate), rate)
        talk.between_ms = (started_ms, time.time() * 1000)
        talk.sent_s = dict(enumerate(sent_s[ASKS_EVERY - 1 :: ASKS_EVERY]))
        await line.until(
            lambda: len(talk.answered_s) >= len(talk.sent_s),
            ANSWER_TIMEOUT_S,
            lambda: f"{len(talk.sent_s) - len(talk.answered_s)} of {len(talk.sent_s)} requests had no answer",
        )
    return talk


def _events(first: int, count: int) -> Iterator[Callable[[], Activity]]:
    """The events from number `first` on, made when they are sent."""
    for number in range(first, first + count):
        if number % ASKS_EVERY == ASKS_EVERY - 1:
            yield partial(set_up, number // ASKS_EVERY)
        else:
            yield partial(first_activity, number - number // ASKS_EVERY)


def set_up(number: int) -> Activity:
    """A member that came before completes the set-up now."""
    return Activity(
        event_id=f"s{number}",
        member_id=f"m{number:07d}",
        occurred_at=time.time_ns() // 1_000_000,
        type="setup.completed",
        channel="WEB",
    )


class _Talk:
    """What was asked, sent and answered when, by the number of the member; perf_counter seconds.

    `answers` counts by topic, `repeated` those that came again; `between_ms` are the instants around the measuring.
    """

    def __init__(self) -> None:
        self.sent_s: dict[int, float] = {}
        self.asked_s: dict[int, float] = {}
        self.answered_s: dict[int, float] = {}
        self.answers: Counter[str] = Counter()
        self.repeated = 0
        self.measured_from_s = 0.0
        self.between_ms = (0.0, 0.0)

    def hear(self, output: Any, read_s: float) -> None:
        """Note a request or an answer."""
        number = int(output.member_id.removeprefix("m"))
        if output.topic == TransferRequested.topic:
            times_s = self.asked_s
        else:
            times_s = self.answered_s
            self.answers[output.topic] += 1
        self.repeated += number in times_s
        times_s.setdefault(number, read_s)


if __name__ == "__main__":
    run_command(main, "python -m bench.desk")
