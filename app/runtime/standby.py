"""A standby: the state of one unit that another worker owns, kept as that worker writes it.

It lies where the unit's owner would have it, so whoever takes the unit over opens it and restores what little it lacks.
A standby holds nothing that the changelog does not: one that is broken is dropped, and begun anew.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import shutil
import time
from typing import TYPE_CHECKING, Any

from app.runtime.restore import cannot_follow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiokafka import TopicPartition

    from app.runtime.shares import Unit
    from app.runtime.store import Store

log = logging.getLogger(__name__)

REFRESH_S = 3_600.0
"""How often a standby to which nothing comes writes down that it has everything: or its state would count as too old."""


class Phase(enum.Enum):
    """Where a standby is in its life; `MOVES` says what may follow."""

    OPENING = "opening"
    FOLLOWING = "following"
    DROPPED = "dropped"
    CLOSED = "closed"


MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.OPENING: frozenset({Phase.FOLLOWING, Phase.DROPPED, Phase.CLOSED}),
    Phase.FOLLOWING: frozenset({Phase.DROPPED, Phase.CLOSED}),
    Phase.DROPPED: frozenset({Phase.OPENING, Phase.CLOSED}),
    Phase.CLOSED: frozenset(),
}


class Standby:
    """On one worker's event loop; blocks it for as long as RocksDB takes.

    Args:
        changelog: the unit's changelog partition.
        folder: of its RocksDB.
        open_store: opens it; the folder exists.
        held: by unit, the next changelog offset of what lies on disk; this unit's entry is kept right here.

    Attributes:
        position: next changelog offset to read, once it follows.
        end: offset behind the last committed record, when that was last asked; None before.
    """

    def __init__(
        self,
        unit: Unit,
        changelog: TopicPartition,
        folder: Path,
        open_store: Callable[[], Store[Any]],
        held: dict[Unit, int],
    ) -> None:
        self.unit = unit
        self.changelog = changelog
        self.phase = Phase.OPENING
        self.position = 0
        self.end: int | None = None
        self._folder = folder
        self._open_store = open_store
        self._held = held
        self._store: Store[Any] | None = None
        self._written_s = 0.0

    def __repr__(self) -> str:
        return f"{self.unit[0]}-{self.unit[1]}"

    @property
    def next_offset(self) -> int | None:
        """Next changelog offset to apply; None while that is not known."""
        return self.position if self.phase is Phase.FOLLOWING else None

    @property
    def lag(self) -> int | None:
        """Committed changelog offsets not applied yet, by the last fetch; None while that is not known."""
        if self.phase is not Phase.FOLLOWING or self.end is None:
            return None
        return max(0, self.end - self.position)

    def open(self, begin: int, end: int) -> None:
        """Go on with what lies in the folder, or from `begin` where that cannot be caught up; `end` is the changelog's.

        Raises whatever RocksDB does where the folder cannot be opened; the standby is then to be dropped.
        """
        if self.phase is Phase.DROPPED:
            self._move(Phase.OPENING)
        self._store = self._opened()
        mark = self._store.changelog_mark()
        if cannot_follow(mark, begin, end):
            log.warning("standby of %r cannot be caught up and is rebuilt from the changelog", self)
            self._discard()
            self._store, mark = self._opened(), None
        self.position = begin if mark is None else mark.next_offset
        self.end = end
        self._held[self.unit] = self.position
        self._written_s = time.monotonic()
        self._move(Phase.FOLLOWING)

    def apply(self, records: list[tuple[bytes, bytes | None]], position: int, end: int | None) -> None:
        """Apply committed records, after which the next to read is at `position`. Raises as `open` does."""
        self.end = end
        now_s = time.monotonic()
        if self._store is None or (position == self.position and now_s - self._written_s < REFRESH_S):
            return
        self._store.restore(records, position)
        self.position = self._held[self.unit] = position
        self._written_s = now_s

    def drop(self) -> None:
        """Throw away what lies on disk."""
        self._move(Phase.DROPPED)
        self.end = None
        self._discard()

    def close(self) -> None:
        """Let go of it, for good; what lies on disk stays. Afterwards others may open it."""
        self._move(Phase.CLOSED)
        self._let_go()

    def _opened(self) -> Store[Any]:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._open_store()

    def _discard(self) -> None:
        self._held.pop(self.unit, None)
        self._let_go()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _let_go(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            # A broken RocksDB may not even close; nothing here is worth keeping then.
            with contextlib.suppress(Exception):
                store.close()

    def _move(self, phase: Phase) -> None:
        if phase not in MOVES[self.phase]:
            raise RuntimeError(f"standby of {self!r}: {self.phase.value} cannot become {phase.value}")
        self.phase = phase
