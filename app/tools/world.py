"""All processors in memory, in one order of time: what `simulate` plays its lines into."""

from __future__ import annotations

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
    from app.domain.entity import Core, Deadlines, Entities
    from app.domain.playbook_set import PlaybookSet

MEMBERS = "members"
DESK = "desk"
COMPANIES = "companies"
DIGESTS = "digests"
PROCESSORS = (DESK, COMPANIES, DIGESTS, MEMBERS)
"""Names of the processors, as the journal has them."""

_DESK_RECORDS = (PoolCapacity, TransferQueued, TransferWithdrawn)
_COMPANY_RECORDS = (CompanyStatus, CompanyWait)
_CROSSINGS = (
    TransferQueued,
    TransferWithdrawn,
    TransferAnswer,
    MemberMoved,
    CompanyWait,
    CompanyUp,
    DigestItem,
    Hop,
)


class World:
    """Everybody there is, at one instant.

    Without partitions, each processor has one engine without grace, all live in one order of time, and what crosses
    from one entity to another is there at once. Requests to a desk are there at the end of their instant: of those of
    one instant the desk takes first the one whose member_id comes first (contract 8, "Desk").

    With a partition, a processor has an engine for it, which fires timers `grace_ms` behind its own time, as a worker's
    does. There nothing crosses by itself: what did cross lies among the lines, as the internal topics recorded it.

    `members`: the rules of members, where they are watched (`app.domain.explain`).
    """

    def __init__(self, playbooks: PlaybookSet, grace_ms: int, members: MemberCore | None = None) -> None:
        self._cores: dict[str, Core[Any]] = {
            DESK: DeskCore(playbooks),
            COMPANIES: CompanyCore(playbooks),
            DIGESTS: DigestCore(playbooks),
            MEMBERS: members or MemberCore(playbooks),
        }
        self._sink = Sink()
        self._grace_ms = grace_ms
        self._time_ms = 0
        self._instant_ms = 0
        self._requests: dict[str, TransferQueued] = {}
        self._outputs: list[Any] = []
        self._engines: dict[tuple[str, int | None], Engine[Any]] = {}
        self._everyone = [self._engine(processor, None) for processor in self._cores]

    def move_time(self, time_ms: int) -> None:
        """Time reaches an instant for everyone, whoever is still to come included."""
        if time_ms != self._instant_ms:
            self.end_instant()
            self._instant_ms = time_ms
        self._time_ms = max(self._time_ms, time_ms)
        self._reach(time_ms)
        if len(self._engines) > len(self._everyone):
            for (_, number), engine in list(self._engines.items()):
                if number is not None:
                    engine.move_time(time_ms)
            self._drop_crossings()

    def move_partition(self, record: Any, partition: int) -> None:
        """Time reaches a record's instant for the partition that record lay in."""
        self._engine(addressee(record)[0], partition).move_time(record.occurred_at)
        self._drop_crossings()

    def pass_time(self, until_ms: int, partition: int | None = None) -> None:
        """Time passes until all timers due by an instant have fired, the grace over."""
        if partition is None:
            self.end_instant()
            self._reach(until_ms)
        for (_, number), engine in list(self._engines.items()):
            if number is not None and partition in (None, number):
                engine.move_time(until_ms + engine.grace_ms)
        self._drop_crossings()

    def apply(self, record: Any, partition: int | None = None) -> None:
        """Apply one record to whom it concerns; time has been moved before."""
        if isinstance(record, MemberMoved):
            record = read_hop(shipped_codec(), record) or record
        processor, key = addressee(record)
        self._engine(processor, partition).apply(key, record)
        if partition is None:
            self._exchange()
        else:
            self._drop_crossings()

    def end_instant(self) -> None:
        """Nothing more comes at this instant: the desks take the requests made at it."""
        requests = sorted(self._requests.values(), key=_order_of_requests)
        self._requests.clear()
        for request in requests:
            self.apply(request)

    def limit(self, processor: str, partition: int, mark: Mark | None) -> None:
        """Fire no silent entity's timer of the partition at or beyond the mark, whatever its time; None: no limit."""
        self._engine(processor, partition).ceiling = mark

    def fire_to(self, processor: str, partition: int, mark: Mark, time_ms: int) -> None:
        """A commit of the worker's journal: the partition's time and how far its timers had fired by then."""
        engine = self._engine(processor, partition)
        engine.ceiling = mark
        engine.move_time(time_ms)
        self._drop_crossings()

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
        for engine in self._everyone:
            engine.move_time(due_ms)
            self._exchange()
        return due_ms

    @property
    def settled(self) -> bool:
        """Nothing waits for the end of its instant."""
        return not self._requests

    @property
    def time_ms(self) -> int:
        """The latest instant that any of them has reached."""
        return max(engine.time_ms for engine in self._engines.values())

    def take(self) -> list[Any]:
        """Output records, `Refused` and `PageGone`, since the last call, in the order in which they came."""
        taken, self._outputs = self._outputs, []
        return taken

    def _reach(self, time_ms: int) -> None:
        """Everyone's time goes forward, from one timer's instant to the next, so that what crosses is never late."""
        everyone = self._everyone
        while (due_ms := self._next_due_ms()) <= time_ms:
            for engine in everyone:
                engine.move_time(due_ms)
                self._exchange()
        for engine in everyone:
            engine.move_time(time_ms)

    def _next_due_ms(self) -> int:
        next_due_ms = NEVER_MS
        for engine in self._everyone:
            first = engine.deadlines.first()
            if first is not None and first[0] < next_due_ms:
                next_due_ms = first[0]
        return next_due_ms

    def _exchange(self) -> None:
        """Deliver what crosses, and what that sets off, until nothing does."""
        while self._sink.outputs:
            for output in self._sink.take():
                if isinstance(output, _CROSSINGS):
                    self._deliver(output)
                else:
                    self._outputs.append(output)

    def _deliver(self, crossing: Any) -> None:
        if isinstance(crossing, TransferQueued):
            self._requests[crossing.request_id] = crossing
            return
        if (
            isinstance(crossing, TransferWithdrawn)
            and self._requests.pop(crossing.request_id, None) is not None
        ):
            return
        processor, key = addressee(crossing)
        self._engine(processor, None).apply(key, crossing)

    def _drop_crossings(self) -> None:
        self._outputs += [output for output in self._sink.take() if not isinstance(output, _CROSSINGS)]

    def _engine(self, processor: str, partition: int | None) -> Engine[Any]:
        engine = self._engines.get((processor, partition))
        if engine is None:
            grace_ms = 0 if partition is None else self._grace_ms
            core = self._cores[processor]
            engine = Engine(core, *self.hold(processor, core), self._sink, grace_ms=grace_ms)
            engine.move_time(self._time_ms)
            self._engines[processor, partition] = engine
        return engine


def addressee(record: Any) -> tuple[str, str]:
    """Processor and key of whom a record concerns."""
    if isinstance(record, _DESK_RECORDS):
        return DESK, record.pool
    if isinstance(record, _COMPANY_RECORDS):
        return COMPANIES, record.company_id
    if isinstance(record, DigestItem):
        return DIGESTS, record.owner_id
    return MEMBERS, record.member_id


def _order_of_requests(request: TransferQueued) -> tuple[int, str, str]:
    return request.occurred_at, request.member_id, request.playbook
