"""Live events beside something else, such as a wave: what they were answered in, before it and in it."""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from bench.latency import ANSWER_TIMEOUT_S, READY_TIMEOUT_S, Latency
from bench.live import Waits
from bench.report import Report, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.domain.events import Input
    from bench.live import Line
    from bench.process import Contender
    from bench.site import Site

WANTED_P99_MS = 250


class LiveEvents:
    """First activities, `e0`, `e1` and so on, and the workflow-opened of each; perf_counter seconds by their number.

    `repeated` counts outputs that came more than once.
    """

    def __init__(self) -> None:
        self.sent_s: list[float] = []
        self.read_s: dict[int, float] = {}
        self.repeated = 0
        self._epoch_s = time.time() - time.perf_counter()

    def answered(self, opened: Any, read_s: float) -> None:
        """Note the answer to a live event."""
        number = int(opened.cause.removeprefix("e"))
        self.repeated += number in self.read_s
        self.read_s.setdefault(number, read_s)

    async def begin(self, line: Line, event: Callable[[], Input], rate: int) -> None:
        """Send the first event and wait for its answer. Raises UserError `contender-failed`."""
        self.sent_s += await line.send_evenly([event], rate)
        await line.until(lambda: bool(self.read_s), READY_TIMEOUT_S, lambda: "nothing was answered")

    async def go_on(self, line: Line, events: Iterable[Callable[[], Input]], rate: int) -> None:
        """Send the others, evenly, and wait for all answers. Raises UserError `contender-failed`."""
        self.sent_s += await line.send_evenly(events, rate)
        await line.until(
            lambda: len(self.read_s) >= len(self.sent_s),
            ANSWER_TIMEOUT_S,
            lambda: f"{len(self.sent_s) - len(self.read_s)} live events had no output",
        )

    def first_from(self, at_s: float) -> int:
        """Number of the first event that was sent then or later."""
        return bisect_left(self.sent_s, at_s)

    def epoch_ms(self, at_s: float) -> float:
        """The wall clock's time."""
        return (at_s + self._epoch_s) * 1000

    def tell(
        self, report: Report, site: Site, running: Contender, windows: Iterable[tuple[str, int, int]]
    ) -> None:
        """Put the waits of each window (name, first and last number, exclusive) into the report, and what is wanted of the last."""
        report.latency_title = "Live events, send to read_committed"
        for system, first, last in windows:
            waits = Waits.between(
                self.sent_s[first:last], (self.read_s[number] for number in range(first, last))
            )
            from_ms, to_ms = self.epoch_ms(self.sent_s[first]), self.epoch_ms(self.sent_s[last - 1])
            report.latencies.append(
                Latency(
                    system=system,
                    guarantee=site.guarantee,
                    events=len(waits),
                    rate_per_s=len(waits) / ((to_ms - from_ms) / 1000),
                    p50_ms=waits.share(50),
                    p99_ms=waits.share(99),
                    max_ms=waits.share(100),
                    cores=running.cpu_s(from_ms, to_ms) / ((to_ms - from_ms) / 1000),
                    peak_rss_mb=running.peak_rss_bytes / 2**20,
                    repeated=self.repeated,
                )
            )
        p99_ms = report.latencies[-1].p99_ms
        report.promises.append(Target("live p99 ms", p99_ms, f"< {WANTED_P99_MS}", p99_ms < WANTED_P99_MS))
