"""Scores of a member: numbers by name, and the ledger of every change (contract 6.2).

A change is asked for, by a command or by a playbook, and made when its turn comes: each change is first seen by
everybody who listens to that score, then the next is made. So a change asked for by whoever saw one is queued behind
it, one deeper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.outputs import ScoreChanged

if TYPE_CHECKING:
    from app.domain.events import ScoreCommand
    from app.domain.playbook import Playbook
    from app.domain.turn import Turn

LOWEST = -(1 << 63)
HIGHEST = (1 << 63) - 1
"""A score is a long wherever it is written; a change that would leave that range ends at its edge."""

DEEPEST = 8
"""Depth of the deepest change that is made; one from outside is of depth 0."""

MOST_CHANGES = 1_000
"""Made for one record or timer. Depth alone would not bound what playbooks do that all answer each other."""


class Clamp(NamedTuple):
    """The bounds within which every change of a score keeps it."""

    floor: int = LOWEST
    ceiling: int = HIGHEST


UNCLAMPED = Clamp()


class Asked(NamedTuple):
    """A change asked for.

    Attributes:
        playbook: who asks; None: a command.
        score: its name.
        operation: ADD, SUBTRACT, SET or CLEAR.
        points: 0 or more, for SET any; None for CLEAR.
        reason: for the ledger.
        depth: 0 from outside, else one more than the change it answers.
        brought: whether a merged member brings it: then 0, too, is more than empty.
    """

    playbook: Playbook | None
    score: str
    operation: str
    points: int | None
    reason: str | None
    depth: int = 0
    brought: bool = False


class ScoreChange(NamedTuple):
    """A change that was made, as those see it who listen to the score; None stands for empty."""

    score: str
    before: int | None
    after: int | None
    depth: int


def note_score(turn: Turn, command: ScoreCommand) -> None:
    """A command asks for a change."""
    points = None if command.operation == "CLEAR" else command.points
    turn.asked.append(Asked(None, command.score, command.operation, points, command.reason))


def take_over_scores(turn: Turn, scores: dict[str, int]) -> None:
    """A member merged into this one brings its scores: each that is not empty is added (contract 5, `merged_into`)."""
    for score, points in sorted(scores.items()):
        turn.asked.append(Asked(None, score, "ADD", points, "merged", brought=True))
    settle_scores(turn)


def settle_scores(turn: Turn) -> None:
    """Make every change asked for, and those asked for by whoever sees one, in order. Called before a turn goes on.

    What would lie deeper than 8, or beyond the thousandth, is refused: dead letter `cascade_limit`.
    """
    asked = turn.asked
    made = 0
    for ask in asked:  # grows while it is walked
        before = _value(turn, ask.score)
        after = result_of(turn, ask, before)
        if after == before:
            continue
        if ask.depth > DEEPEST or made == MOST_CHANGES:
            turn.sink.refuse("cascade_limit", _too_deep(turn, ask, made))
            if made == MOST_CHANGES:
                break
            continue
        made += 1
        _make(turn, ask, before, after)
        change = ScoreChange(ask.score, before, after, ask.depth)
        for react in turn.playbooks.score_reactions(change):
            react(turn, change)
    asked.clear()


def _value(turn: Turn, score: str) -> int | None:
    scores = turn.hot.scores
    return None if scores is None else scores.get(score)


def result_of(turn: Turn, ask: Asked, before: int | None) -> int | None:
    """What the score is after the change; the same as before when it changes nothing (contract 6.2)."""
    points = ask.points
    if points is None:
        return None
    if ask.operation == "SET":
        after = points
    elif points == 0 and not (ask.brought and before is None):
        return before
    else:
        after = (before or 0) + (points if ask.operation == "ADD" else -points)
    clamp = turn.playbooks.clamp(ask.score)
    return max(clamp.floor, min(clamp.ceiling, after))


def _make(turn: Turn, ask: Asked, before: int | None, after: int | None) -> None:
    hot = turn.hot
    scores = hot.scores or {}
    if after is None:
        del scores[ask.score]
    else:
        scores[ask.score] = after
    hot.scores = scores or None
    turn.page_changed = True
    turn.emit(
        ScoreChanged,
        ask.playbook,
        score=ask.score,
        operation=ask.operation,
        points=ask.points,
        before=before,
        after=after,
        reason=ask.reason,
    )


def _too_deep(turn: Turn, ask: Asked, made: int) -> str:
    who = "a command" if ask.playbook is None else f"playbook {ask.playbook.name!r}"
    change = ask.operation if ask.points is None else f"{ask.operation} {ask.points}"
    limit = f"depth {ask.depth}" if ask.depth > DEEPEST else f"change {made + 1} for one record"
    return (
        f"{change} on score {ask.score!r} of {turn.member.key!r}, asked for by {who}, caused by {turn.cause!r}, would be {limit};"
        f" at most depth {DEEPEST} and {MOST_CHANGES} changes are made: do playbooks answer each other's changes?"
    )
