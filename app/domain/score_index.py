"""Who of all that listen to a score is concerned by one change of it.

Of two hundred playbooks that listen to one score most wait for it to get somewhere else. The edges of all their
conditions cut the numbers into stretches; whoever is concerned by a change depends only on the stretches it leads from
and to, and is worked out once for each pair of them.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from app.domain.reactivation import Reactivation
from app.domain.score_playbook import ScorePlaybook

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.playbook import Playbook
    from app.domain.turn import Turn

    Reaction = Callable[[Turn, Any], None]

MOST_PAIRS = 10_000
"""Kept at a time; the members of a day have far fewer."""

_Selective = ScorePlaybook | Reactivation
"""Playbooks that know which changes concern them: those of conditions and thresholds."""

_EMPTY = -1
"""The stretch of an empty score."""


class ScoreIndex:
    """The listeners of one score, in the order in which they act. All are added before anybody is asked for."""

    def __init__(self) -> None:
        self._listeners: list[tuple[Playbook, Reaction]] = []
        self._edges: list[int] = []
        self._concerned: dict[tuple[int, int], tuple[Reaction, ...]] = {}

    def add(self, playbook: Playbook, reaction: Reaction) -> None:
        """Add a listener behind the others."""
        self._listeners.append((playbook, reaction))
        if isinstance(playbook, _Selective):
            self._edges = sorted({*self._edges, *playbook.edges})

    def concerned(self, before: int | None, after: int | None) -> tuple[Reaction, ...]:
        """Who is to see a change; None stands for empty. Playbooks left out would do nothing about it."""
        pair = self._stretch(before), self._stretch(after)
        found = self._concerned.get(pair)
        if found is None:
            if len(self._concerned) >= MOST_PAIRS:
                self._concerned.clear()
            found = self._concerned[pair] = tuple(
                reaction
                for playbook, reaction in self._listeners
                if not isinstance(playbook, _Selective) or playbook.is_concerned(before, after)
            )
        return found

    def _stretch(self, value: int | None) -> int:
        return _EMPTY if value is None else bisect_right(self._edges, value)
