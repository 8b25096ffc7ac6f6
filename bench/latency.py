"""Latency: 1,000 events a second to a live worker, each answered by an output, from its sending to its being read.

One process sends and reads, so one clock measures. Every event is the first activity of a member of its own, so that
each opens a workflow, adds and removes a tag and writes a page; what is waited for is the workflow-opened it caused.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from app.domain.events import Activity
from app.domain.outputs import WorkflowOpened
from bench.live import Waits, opened_line
from bench.reengage import NAME, worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.live import Line
    from bench.process import Contender
    from bench.site import Site

OUTPUT = WorkflowOpened.topic
RATE_PER_S = 1_000
WARM_UP_S = 30
MEASURED_S = 20
READY_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Latency:
    """What one latency run came to; milliseconds from before `send` until a read_committed reader had the output.

    Attributes:
        system, guarantee: who answered.
        events: measured ones, warm-up aside.
        rate_per_s: at which they were really sent.
        p50_ms, p99_ms, max_ms: of the measured events.
        cores: processor seconds of the worker for each second meanwhile.
        peak_rss_mb: the most memory the worker held, in MiB.
        repeated: outputs that came more than once, in the whole run.
    """

    system: str
    guarantee: str
    events: int
    rate_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cores: float
    peak_rss_mb: float
    repeated: int

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def measure_latency(
    site: Site,
    seconds: int = MEASURED_S,
    rate_per_s: int = RATE_PER_S,
    *,
    system: str = NAME,
    start: Callable[[Site], Contender] = worker,
) -> Latency:
    """Start a worker, warm it up for 30 s at the full rate, then measure. Blocks: `seconds` and about 40 s more.

    A broker's Java takes that long to compile what it runs often, on the cores the worker needs.

    Raises UserError `contender-failed` when the worker ends or an answer is missing.
    """
    with start(site) as running:
        probe = asyncio.run(_run(site, running, seconds, rate_per_s))
        running.stop()
    first, last = probe.measured
    waits = Waits((probe.read_s[n] - probe.sent_s[n]) * 1000 for n in range(first, last))
    sending_s = probe.sent_s[last - 1] - probe.sent_s[first]
    return Latency(
        system=system,
        guarantee=site.guarantee,
        events=len(waits),
        rate_per_s=(len(waits) - 1) / sending_s,
        p50_ms=waits.share(50),
        p99_ms=waits.share(99),
        max_ms=waits.share(100),
        cores=running.cpu_s(*probe.between_ms) / ((probe.between_ms[1] - probe.between_ms[0]) / 1000),
        peak_rss_mb=running.peak_rss_bytes / 2**20,
        repeated=probe.repeated,
    )


async def _run(site: Site, running: Contender, seconds: int, rate_per_s: int) -> _Probe:
    probe = _Probe()
    async with opened_line(site, running, [OUTPUT], probe.hear) as line:
        await probe.send(line, 1, rate_per_s)
        await probe.answered(line, READY_TIMEOUT_S)
        await probe.send(line, WARM_UP_S * rate_per_s, rate_per_s)
        first, started_ms = len(probe.sent_s), time.time() * 1000
        await probe.send(line, seconds * rate_per_s, rate_per_s)
        probe.measured = (first, len(probe.sent_s))
        probe.between_ms = (started_ms, time.time() * 1000)
        await probe.answered(line, ANSWER_TIMEOUT_S)
    return probe


def first_activity(number: int) -> Activity:
    """The first activity, now, of a member of its own."""
    return Activity(
        event_id=f"e{number}",
        member_id=f"m{number:07d}",
        occurred_at=time.time_ns() // 1_000_000,
        type="article.read",
        channel="APP",
    )


class _Probe:
    """Sends numbered events and notes when the output of each is read.

    `sent_s` and `read_s` are by number, on one monotonic clock; `measured` is the range of numbers that counts and
    `between_ms` the instants (epoch) around its sending.
    """

    def __init__(self) -> None:
        self.sent_s: list[float] = []
        self.read_s: dict[int, float] = {}
        self.repeated = 0
        self.measured = (0, 0)
        self.between_ms = (0.0, 0.0)

    async def send(self, line: Line, count: int, rate_per_s: int) -> None:
        """Send the next `count` events, evenly spread."""
        numbers = range(len(self.sent_s), len(self.sent_s) + count)
        self.sent_s += await line.send_evenly((partial(first_activity, n) for n in numbers), rate_per_s)

    def hear(self, opened: Any, read_s: float) -> None:
        """Note one answer."""
        number = int(opened.cause.removeprefix("e"))
        self.repeated += number in self.read_s
        self.read_s.setdefault(number, read_s)

    async def answered(self, line: Line, timeout_s: float) -> None:
        """Until everything sent has been answered. Raises UserError `contender-failed`."""
        await line.until(
            lambda: len(self.read_s) >= len(self.sent_s),
            timeout_s,
            lambda: f"{len(self.sent_s) - len(self.read_s)} of {len(self.sent_s)} events had no output",
        )
