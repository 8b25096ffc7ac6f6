"""All processors in memory, in one order of time: what `simulate` plays its lines into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.engine import Engine, Mark
from app.domain.events import CompanyStatus, PoolCapacity
from app.domain.members import MemberCore
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.events import Input
    from app.domain.member import Member
    from app.domain.playbook_set import PlaybookSet

MEMBERS = "members"
"""Name of the processor of members, as the journal has it."""


class World:
    """Everybody there is, at one instant.

    Members live in one engine without grace; those of lines that name a partition in an engine of that partition,
    which fires timers `grace_ms` behind its own time, as a worker's does.

    Records of companies and pools concern no member by themselves: they only move time.
    """

    def __init__(self, playbooks: PlaybookSet, grace_ms: int) -> None:
        self._core = MemberCore(playbooks)
        self._sink = Sink()
        self._grace_ms = grace_ms
        self._time_ms = 0
        self._engines: dict[int | None, Engine[Member]] = {}
        self._engine(None)

    def move_time(self, time_ms: int, partition: int | None = None) -> None:
        """Time reaches an instant, for one partition or (None) for everyone, whoever is still to come included."""
        if partition is None:
            self._time_ms = max(self._time_ms, time_ms)
        for engine in self._of(partition):
            engine.move_time(time_ms)

    def pass_time(self, until_ms: int, partition: int | None = None) -> None:
        """Time passes until all timers due by an instant have fired, the grace over."""
        for engine in self._of(partition):
            engine.move_time(until_ms + engine.grace_ms)

    def apply(self, record: Input, partition: int | None = None) -> None:
        """Apply one record to whom it concerns; time has been moved before."""
        if not isinstance(record, (CompanyStatus, PoolCapacity)):
            self._engine(partition).apply(record.member_id, record)

    def limit(self, partition: int, mark: Mark | None) -> None:
        """Fire no silent member's timer of the partition at or beyond the mark, whatever its time; None: no limit."""
        self._engine(partition).ceiling = mark

    def fire_to(self, partition: int, mark: Mark, time_ms: int) -> None:
        """A commit of the worker's journal: the partition's time and how far its timers had fired by then."""
        engine = self._engine(partition)
        engine.ceiling = mark
        engine.move_time(time_ms)

    def take(self) -> list[Any]:
        """Output records and `Refused`, since the last call, in the order in which they came."""
        return self._sink.take()

    def _of(self, partition: int | None) -> Iterable[Engine[Member]]:
        return list(self._engines.values()) if partition is None else [self._engine(partition)]

    def _engine(self, partition: int | None) -> Engine[Member]:
        engine = self._engines.get(partition)
        if engine is None:
            grace_ms = 0 if partition is None else self._grace_ms
            engine = Engine(self._core, MemoryEntities(), MemoryDeadlines(), self._sink, grace_ms=grace_ms)
            engine.move_time(self._time_ms)
            self._engines[partition] = engine
        return engine
