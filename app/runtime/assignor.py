"""Who owns what, as the consumer group's protocol carries it: claims with a worker's subscription, shares with its assignment.

All inputs of a unit, (processor, partition), go to the same worker, since they feed one state. What is given to whom is
decided in `runtime.shares`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)

from app.runtime.shares import Claim, Share, share_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aiokafka.cluster import ClusterMetadata

    from app.runtime.shares import Unit

_VERSION = 0

C = TypeVar("C", Claim, Share)


class UnitAssignor(AbstractPartitionAssignor):
    """Assigns whole units. The leader of the group runs `assign`, every member the rest.

    aiokafka calls the methods of the class itself: what a worker was given last is kept on it, so each worker has a
    subclass of its own, from `make_assignor`.
    """

    name = "reengage-units"
    given: Share = Share()


def make_assignor(
    processors: Mapping[str, Sequence[str]], claim: Callable[[], Claim] = Claim
) -> type[UnitAssignor]:
    """An assignor class for one worker.

    Args:
        processors: full names of each processor's input topics; the units of those named first are the last to move.
        claim: what this worker claims, asked for whenever it joins the group; must not block.
    """

    class WorkersAssignor(UnitAssignor):
        @classmethod
        def assign(
            cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
        ) -> dict[str, ConsumerProtocolMemberAssignment]:
            units = {
                name: cluster.partitions_for_topic(topics[0]) or () for name, topics in processors.items()
            }
            claims = {member: _decode(metadata.user_data, Claim) for member, metadata in members.items()}
            return {
                member: ConsumerProtocolMemberAssignment(
                    _VERSION, _by_topic(share.owned), msgspec.msgpack.encode(share)
                )
                for member, share in share_out(units, claims).items()
            }

        @classmethod
        def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
            return ConsumerProtocolMemberMetadata(_VERSION, sorted(topics), msgspec.msgpack.encode(claim()))

        @classmethod
        def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
            cls.given = _decode(assignment.user_data, Share)

    def _by_topic(owned: Sequence[Unit]) -> list[tuple[str, list[int]]]:
        partitions: dict[str, list[int]] = {}
        for name, partition in owned:
            for topic in processors[name]:
                partitions.setdefault(topic, []).append(partition)
        return sorted(partitions.items())

    return WorkersAssignor


def _decode(said: Any, kind: type[C]) -> C:
    """What the bytes say; those of an unknown form say nothing."""
    try:
        return msgspec.msgpack.decode(said or b"\x90", type=kind)
    except msgspec.DecodeError:
        return kind()
