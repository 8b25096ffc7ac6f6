"""A timeline out of a file of JSON lines: all of it is simulated, and the member watched."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from app.domain.errors import UserError
from app.domain.explain.watch import WatchedMembers
from app.tools.simulate import DEFAULT_GRACE_MS, place_ms, simulate
from app.tools.world import World
from app.wire.instants import format_instant
from app.wire.lines import BadLine, Clock, parse_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from app.domain.explain.step import Step
    from app.domain.outputs import DeadLetter
    from app.domain.playbook_set import PlaybookSet


class Played(NamedTuple):
    """The member after the last step, the instant reached, and the lines of its that are no valid record."""

    watched: WatchedMembers
    time_ms: int
    bad_lines: list[DeadLetter]


def play_file(
    lines: Iterable[str | bytes],
    playbooks: PlaybookSet,
    member_id: str,
    tell: Callable[[Step], None],
    *,
    until_ms: int | None = None,
    in_order: bool = False,
    grace_ms: int = DEFAULT_GRACE_MS,
) -> Played:
    """Simulate the lines as `simulate` does, and tell the steps of one member.

    Raises UserError `unknown-member` when no line is about it, or none of those up to `until_ms`.
    """
    refused: set[str] = set()
    places: list[int] = []
    if until_ms is not None:
        lines = _noted(lines, member_id, places, in_order=in_order)

    def noted(step: Step) -> None:
        refused.add(step.detail)
        tell(step)

    watched = WatchedMembers(playbooks, member_id)
    watched.tell = noted
    world = World(playbooks, grace_ms, watched)
    result = simulate(lines, playbooks, until_ms=until_ms, in_order=in_order, grace_ms=grace_ms, world=world)
    bad_lines = [
        letter
        for letter in result.dead_letters
        if letter.key == member_id and not any(letter.message in detail for detail in refused)
    ]
    if member_id not in watched.ids and not bad_lines:
        if places:
            problem = f"no line about this member is as early as --at; the first is of {format_instant(min(places))}"
            raise UserError("unknown-member", member_id, problem, "name that instant, or a later one")
        close = get_close_matches(member_id, watched.ids, n=1)
        hint = f"did you mean {close[0]}?" if close else "ids are told apart by case; is it the right file?"
        raise UserError("unknown-member", member_id, "no line is about this member", hint)
    time_ms = world.time_ms if until_ms is None else until_ms
    return Played(watched, time_ms, bad_lines)


def _noted(
    lines: Iterable[str | bytes], member_id: str, places: list[int], *, in_order: bool
) -> Iterator[str | bytes]:
    """The same lines; where in time those about a member stand is noted in `places`, however late that is."""
    written = (member_id.encode("utf-8", "surrogateescape"), json.dumps(member_id)[1:-1].encode())
    for number, text in enumerate(lines, 1):
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        # Reading every line twice would take twice as long.
        if any(each in raw for each in written):
            stands_ms = _place_of(raw, number, member_id, in_order=in_order)
            if stands_ms is not None:
                places.append(stands_ms)
        yield text


def _place_of(text: bytes, number: int, member_id: str, *, in_order: bool) -> int | None:
    """Where in time a line stands; None if it is not about the member, or nobody knows."""
    try:
        line = parse_line(text, number, internal=in_order)
    except BadLine as bad:
        return place_ms(bad, in_order=in_order) if bad.letter.key == member_id else None
    if line is None or isinstance(line, Clock):
        return None
    about = (getattr(line.record, "member_id", None), getattr(line.record, "merged_into", None))
    return place_ms(line, in_order=in_order) if member_id in about else None
