"""How many silent entities one batch may wake, a slice of them at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.domain.engine import Engine

SLICE_WAKES = 50
"""Silent entities woken, after which there is a pause for others: some 3 ms of work."""


class Wakes:
    """What is left of a batch's, of which the engine is given one slice after the other.

    How they are sliced changes nothing but when others may go on: no record is applied before all that are due, and allowed, are woken.
    """

    def __init__(self, engine: Engine[Any]) -> None:
        self._engine = engine
        self._later = 0

    def allow(self, wakes: int) -> None:
        """So many in this batch, from here on."""
        self._engine.wakes_left = min(wakes, SLICE_WAKES)
        self._later = wakes - self._engine.wakes_left

    def more(self) -> bool:
        """Whether a slice has been woken and another is allowed. The engine then has it: time is to be moved there again."""
        if self._engine.wakes_left > 0 or self._later <= 0:
            return False
        self.allow(self._later)
        return True

    @property
    def left(self) -> int:
        """How many more this batch may wake."""
        return self._engine.wakes_left + self._later
