"""One pool's desk by itself: what it is told, and what it answers. Days as in `conftest`; by default resets at 17:00 UTC."""

from __future__ import annotations

from typing import Any

from app.domain.crossings import TransferAnswer, TransferQueued, TransferWithdrawn
from app.domain.desk import DeskCore
from app.domain.engine import Engine
from app.domain.events import PoolCapacity
from app.domain.instants import DAY_MS
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.playbook_set import PlaybookSet
from app.domain.pools import PoolSettings
from app.domain.sink import Sink
from app.domain.transfer import TransferRules
from tests.domain.conftest import MONDAY_MS, RestartingEntities, days, re_engager

POOL = "default"
EVENING = 7 / 24
"""The first reset: 17:00 of that Monday, as days count from 10:00."""


def desk_core(**settings: Any) -> DeskCore:
    """A desk's rules under one playbook."""
    known = {"time_zone": "UTC", **settings}
    return DeskCore(PlaybookSet([re_engager(transfer=TransferRules(settings=PoolSettings(**known)))]))


class Pool:
    """A desk in an engine of its own. `restarting`: it is loaded anew each time it is met."""

    def __init__(self, *, restarting: bool = False, **settings: Any) -> None:
        self.core = desk_core(**settings)
        self.sink = Sink()
        entities: Any = RestartingEntities(self.core) if restarting else MemoryEntities()
        self.engine: Engine[Any] = Engine(self.core, entities, MemoryDeadlines(), self.sink)
        self.numbers: dict[str, int] = {}

    def ask(self, at: float, member: str, *, attempt: int = 1, number: int | None = None) -> list[str]:
        """A request; the member's requests are numbered as they come."""
        self.numbers[member] = number or self.numbers.get(member, 0) + 1
        return self.hear(request(at, member, self.numbers[member], attempt=attempt))

    def withdraw(self, at: float, member: str, *, number: int | None = None) -> list[str]:
        return self.hear(withdrawal(at, member, number or self.numbers[member]))

    def capacity(self, at: float, slots: int, event_id: str | None = None) -> list[str]:
        return self.hear(capacity(at, slots, event_id))

    def hear(self, record: Any) -> list[str]:
        self.engine.move_time(record.occurred_at)
        self.engine.apply(POOL, record)
        return [words(answer) for answer in self.sink.take()]

    def until(self, at: float) -> list[str]:
        """Let time pass."""
        self.engine.move_time(days(at))
        return [words(answer) for answer in self.sink.take()]


def request(
    at: float, member: str, number: int, *, attempt: int = 1, playbook: str = "re-engager"
) -> TransferQueued:
    return TransferQueued(
        event_id=f"{member}/{number}",
        occurred_at=days(at),
        cause=f"setup of {member}",
        pool=POOL,
        member_id=member,
        request_id=f"{member}/{number}",
        attempt=attempt,
        playbook=playbook,
    )


def withdrawal(at: float, member: str, number: int) -> TransferWithdrawn:
    return TransferWithdrawn(
        event_id=f"{member}/{number}/withdrawn",
        occurred_at=days(at),
        cause="by hand",
        pool=POOL,
        member_id=member,
        request_id=f"{member}/{number}",
        playbook="re-engager",
        reason="transferred",
    )


def capacity(at: float, slots: int, event_id: str | None = None) -> PoolCapacity:
    return PoolCapacity(
        event_id=event_id or f"capacity at {at}", pool=POOL, occurred_at=days(at), slots_per_day=slots
    )


def words(answer: TransferAnswer) -> str:
    """An answer in a few words, such as `0.5 m1 transferred` or `0.5 m1 failed 1, next 1.29`."""
    at = f"{(answer.occurred_at - MONDAY_MS) / DAY_MS:g}"
    if answer.type == "TRANSFERRED":
        return f"{at} {answer.member_id} transferred"
    if answer.final:
        return f"{at} {answer.member_id} failed {answer.attempts}, final"
    assert answer.next_attempt_at is not None
    return f"{at} {answer.member_id} failed {answer.attempts}"
