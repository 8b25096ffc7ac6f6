"""A timeline out of a file of JSON lines: all of it is simulated, and the member watched."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from app.domain.errors import UserError
from app.domain.explain.watch import WatchedMembers
from app.tools.simulate import DEFAULT_GRACE_MS, simulate
from app.tools.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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

    Raises UserError `unknown-member` when no line is about it.
    """
    refused: set[str] = set()

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
        close = get_close_matches(member_id, watched.ids, n=1)
        hint = f"did you mean {close[0]}?" if close else "ids are told apart by case; is it the right file?"
        raise UserError("unknown-member", member_id, "no line is about this member", hint)
    time_ms = world.time_ms if until_ms is None else until_ms
    return Played(watched, time_ms, bad_lines)
