"""How far a replay is, how fast it goes and when it will be done: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType

LINE_EVERY_S = 10.0


class _Rate(ProgressColumn):
    """Records a second."""

    def render(self, task: Task) -> Text:
        """Called by rich for each refresh."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


class Meter:
    """Told of every record done; prints to standard error, so that a diff's output stays clean. A context manager."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._terminal = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} records"),
            _Rate(),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not self._terminal,
        )
        self._task: TaskID | None = None
        self._what = ""
        self._total = self._done = self._already = 0
        self._started_s = self._printed_s = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away: what comes now is the result."""
        self._progress.stop()

    def begin(self, what: str, total: int, already: int = 0) -> None:
        """A stage of `total` records begins, `already` of which an earlier call has done."""
        self._what, self._total, self._done, self._already = what, total, already, already
        self._started_s = self._printed_s = time.monotonic()
        if self._task is not None:
            self._progress.update(self._task, visible=False)
        self._task = self._progress.add_task(what, total=total, completed=already)

    def done(self, records: int) -> None:
        """So many more are done."""
        self._done += records
        if self._task is not None:
            self._progress.update(self._task, completed=self._done)
        now_s = time.monotonic()
        if not self._terminal and now_s - self._printed_s >= LINE_EVERY_S:
            self._printed_s = now_s
            print(self._line(now_s), file=sys.stderr, flush=True)

    def end(self) -> None:
        """The stage is over; says what it came to."""
        if self._task is not None:
            self._progress.update(self._task, completed=self._total)
            self._progress.remove_task(self._task)
            self._task = None
        span_s = time.monotonic() - self._started_s
        records = self._done - self._already
        rate = f", {records / span_s:,.0f}/s" if span_s >= 1 else ""
        self.say(f"{self._what}: {records:,} records in {span_s:.1f} s{rate}")

    def say(self, text: str) -> None:
        """Print a line beside the bar."""
        if self._terminal:
            self._progress.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def _line(self, now_s: float) -> str:
        rate = (self._done - self._already) / (now_s - self._started_s)
        left_s = (self._total - self._done) / rate if rate else 0.0
        return f"{self._what}: {self._done:,} of {self._total:,} records, {rate:,.0f}/s, {left_s:.0f} s left"
