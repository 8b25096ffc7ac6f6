"""`reengage simulate`: events in, what would come out, without Kafka (contract 7, and 8 under simulate and Lines)."""

from __future__ import annotations

import logging
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.domain.engine import TimerFailed
from app.domain.errors import UserError
from app.domain.outputs import DeadLetter, MemberSnapshot, Output
from app.domain.sink import PageGone, Refused
from app.playbooks.loader import load_playbooks
from app.tools.event_file import check_output, open_events
from app.tools.world import MEMBERS, World
from app.wire.bad_record import BadRecord, trace_of
from app.wire.instants import parse_instant
from app.wire.lines import BadLine, Clock, Line, format_record, parse_line
from app.wire.topics import RANK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from app.domain.engine import Mark
    from app.domain.playbook_set import PlaybookSet

log = logging.getLogger(__name__)

DEFAULT_GRACE_MS = 2_000


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
        UserError: `bad-instant`, `unreadable-file`, `closed-output`. UserErrors: what is wrong with the playbooks.
    """
    check_output()
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

    As the worker does, it decides again without a record, or an entity's timers, in which the rules failed by a bug of
    ours; in a world that is watched such a bug is raised, for what was told cannot be taken back.
    """
    good: list[Line | Clock] = []
    bad: list[DeadLetter] = []
    for line in _read(lines, until_ms, in_order=in_order):
        if isinstance(line, BadLine):
            bad.append(line.letter)
        else:
            good.append(line)
    left_alone: set[str] = set()
    while True:
        played = _Simulation(
            world or World(playbooks, grace_ms, left_alone=left_alone), bad, in_order=in_order
        )
        try:
            return played.play(good, until_ms)
        except UserError:
            raise
        except Exception as bug:
            if world is not None:
                raise
            if isinstance(bug, TimerFailed) and bug.key not in left_alone:
                log.exception("%s: the rules failed in a timer, which is left alone", bug.key)
                left_alone.add(bug.key)
            elif (spoilt := played.last) is not None:
                log.exception("line %d: the rules failed", spoilt.number)
                letter = spoilt.dead_letter("internal", "")
                # Not given with it: a message is cut where it is long, and of a trace the end says most.
                letter.message = trace_of(bug)
                bad.append(letter)
                good.remove(spoilt)
            else:
                raise


def _read(
    lines: Iterable[str | bytes], until_ms: int | None, *, in_order: bool
) -> Iterator[Line | Clock | BadLine]:
    """The lines up to the end, those that are blank left out."""
    for number, text in enumerate(lines, 1):
        line: Line | Clock | BadLine | None
        try:
            line = parse_line(text, number, internal=in_order)
        except BadLine as bad:
            line = bad
        if line is None:
            continue
        stands_ms = place_ms(line, in_order=in_order)
        if until_ms is None or stands_ms is None or stands_ms <= until_ms:
            yield line


def place_ms(line: Line | Clock | BadLine, *, in_order: bool) -> int | None:
    """Where in time a line stands; a clock line at the last instant to which it takes everyone. None: nobody knows."""
    if in_order:
        return line.occurred_at
    if isinstance(line, Clock):
        return max(line.arrived_at, line.occurred_at)
    return line.arrived_at


class _Simulation:
    """One run over the lines. `last` is the record that was being applied, or the one before."""

    def __init__(self, world: World, bad: list[DeadLetter], *, in_order: bool) -> None:
        self._world = world
        self._in_order = in_order
        self._dead_letters = list(bad)
        self._outputs: list[Output] = []
        self._snapshots: dict[str, MemberSnapshot] = {}
        self.last: Line | None = None

    def play(self, lines: list[Line | Clock], until_ms: int | None) -> Simulated:
        """All of it; what came out."""
        if self._in_order:
            self.play_as_they_stand(lines)
        else:
            self.play_by_arrival(lines)
        self.end(until_ms)
        return self.result()

    def play_by_arrival(self, lines: list[Line | Clock]) -> None:
        """Every line moves time for everyone to its arrived_at, and is then applied."""
        world = self._world
        for line in sorted(lines, key=_arrival):
            world.move_time(line.arrived_at)
            if isinstance(line, Clock):
                world.move_time(line.occurred_at)
                self._take()
            else:
                self._apply(line)

    def play_as_they_stand(self, lines: list[Line | Clock]) -> None:
        """Every line moves time to its occurred_at: its partition's, or everyone's if it names none."""
        marks = _marks(lines)
        world = self._world
        for (processor, number), ahead in marks.items():
            world.limit(processor, number, ahead[0])
        for line in lines:
            partition = line.partition
            if isinstance(line, Line):
                if partition is None:
                    world.move_time(line.occurred_at)
                else:
                    world.move_partition(line.record, partition)
                self._apply(line, partition)
            elif partition is not None and line.mark_due is not None:
                processor = line.processor or MEMBERS
                ahead = marks[processor, partition]
                world.fire_to(processor, partition, ahead.popleft(), line.occurred_at)
                world.limit(processor, partition, ahead[0] if ahead else None)
            else:
                world.pass_time(line.occurred_at, partition)
            self._take()

    def end(self, until_ms: int | None) -> None:
        """Nothing more comes, until an instant if one is given."""
        self._world.end_instant()
        if until_ms is not None:
            self._world.pass_time(until_ms)
        self._take()

    def result(self) -> Simulated:
        """Everything, in order."""
        self._dead_letters.sort(key=lambda letter: letter.source_line or 0)
        self._outputs.sort(key=lambda output: (output.occurred_at, output.member_id, output.sequence))
        snapshots = [snapshot for _, snapshot in sorted(self._snapshots.items())]
        return Simulated(self._dead_letters, self._outputs, snapshots)

    def _apply(self, line: Line, partition: int | None = None) -> None:
        self.last = line
        self._world.apply(line.record, partition)
        self._take()

    def _take(self) -> None:
        """Sort what one line has set off."""
        for output in self._world.take():
            if isinstance(output, MemberSnapshot):
                self._snapshots[output.member_id] = output
            elif isinstance(output, PageGone):
                self._snapshots.pop(output.member_id, None)
            elif not isinstance(output, Refused):
                self._outputs.append(output)
            elif self.last is not None:
                self._dead_letters.append(self.last.dead_letter(output.error, output.message))


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


def _parse_until(text: str) -> int:
    try:
        return parse_instant(text, "--until")
    except BadRecord as bad:
        hint = "write it as 2026-01-05T10:00:00Z"
        raise UserError("bad-instant", "--until", f"{text!r} is no instant", hint) from bad


def _print(records: Iterable[Any]) -> None:
    write = sys.stdout.write
    for record in records:
        write(format_record(record.topic, record) + "\n")
