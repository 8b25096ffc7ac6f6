"""Order: which timer fires before which record (contract 5).

One engine drives the entities of one partition (a worker) or of everything (`simulate`). It is handed records in
merged order and instants of partition time, and calls the core. What it does depends on these calls and on the stored
entities alone, so the same calls give the same outputs, however they were cut into batches.

Two times are kept apart. An entity's own `now` moves with its records and timers. The partition's time moves with
every record of the partition and, when all is drained, with the wall clock; it fires the timers of entities that
stay silent, `grace_ms` behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from app.domain.entity import NEVER_MS, Core, Deadlines, Entities, Entity, StoreError
from app.domain.errors import UserError

if TYPE_CHECKING:
    from app.domain.sink import Sink

Mark = tuple[int, str]
"""(due_ms, key), exclusive: every timer of an entity before it, in that order, has fired."""

START: Mark = (0, "")

NO_BUGS = (StoreError, UserError, OSError)
"""What may come out of the rules and is no bug in them: a state that cannot be read or is of a newer Reengage, or what the system
refuses, be it a standard output."""

E = TypeVar("E", bound=Entity)


class TimerFailed(Exception):  # noqa: N818  it says what happened
    """A silent entity's timers raised: a bug in the rules. `key` names the entity, `__cause__` the bug."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Engine(Generic[E]):
    """Applies records and fires timers of one partition's entities, in order.

    `time_ms` is the partition's time and `mark` how far silent entities' timers have fired; both only grow and are
    restored by whoever opens the partition. `wakes_left` bounds the entities woken until it is set again: a wave of
    deadlines is worked off in slices, between which records go on.
    """

    def __init__(
        self,
        core: Core[E],
        entities: Entities[E],
        deadlines: Deadlines,
        sink: Sink,
        *,
        grace_ms: int = 0,
        time_ms: int = 0,
        mark: Mark = START,
    ) -> None:
        self.core = core
        self.entities = entities
        self.deadlines = deadlines
        self.sink = sink
        self.grace_ms = grace_ms
        self.time_ms = time_ms
        self.mark = mark
        self.wakes_left = NEVER_MS
        self.spoilt: set[str] = set()
        """Entities whose timers raised: they hold up nobody else, and are tried again by whoever opens the partition."""
        self.ceiling: Mark | None = None
        """A recorded mark that silent timers must not pass: how a replay repeats a live batch that was cut short."""

    def move_time(self, time_ms: int) -> None:
        """The partition's time has reached `time_ms` (earlier than before: no change); fires what that makes due.

        Fires the timers with due + grace <= time of all entities in order of (due, key), until `wakes_left` is used
        up; the rest is left for the next call. Called before each record and when the wall clock has moved.
        """
        self.time_ms = max(self.time_ms, time_ms)
        due_ms = self.time_ms - self.grace_ms
        if due_ms < self.mark[0]:
            return
        bound = (due_ms + 1, "")
        if self.ceiling is not None and self.ceiling < bound:
            bound = self.ceiling
        if bound <= self.mark:
            return
        first = self.deadlines.first
        while (entry := first()) is not None and entry < bound:
            if self.wakes_left <= 0:
                self.mark = max(self.mark, entry)
                return
            if entry[1] in self.spoilt:
                self.deadlines.skip()
                continue
            self.wakes_left -= 1
            self.deadlines.pop()
            self._wake(entry)
        self.mark = bound

    def apply(self, key: str, record: object) -> None:
        """Apply one record to the entity `key`, after its own timers due by then. The caller has moved time first."""
        core = self.core
        entity = self.entities.get(key)
        if entity is None:
            entity = core.new(key)
        elif entity.armed_for != core.playbooks_hash:
            self.rearm(entity)
        if not core.apply(entity, record, self.sink):
            return
        self.entities.keep(entity)
        self._settle(entity)

    def rearm(self, entity: E) -> None:
        """Bring an entity under the current playbooks: when it is met, or by the sweep that visits silent ones."""
        if entity.armed_for == self.core.playbooks_hash:
            return
        self.core.rearm(entity, self.sink)
        self.entities.keep(entity)
        self._settle(entity)

    def _wake(self, entry: Mark) -> None:
        """Fire what an index entry stands for. An entry the entity has outgrown only moves to where it now belongs."""
        due_ms, key = entry
        entity = self.entities.get(key)
        if entity is None or entity.indexed_due_ms != due_ms:
            return
        entity.indexed_due_ms = NEVER_MS
        try:
            if entity.armed_for != self.core.playbooks_hash:
                self.core.rearm(entity, self.sink)
            if self.core.next_due_ms(entity) <= due_ms:
                self.core.fire(entity, due_ms, self.sink)
            self.entities.keep(entity)
            self._settle(entity)
        except NO_BUGS:
            raise
        except Exception as bug:
            raise TimerFailed(key) from bug

    def _settle(self, entity: E) -> None:
        """Leave no timer of the entity behind the mark, and none without an index entry at or before it."""
        next_due_ms = self.core.next_due_ms(entity)
        mark_ms, mark_key = self.mark
        if next_due_ms <= mark_ms:
            behind_ms = mark_ms if entity.key < mark_key else mark_ms - 1
            if next_due_ms <= behind_ms:
                self.core.fire(entity, behind_ms, self.sink)
                next_due_ms = self.core.next_due_ms(entity)
        if next_due_ms < entity.indexed_due_ms:
            entity.indexed_due_ms = next_due_ms
            self.deadlines.put(next_due_ms, entity.key)
