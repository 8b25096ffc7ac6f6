"""Random histories of pools: members who complete their set-up, are cancelled, merged and forgotten, and few slots."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from app.domain.events import (
    Activity,
    Input,
    MemberProfile,
    OperatorCommand,
    PoolCapacity,
    TransferEvent,
)
from tests.integration.deployment import Sent
from tests.integration.history import DAY_MS, HOUR_MS, Paced

POOLS = ("default", "west")
SLOTS = 2

PLAYBOOK = f"""
kind = "reengager"
[transfer]
slots_per_day = {SLOTS}
time_zone = "UTC"
"""


class DeskHistory(Paced):
    """One history, the same for the same seed.

    Args:
        seed: of everything random.
        records, members, days: how much of each.
        partitions: of the topics; some capacity records lie in another partition than their key's.
    """

    def __init__(
        self, seed: int, *, records: int, members: int = 24, days: float = 9, partitions: int = 2
    ) -> None:
        super().__init__(seed, records=records, members=members, days=days)
        self._partitions = partitions

    def __iter__(self) -> Iterator[Sent]:
        """The records, in the order in which they are to be produced."""
        for event_id, at_ms in self._instants((HOUR_MS, DAY_MS), HOUR_MS):
            yield self._sent(self._record(event_id, at_ms))

    def _record(self, event_id: str, at_ms: int) -> Input:
        rnd = self._random
        (make,) = rnd.choices(list(MAKERS), list(MAKERS.values()))
        common = {"event_id": event_id, "occurred_at": at_ms}
        return make(rnd, {**common, "member_id": rnd.choice(self._members)}, self._members)

    def _sent(self, record: Input) -> Sent:
        key = getattr(record, record.key_field).encode()
        elsewhere = isinstance(record, PoolCapacity) and self._random.random() < 0.3
        partition = self._random.randrange(self._partitions) if elsewhere else None
        return Sent(record.topic, key, self._codec.encode(record), partition)


Maker = Callable[[random.Random, dict[str, Any], list[str]], Input]


def _set_up(_rnd: random.Random, common: dict[str, Any], _members: list[str]) -> Input:
    return Activity(**common, type="setup.completed", channel="WEB")


def _active(_rnd: random.Random, common: dict[str, Any], _members: list[str]) -> Input:
    return Activity(**common, type="article.read", channel="APP")


def _word(rnd: random.Random, common: dict[str, Any], _members: list[str]) -> Input:
    kind = rnd.choice(("PROGRAM_ASSIGNED", "PROGRAM_ASSIGNED", "CANCELLED", "ATTEMPT_FAILED"))
    return TransferEvent(**common, type=kind, pool=rnd.choice((None, *POOLS)))


def _transferred(rnd: random.Random, common: dict[str, Any], _members: list[str]) -> Input:
    return TransferEvent(**common, type="TRANSFERRED", mode=rnd.choice(("MANUAL", None)))


def _capacity(rnd: random.Random, common: dict[str, Any], _members: list[str]) -> Input:
    fields = {name: common[name] for name in ("event_id", "occurred_at")}
    return PoolCapacity(**fields, pool=rnd.choice(POOLS), slots_per_day=rnd.randint(0, 3))


def _profile(rnd: random.Random, common: dict[str, Any], _members: list[str]) -> Input:
    return MemberProfile(**common, pool=rnd.choice(POOLS), program=rnd.choice((None, "p")))


def _merge(rnd: random.Random, common: dict[str, Any], members: list[str]) -> Input:
    return MemberProfile(**common, merged_into=rnd.choice(members))


def _forget(_rnd: random.Random, common: dict[str, Any], _members: list[str]) -> Input:
    return OperatorCommand(**common, type="FORGET_MEMBER", issued_by="op")


MAKERS: dict[Maker, int] = {
    _set_up: 30,
    _active: 30,
    _word: 8,
    _transferred: 8,
    _capacity: 6,
    _profile: 4,
    _merge: 3,
    _forget: 3,
}
"""By what a record is made: how often."""
