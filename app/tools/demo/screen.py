"""What the demo prints: steps, what comes out while it comes, and at the end what happened and where to look next.

On a terminal with colours and a line of progress; elsewhere, as in the log of a build, plain lines.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from app.domain.outputs import DeadLetter, MemberSnapshot
from app.tools.demo.narration import counted, day, decisions, describe, listed
from app.tools.piped_console import PipedConsole
from app.wire.topics import INPUTS_IN_ORDER, load_topics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.status import Status

    from app.domain.outputs import AnyOutput, Output
    from app.tools.demo.script import Character, Delivery

_PLAIN_WIDTH = 120
_ROOMY_WIDTH = 100
_DECISION_WIDTH = 47
_SPARINGLY_S = 2.0
_WEEK_MS = 7 * 24 * 3_600_000
_COLOURS = {
    "tag-changed": "yellow",
    "workflow-opened": "green",
    "workflow-resolved": "cyan",
    "transfer-failed": "magenta",
    "nudge": "blue",
    "dead-letter": "red",
}


class Screen:
    """Standard output, for one demo of these characters."""

    def __init__(self, characters: Sequence[Character]) -> None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        width = None if sys.stdout.isatty() else _PLAIN_WIDTH
        self.console = PipedConsole(width=width, highlight=False)
        self._started_s = time.monotonic()
        self._first_output_s: float | None = None
        self._characters = characters
        self._names = {character.member_id: character.name for character in characters}

    def say(self, text: str) -> None:
        """Print a line; markup is shown as it stands."""
        self.console.print(escape(text))

    def heading(self, text: str) -> None:
        """Print a line that begins a part."""
        self.console.print(f"\n[bold]{escape(text)}[/bold]")

    @contextmanager
    def step(self, doing: str) -> Iterator[Step]:
        """Show that something is being done, and when it is done a line with what came of it."""
        started_s = time.monotonic()
        with self.console.status(escape(doing)) as status:
            step = Step(self, status)
            yield step
        seconds = time.monotonic() - started_s
        self.console.print(f"  [green]✓[/green] {escape(step.result):<84} [dim]{seconds:4.1f} s[/dim]")

    @contextmanager
    def live(self, events: int, began_ms: int) -> Iterator[Live]:
        """Show what goes in and comes out while it does; `began_ms` is the story's first instant."""
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=40))
        with Progress(
            *columns, console=self.console, transient=True, disable=not self.console.is_terminal
        ) as bar:
            yield Live(self, bar, bar.add_task("", total=events), began_ms)

    def output(self, output: AnyOutput) -> None:
        """Print one output record; the pages of members are not for reading here."""
        if isinstance(output, MemberSnapshot):
            return
        if self._first_output_s is None:
            self._first_output_s = time.monotonic() - self._started_s
        member_id = output.key if isinstance(output, DeadLetter) else output.member_id
        name = self._names.get(member_id or "", member_id or "")
        topic, at_ms = output.topic, output.occurred_at
        when = "" if at_ms is None else f"{day(at_ms)} {datetime.fromtimestamp(at_ms / 1000, UTC):%H:%M}"
        colour = _COLOURS.get(topic, "magenta")
        self.console.print(
            f"  {when:>12}  {escape(name):<15} [{colour}]{topic:<18}[/{colour}] {escape(describe(output))}",
            overflow="ellipsis",
            no_wrap=True,
        )

    def table(self, outputs: Sequence[Output | DeadLetter]) -> None:
        """Print what happened to each member."""
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("member", style="bold", no_wrap=True)
        table.add_column("what they did", ratio=1)
        roomy = self.console.width >= _ROOMY_WIDTH
        table.add_column("what Reengage decided", ratio=1, min_width=_DECISION_WIDTH if roomy else None)
        for character in self._characters:
            own = [output for output in outputs if _member_of(output) == character.member_id]
            table.add_row(character.name, escape(character.did), escape("\n".join(decisions(own))))
        self.console.print(table)

    def counts(self, sent: Sequence[Delivery], outputs: Sequence[AnyOutput]) -> None:
        """Print how many events went in and how many records of each output came out."""
        by_input = Counter(delivery.topic for delivery in sent)
        by_output = Counter(output.topic for output in outputs)
        inputs = [(topic, by_input[topic]) for topic in INPUTS_IN_ORDER if by_input[topic]]
        declared = [topic.name for topic in load_topics().values() if topic.role == "output"]
        came = [(topic, by_output[topic]) for topic in declared if by_output[topic]]
        self.console.print(f"  [bold]in[/bold]   {counted(len(sent), 'event')}: {listed(inputs)}")
        self.console.print(f"  [bold]out[/bold]  {counted(len(outputs), 'record')}: {listed(came)}")

    def timing(self) -> None:
        """Print how long it took."""
        if self._first_output_s is not None:
            seconds = time.monotonic() - self._started_s
            self.say(f"  The first output came after {self._first_output_s:.1f} s; all took {seconds:.1f} s.")

    def commands(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print commands, each with what it does."""
        width = max(len(command) for command, does in rows if does)
        for command, does in rows:
            text = f"  [bold]{escape(command.ljust(width) if does else command)}[/bold]"
            self.console.print(f"{text}  {escape(does)}" if does else text, soft_wrap=True)


class Step:
    """Something that is being done. Set `result` to what came of it."""

    def __init__(self, screen: Screen, status: Status) -> None:
        self.result = ""
        self._screen = screen
        self._status = status
        self._said_s = 0.0

    def progress(self, text: str) -> None:
        """Say how far it is; where each time takes a line of its own, not all too often."""
        now_s = time.monotonic()
        if self._screen.console.is_terminal:
            self._status.update(escape(text))
        elif now_s - self._said_s > _SPARINGLY_S:
            self._said_s = now_s
            self._screen.say(f"  {text}")


class Live:
    """The part of the screen that moves."""

    def __init__(self, screen: Screen, bar: Progress, task: TaskID, began_ms: int) -> None:
        self._screen = screen
        self._bar = bar
        self._task = task
        self._began_ms = began_ms
        self._week = 0
        self._sent = 0
        self._came = 0

    def sent(self, delivery: Delivery) -> None:
        """An event went in."""
        week = (delivery.arrived_ms - self._began_ms) // _WEEK_MS + 1
        if week > self._week:
            self._week = week
            if self._sent and not self._screen.console.is_terminal:
                self._screen.say(f"week {week}, {self._totals()} so far")
        self._sent += 1
        self._show()

    def came(self, output: AnyOutput) -> None:
        """An output came out."""
        if not isinstance(output, MemberSnapshot):
            self._came += 1
            self._screen.output(output)
            self._show()

    def _show(self) -> None:
        self._bar.update(
            self._task, completed=self._sent, description=f"week {self._week:2}: {self._totals()}"
        )

    def _totals(self) -> str:
        return f"{counted(self._sent, 'event')} in, {counted(self._came, 'output')} out"


def _member_of(output: Output | DeadLetter) -> str | None:
    return output.key if isinstance(output, DeadLetter) else output.member_id
