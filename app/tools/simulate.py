"""`reengage simulate`: events in, what would come out, without Kafka (contract 7, and 8 under simulate and Lines)."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from app.domain.errors import UserError
from app.domain.outputs import DeadLetter, MemberSnapshot, Output
from app.domain.sink import PageGone, Refused
from app.playbooks.loader import load_playbooks
from app.tools.world import MEMBERS, PROCESSORS, World
from app.wire.bad_record import BadRecord
from app.wire.instants import parse_instant
from app.wire.lines import BadLine, Clock, Line, format_record, parse_line
from app.wire.topics import RANK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.domain.engine import Mark
    from app.domain.playbook_set import PlaybookSet

DEFAULT_GRACE_MS = 2_000
_STDIN = "-"


@dataclass
class Simulated:
    """What came out, each list in the order in which it is printed.

    Attributes:
        dead_letters: of lines, by their number.
        outputs: by (occurred_at, member_id, sequence).
        snapshots: the last one written of each member, by member_id.
    """

    dead_letters: list[DeadLetter] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    snapshots: list[MemberSnapshot] = field(default_factory=list)


def run(
    events: Path | str,
    playbooks: Path | None,
    until: str | None = None,
    in_order: bool = False,
    snapshots: bool = False,
    grace_ms: int = DEFAULT_GRACE_MS,
) -> int:
    """Simulate a file of JSON lines (`-`: standard input) and print what comes out; 0, also with bad lines.

    Args:
        events: the file.
        playbooks: folder of playbooks, None: those shipped.
        until: ISO instant at which to end; None: at the last line's.
        in_order: apply lines as they stand.
        snapshots: also print each member's snapshot.
        grace_ms: REENGAGE_GRACE, for lines that name a partition.

    Raises:
        UserError: `bad-instant`, `unreadable-file`. UserErrors: what is wrong with the playbooks.
    """
    until_ms = None if until is None else _parse_until(until)
    compiled = load_playbooks(playbooks)
    with open_events(events) as lines:
        result = simulate(lines, compiled, until_ms=until_ms, in_order=in_order, grace_ms=grace_ms)
    _print(result.dead_letters)
    _print(result.outputs)
    if snapshots:
        _print(result.snapshots)
    return 0


def simulate(
    lines: Iterable[str | bytes],
    playbooks: PlaybookSet,
    *,
    until_ms: int | None = None,
    in_order: bool = False,
    grace_ms: int = DEFAULT_GRACE_MS,
    world: World | None = None,
) -> Simulated:
    """Play lines into a world where nothing has happened yet. Pure: the oracle of the worker's tests.

    Lines are applied by (arrived_at, topic rank, number), or as they stand; `until_ms` leaves out later ones and then
    fires the timers due by it. `grace_ms` holds for partitions, which only lines `in_order` have.
    `world`: one made for this, in which somebody is watched.
    """
    played = _Simulation(world or World(playbooks, grace_ms), in_order=in_order)
    found = played.read(lines, until_ms)
    if in_order:
        played.play_as_they_stand(found)
    else:
        played.play_by_arrival(found)
    played.end(until_ms)
    return played.result()


class _Simulation:
    """One run over the lines."""

    def __init__(self, world: World, *, in_order: bool) -> None:
        self._world = world
        self._in_order = in_order
        self._dead_letters: list[DeadLetter] = []
        self._outputs: list[Output] = []
        self._snapshots: dict[str, MemberSnapshot] = {}
        self._last: Line | None = None

    def read(self, lines: Iterable[str | bytes], until_ms: int | None) -> Iterator[Line | Clock]:
        """The good lines up to the end; the bad ones become dead letters and move nothing."""
        for number, text in enumerate(lines, 1):
            try:
                line = parse_line(text, number, internal=self._in_order)
            except BadLine as bad:
                if until_ms is None or not _is_later(bad, until_ms):
                    self._dead_letters.append(bad.letter)
                continue
            if line is None or (until_ms is not None and self._place_ms(line) > until_ms):
                continue
            if isinstance(line, Line) or line.processor in (None, *PROCESSORS):
                yield line

    def play_by_arrival(self, lines: Iterable[Line | Clock]) -> None:
        """Every line moves time for everyone to its arrived_at, and is then applied."""
        world = self._world
        for line in sorted(lines, key=_arrival):
            world.move_time(line.arrived_at)
            if isinstance(line, Clock):
                world.move_time(line.occurred_at)
            else:
                world.apply(line.record)
            self._take(line)

    def play_as_they_stand(self, lines: Iterable[Line | Clock]) -> None:
        """Every line moves time to its occurred_at: its partition's, or everyone's if it names none."""
        standing = list(lines)
        marks = _marks(standing)
        world = self._world
        for (processor, number), ahead in marks.items():
            world.limit(processor, number, ahead[0])
        for line in standing:
            partition = line.partition
            if isinstance(line, Line):
                if partition is None:
                    world.move_time(line.occurred_at)
                else:
                    world.move_partition(line.record, partition)
                world.apply(line.record, partition)
            elif partition is not None and line.mark_due is not None:
                processor = line.processor or MEMBERS
                ahead = marks[processor, partition]
                world.fire_to(processor, partition, ahead.popleft(), line.occurred_at)
                world.limit(processor, partition, ahead[0] if ahead else None)
            else:
                world.pass_time(line.occurred_at, partition)
            self._take(line)

    def end(self, until_ms: int | None) -> None:
        """Nothing more comes, until an instant if one is given."""
        self._world.end_instant()
        if until_ms is not None:
            self._world.pass_time(until_ms)
        self._take(None)

    def result(self) -> Simulated:
        """Everything, in order."""
        self._dead_letters.sort(key=lambda letter: letter.source_line or 0)
        self._outputs.sort(key=lambda output: (output.occurred_at, output.member_id, output.sequence))
        snapshots = [snapshot for _, snapshot in sorted(self._snapshots.items())]
        return Simulated(self._dead_letters, self._outputs, snapshots)

    def _place_ms(self, line: Line | Clock) -> int:
        """Where in time a line stands; a clock line there where it takes everyone."""
        return line.occurred_at if self._in_order or isinstance(line, Clock) else line.arrived_at

    def _take(self, line: Line | Clock | None) -> None:
        """Sort what one line has set off."""
        if isinstance(line, Line):
            self._last = line
        for output in self._world.take():
            if isinstance(output, MemberSnapshot):
                self._snapshots[output.member_id] = output
            elif isinstance(output, PageGone):
                self._snapshots.pop(output.member_id, None)
            elif not isinstance(output, Refused):
                self._outputs.append(output)
            elif self._last is not None:
                self._dead_letters.append(self._last.dead_letter(output.error, output.message))


def _arrival(line: Line | Clock) -> tuple[int, int, int]:
    """Where a line stands among the others; of one instant, clock lines come last, which makes no difference."""
    rank = len(RANK) if isinstance(line, Clock) else RANK[line.topic]
    return line.arrived_at, rank, line.number


def _marks(lines: list[Line | Clock]) -> dict[tuple[str, int], deque[Mark]]:
    """The marks of each processor's partitions, in their order. A mark is exclusive, and holds for the records before it too.

    For the worker may have been behind with a wave of timers, and records have overtaken them.
    """
    marks: dict[tuple[str, int], deque[Mark]] = {}
    for line in lines:
        if isinstance(line, Clock) and line.partition is not None and line.mark_due is not None:
            of = line.processor or MEMBERS, line.partition
            marks.setdefault(of, deque()).append((line.mark_due, line.mark_entity or ""))
    return marks


def _is_later(bad: BadLine, until_ms: int) -> bool:
    """Whether a bad line is known to stand behind the end; the instant of one in the future says nothing of that."""
    return bad.occurred_at is not None and bad.occurred_at > until_ms and bad.error != "in_the_future"


def _parse_until(text: str) -> int:
    try:
        return parse_instant(text, "--until")
    except BadRecord as bad:
        hint = "write it as 2026-01-05T10:00:00Z"
        raise UserError("bad-instant", "--until", f"{text!r} is no instant", hint) from bad


def open_events(events: Path | str) -> BinaryIO:
    """The file of lines, or standard input for `-`; raises UserError `unreadable-file`."""
    if str(events) == _STDIN:
        return sys.stdin.buffer
    try:
        return Path(events).open("rb")
    except OSError as error:
        raise UserError("unreadable-file", str(events), f"cannot be read: {error.strerror}") from None


def _print(records: Iterable[Any]) -> None:
    write = sys.stdout.write
    for record in records:
        write(format_record(record.topic, record) + "\n")
