"""Who owns what: (processor, partition) is given out as one unit, evenly, and stays where it is when it can.

All inputs of a unit go to the same worker, since they feed one state. A worker keeps what it had, up to its share, so
that a rebalance moves no more states than it must; of which processor it keeps how many matters too, for one of them
has nearly all the work.
"""

from __future__ import annotations

from collections import deque
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import msgspec
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka.cluster import ClusterMetadata

Unit = tuple[str, int]
"""(processor's name, partition number)."""

_VERSION = 0


class _Claim(msgspec.Struct, array_like=True, frozen=True):
    """What a worker tells the group's leader: the units it holds."""

    units: list[Unit] = []


def share_out(units: Iterable[Unit], claims: Mapping[str, Sequence[Unit]]) -> dict[str, list[Unit]]:
    """Give every unit to exactly one worker.

    `claims` holds for each worker the units it holds now; a unit claimed by several goes to the first by name. Shares
    differ by one at most. Deterministic: sorted by worker and unit.
    """
    workers = sorted(claims)
    left = sorted(set(units))
    fewest, extra = divmod(len(left), len(workers))
    shares: dict[str, list[Unit]] = {worker: [] for worker in workers}
    free = set(left)
    for place, worker in enumerate(workers):
        for unit in _in_turn(set(claims[worker]) & free, place):
            larger = sum(len(share) > fewest for share in shares.values())
            room = fewest + (1 if larger < extra or len(shares[worker]) > fewest else 0)
            if len(shares[worker]) < room:
                shares[worker].append(unit)
                free.discard(unit)
    for unit in sorted(free):
        least = min(workers, key=lambda worker: (len(shares[worker]), _of_processor(unit, shares[worker])))
        shares[least].append(unit)
    return {worker: sorted(share) for worker, share in shares.items()}


def _in_turn(units: Iterable[Unit], start: int) -> list[Unit]:
    """The first unit of every processor, then the second of every one, and so on; every worker starts with another one.

    So those that a worker cannot keep, the last, are not of the same processor with all workers.
    """
    rounds: dict[str, list[Unit]] = {}
    for unit in sorted(units):
        rounds.setdefault(unit[0], []).append(unit)
    names = deque(sorted(rounds))
    names.rotate(-start)
    in_turn = zip_longest(*(rounds[name] for name in names))
    return [unit for turn in in_turn for unit in turn if unit is not None]


def _of_processor(unit: Unit, share: Sequence[Unit]) -> int:
    """How many units of the same processor the share holds."""
    return sum(name == unit[0] for name, _ in share)


def make_assignor(processors: Mapping[str, Sequence[str]]) -> type[AbstractPartitionAssignor]:
    """An assignor class for one worker; aiokafka calls its class methods, so what the worker holds is kept on it.

    `processors` gives the full names of each processor's input topics.
    """

    class UnitAssignor(AbstractPartitionAssignor):
        """Assigns whole units, stickily. The leader of the group runs `assign`, every member the rest."""

        name = "reengage-units"
        held: _Claim = _Claim()

        @classmethod
        def assign(
            cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
        ) -> dict[str, ConsumerProtocolMemberAssignment]:
            units = [
                (name, partition)
                for name, topics in processors.items()
                for partition in sorted(cluster.partitions_for_topic(topics[0]) or ())
            ]
            shares = share_out(units, _claims(members))
            return {
                member: ConsumerProtocolMemberAssignment(_VERSION, _by_topic(share), b"")
                for member, share in shares.items()
            }

        @classmethod
        def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
            claim = msgspec.msgpack.encode(cls.held)
            return ConsumerProtocolMemberMetadata(_VERSION, sorted(topics), claim)

        @classmethod
        def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
            leaders = {topics[0]: name for name, topics in processors.items()}
            units = [
                (leaders[topic], partition)
                for topic, partitions in assignment.assignment
                if topic in leaders
                for partition in partitions
            ]
            cls.held = _Claim(sorted(units))

    def _by_topic(share: Sequence[Unit]) -> list[tuple[str, list[int]]]:
        partitions: dict[str, list[int]] = {}
        for name, partition in share:
            for topic in processors[name]:
                partitions.setdefault(topic, []).append(partition)
        return sorted(partitions.items())

    return UnitAssignor


def _claims(members: Mapping[str, Any]) -> dict[str, list[Unit]]:
    """What each member says it holds; bytes of an unknown form claim nothing."""
    claims: dict[str, list[Unit]] = {}
    for member, metadata in members.items():
        try:
            claims[member] = msgspec.msgpack.decode(metadata.user_data or b"\x90", type=_Claim).units
        except msgspec.DecodeError:
            claims[member] = []
    return claims
