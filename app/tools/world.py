"""All processors in memory, in one order of time: what `simulate` plays its lines into."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from app.domain.companies import CompanyCore
from app.domain.crossings import (
    CompanyUp,
    CompanyWait,
    DigestItem,
    MemberMoved,
    TransferAnswer,
    TransferQueued,
    TransferWithdrawn,
)
from app.domain.desk import DeskCore
from app.domain.digest import DigestCore
from app.domain.engine import Engine, Mark
from app.domain.entity import NEVER_MS
from app.domain.events import CompanyStatus, PoolCapacity
from app.domain.hop import Hop
from app.domain.members import MemberCore
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.sink import Sink
from app.wire.codec import shipped_codec
from app.wire.hops import read_hop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.entity import Core, Deadlines, Entities
    from app.domain.playbook_set import PlaybookSet

MEMBERS = "members"
DESK = "desk"
COMPANIES = "companies"
DIGESTS = "digests"
PROCESSORS = (DESK, COMPANIES, DIGESTS, MEMBERS)
"""Names of the processors, as the journal has them, in the order in which those of one instant have their turn."""

_ADDRESSEES: dict[type, tuple[str, str]] = {
    PoolCapacity: (DESK, "pool"),
    TransferQueued: (DESK, "pool"),
    TransferWithdrawn: (DESK, "pool"),
    CompanyStatus: (COMPANIES, "company_id"),
    CompanyWait: (COMPANIES, "company_id"),
    DigestItem: (DIGESTS, "owner_id"),
}
"""Processor and key field by record; of those not named here, the member."""

_CROSSINGS = frozenset(
    {
        TransferQueued,
        TransferWithdrawn,
        TransferAnswer,
        MemberMoved,
        CompanyWait,
        CompanyUp,
        DigestItem,
        Hop,
    }
)


class World:
    """Everybody there is, at one instant.

    Without partitions, each processor has one engine without grace, all live in one order of time, and what crosses
    from one entity to another is there at once. Requests to a desk are there at the end of their instant: of those of
    one instant the desk takes first the one whose member_id comes first (contract 8, "Desk").

    With a partition, a processor has an engine for it, which fires timers `grace_ms` behind its own time, as a worker's
    does. There nothing crosses by itself: what did cross lies among the lines, as the internal topics recorded it.

    `members`: the rules of members, where they are watched (`app.domain.explain`). `left_alone`: keys of entities whose
    timers do not fire, as in a worker in which they failed.
    """

    def __init__(
        self,
        playbooks: PlaybookSet,
        grace_ms: int,
        members: MemberCore | None = None,
        left_alone: Iterable[str] = (),
    ) -> None:
        self._cores: dict[str, Core[Any]] = {
            DESK: DeskCore(playbooks),
            # Nobody waits for a turn here, and what is due by the end is to be done by then.
            COMPANIES: CompanyCore(playbooks, at_once=sys.maxsize),
            DIGESTS: DigestCore(playbooks),
            MEMBERS: members or MemberCore(playbooks),
        }
        self._left_alone = frozenset(left_alone)
        self._sink = Sink()
        self._grace_ms = grace_ms
        self._time_ms = 0
        self._passed_ms: dict[int, int] = {}
        self._instant_ms = 0
        self._reached_ms = 0
        self._requests: dict[str, TransferQueued] = {}
        self._outputs: list[Any] = []
        self._everyone = {processor: self._make_engine(processor, grace_ms=0) for processor in self._cores}
        self._members = self._everyone[MEMBERS]
        self._others_due_ms: int | None = None
        self._partitions: dict[tuple[str, int], Engine[Any]] = {}

    def move_time(self, time_ms: int) -> None:
        """Time reaches an instant for everyone, whoever is still to come included."""
        if time_ms != self._instant_ms:
            self.end_instant()
            self._instant_ms = time_ms
        self._time_ms = max(self._time_ms, time_ms)
        self._reach(time_ms)
        if self._partitions:
            for engine in list(self._partitions.values()):
                engine.move_time(time_ms)
            self._drop_crossings()

    def move_quietly(self, time_ms: int) -> bool:
        """Do what `move_time` does, if nothing happens on the way; else do nothing, and return False.

        Nothing happens when no timer is due by the instant, and nothing waits for the end of the one before. Worlds
        without partitions only; `time_ms` is not earlier than any instant before.
        """
        if self._requests or self._next_due_ms() <= time_ms:
            return False
        self._instant_ms = self._time_ms = self._reached_ms = time_ms
        return True

    def move_partition(self, record: Any, partition: int) -> None:
        """Time reaches a record's instant for the partition that record lay in."""
        self._of_partition(addressee(record)[0], partition).move_time(record.occurred_at)
        self._drop_crossings()

    def pass_time(self, until_ms: int, partition: int | None = None) -> None:
        """Time passes until all timers due by an instant have fired, the grace over: everyone's, or one partition's.

        That holds for a partition in which nothing has come yet, too.
        """
        time_ms = until_ms + self._grace_ms
        if partition is None:
            self.end_instant()
            self._reach(until_ms)
            self._time_ms = max(self._time_ms, time_ms)
        else:
            self._passed_ms[partition] = max(self._passed_ms.get(partition, 0), time_ms)
        for (_, number), engine in list(self._partitions.items()):
            if partition in (None, number):
                engine.move_time(time_ms)
        self._drop_crossings()

    def apply(self, record: Any, partition: int | None = None) -> None:
        """Apply one record to whom it concerns; time has been moved before."""
        if type(record) is MemberMoved:
            record = read_hop(shipped_codec(), record) or record
        processor, key = addressee(record)
        if partition is None:
            self._present(processor).apply(key, record)
            self._exchange()
        else:
            self._of_partition(processor, partition).apply(key, record)
            self._drop_crossings()

    def end_instant(self) -> None:
        """Nothing more comes at this instant: the desks take the requests made at it."""
        if not self._requests:
            return
        requests = sorted(self._requests.values(), key=_order_of_requests)
        self._requests.clear()
        for request in requests:
            self.apply(request)

    def limit(self, processor: str, partition: int, mark: Mark | None) -> None:
        """Fire no silent entity's timer of the partition at or beyond the mark, whatever its time; None: no limit."""
        self._of_partition(processor, partition).ceiling = mark

    def fire_to(self, processor: str, partition: int, mark: Mark, time_ms: int) -> None:
        """A commit of the worker's journal: the partition's time and how far its timers had fired by then."""
        engine = self._of_partition(processor, partition)
        engine.ceiling = mark
        engine.move_time(time_ms)
        self._drop_crossings()

    @property
    def time_ms(self) -> int:
        """The latest instant that any of them has reached."""
        return max([self._reached_ms, *(engine.time_ms for engine in self._partitions.values())])

    def hold(self, _processor: str, _core: Core[Any]) -> tuple[Entities[Any], Deadlines]:
        """Where a processor keeps its entities and deadlines: in memory; a subclass may keep them elsewhere."""
        return MemoryEntities(), MemoryDeadlines()

    def fire_next(self, before_ms: int) -> int | None:
        """Fire the timers of the next instant that has any, if it comes before `before_ms`; returns it, else None.

        Does not end the instant under way. For who takes what comes out of a wave of timers bit by bit.
        """
        due_ms = self._next_due_ms()
        if due_ms >= before_ms:
            return None
        self._fire(due_ms)
        return due_ms

    @property
    def settled(self) -> bool:
        """Nothing waits for the end of its instant."""
        return not self._requests

    def take(self) -> list[Any]:
        """Output records, `Refused` and `PageGone`, since the last call, in the order in which they came."""
        taken, self._outputs = self._outputs, []
        return taken

    def _reach(self, time_ms: int) -> None:
        """Everyone's time goes forward, from one timer's instant to the next, so that what crosses is never late."""
        while (due_ms := self._next_due_ms()) <= time_ms:
            self._fire(due_ms)
        self._reached_ms = max(self._reached_ms, time_ms)

    def _fire(self, due_ms: int) -> None:
        """Fire the timers of one instant, the next that has any: processor by processor, in the order of `PROCESSORS`."""
        if self._next_due_of_others_ms() > due_ms:
            # Only members', who come last: the others have nothing to do at this instant but to reach it.
            self._reached_ms = due_ms
            self._members.move_time(due_ms)
            self._exchange()
            return
        for engine in self._everyone.values():
            engine.move_time(due_ms)
            self._exchange()
        self._reached_ms = due_ms
        self._others_due_ms = None

    def _next_due_ms(self) -> int:
        others_ms = self._next_due_of_others_ms()
        entry = self._members.deadlines.first()
        return others_ms if entry is None or entry[0] > others_ms else entry[0]

    def _next_due_of_others_ms(self) -> int:
        """Of all but members. Asked for each record, and another answer only after one of them was at work."""
        if self._others_due_ms is None:
            self._others_due_ms = NEVER_MS
            for engine in self._everyone.values():
                entry = engine.deadlines.first()
                if engine is not self._members and entry is not None:
                    self._others_due_ms = min(self._others_due_ms, entry[0])
        return self._others_due_ms

    def _exchange(self) -> None:
        """Deliver what crosses, and what that sets off, until nothing does."""
        sink = self._sink
        while sink.outputs:
            for output in sink.take():
                if type(output) in _CROSSINGS:
                    self._deliver(output)
                else:
                    self._outputs.append(output)

    def _deliver(self, crossing: Any) -> None:
        kind = type(crossing)
        if kind is TransferQueued:
            self._requests[crossing.request_id] = crossing
            return
        if kind is TransferWithdrawn and self._requests.pop(crossing.request_id, None) is not None:
            return
        processor, key = addressee(crossing)
        self._present(processor).apply(key, crossing)

    def _drop_crossings(self) -> None:
        self._outputs += [output for output in self._sink.take() if type(output) not in _CROSSINGS]

    def _present(self, processor: str) -> Engine[Any]:
        """A processor's engine at the instant reached by all. Those with nothing due on the way are only moved when needed."""
        if processor != MEMBERS:
            self._others_due_ms = None
        engine = self._everyone[processor]
        if engine.time_ms < self._reached_ms:
            engine.move_time(self._reached_ms)
        return engine

    def _of_partition(self, processor: str, partition: int) -> Engine[Any]:
        engine = self._partitions.get((processor, partition))
        if engine is None:
            engine = self._partitions[processor, partition] = self._make_engine(processor, self._grace_ms)
            engine.move_time(max(self._time_ms, self._passed_ms.get(partition, 0)))
        return engine

    def _make_engine(self, processor: str, grace_ms: int) -> Engine[Any]:
        core = self._cores[processor]
        engine = Engine(core, *self.hold(processor, core), self._sink, grace_ms=grace_ms)
        engine.spoilt |= self._left_alone
        return engine


def addressee(record: Any) -> tuple[str, str]:
    """Processor and key of whom a record concerns."""
    found = _ADDRESSEES.get(type(record))
    if found is None:
        return MEMBERS, record.member_id
    processor, field = found
    return processor, getattr(record, field)


def _order_of_requests(request: TransferQueued) -> tuple[int, str, str]:
    return request.occurred_at, request.member_id, request.playbook
