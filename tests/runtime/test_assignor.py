"""Claims and shares on their way through the group's protocol; what is shared out to whom is in test_shares.py."""

from __future__ import annotations

import functools
import operator
from itertools import product
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from app.runtime.assignor import UnitAssignor, make_assignor
from app.runtime.shares import Claim, Share

if TYPE_CHECKING:
    from app.runtime.shares import Unit

TOPICS = {"members": ["p-activity", "p-score"], "desk": ["p-capacity", "p-queued", "p-withdrawn"]}


class Cluster:
    """What the leader knows of the topics."""

    def __init__(self, **partitions: int) -> None:
        self.partitions = {name.replace("_", "-"): count for name, count in partitions.items()}

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        count = self.partitions.get(topic)
        return None if count is None else set(range(count))


CLUSTER: Any = Cluster(p_activity=4, p_score=4, p_capacity=2, p_queued=2, p_withdrawn=2)


def claim_of(assignor: type[UnitAssignor]) -> ConsumerProtocolMemberMetadata:
    return assignor.metadata({topic for topics in TOPICS.values() for topic in topics})


def topics_of(assignment: ConsumerProtocolMemberAssignment) -> dict[str, list[int]]:
    return dict(assignment.assignment)


class TestAssignor:
    def test_a_unit_is_given_out_with_all_its_inputs(self):
        assignor = make_assignor(TOPICS)
        given_out = assignor.assign(CLUSTER, {"w1": claim_of(assignor), "w2": claim_of(assignor)})
        seen: list[Unit] = []
        for assignment in given_out.values():
            topics = topics_of(assignment)
            for name, inputs in TOPICS.items():
                numbers = [topics.get(topic, []) for topic in inputs]
                assert all(each == numbers[0] for each in numbers)
                seen += [(name, number) for number in numbers[0]]
        assert sorted(seen) == [*product(["desk"], range(2)), *product(["members"], range(4))]

    def test_what_a_worker_claims_is_asked_for_whenever_it_joins(self):
        claimed = Claim()
        assignor = make_assignor(TOPICS, lambda: claimed)
        before = claim_of(assignor)
        claimed = Claim(owned=[("members", 3)])
        assert claim_of(assignor).user_data != before.user_data

    def test_a_worker_keeps_what_it_claims_and_is_told_what_to_stand_by_for(self):
        first = make_assignor(TOPICS, lambda: Claim(owned=[("members", 3), ("desk", 1)], standbys=1))
        second = make_assignor(TOPICS, lambda: Claim(standbys=1))
        both = first.assign(CLUSTER, {"w0": claim_of(second), "w1": claim_of(first)})
        first.on_assignment(both["w1"])
        second.on_assignment(both["w0"])
        assert {("members", 3), ("desk", 1)} <= set(first.given.owned)
        assert second.given.standbys == first.given.owned
        assert topics_of(both["w1"])["p-activity"] == [
            number for name, number in first.given.owned if name == "members"
        ]

    def test_each_worker_has_a_class_of_its_own(self):
        """What a worker was given is kept on the class: two in one process must not share it."""
        one, other = make_assignor(TOPICS), make_assignor(TOPICS)
        one.on_assignment(one.assign(CLUSTER, {"w1": claim_of(one)})["w1"])
        assert (len(one.given.owned), other.given) == (6, Share())

    def test_an_assignment_that_says_nothing_is_nothing_to_stand_by_for(self):
        assignor = make_assignor(TOPICS)
        assignor.on_assignment(assignor.assign(CLUSTER, {"w1": claim_of(assignor)})["w1"])
        assignor.on_assignment(ConsumerProtocolMemberAssignment(0, [], b""))
        assert assignor.given == Share()

    def test_a_topic_that_is_not_there_has_no_units(self):
        assignor = make_assignor({"members": ["p-activity"], "desk": ["missing"]})
        given_out = assignor.assign(CLUSTER, {"w1": claim_of(assignor)})
        assert topics_of(given_out["w1"]) == {"p-activity": [0, 1, 2, 3]}

    @pytest.mark.parametrize(
        "said", [b"", None, b"\xff\x00", b"range", msgspec.msgpack.encode([["not a unit"]])]
    )
    def test_a_worker_that_says_nothing_of_use_claims_nothing(self, said: bytes | None):
        assignor = make_assignor(TOPICS)
        metadata = ConsumerProtocolMemberMetadata(0, ["p-activity"], said)
        given_out = assignor.assign(CLUSTER, {"w1": metadata, "w2": claim_of(assignor)})
        owned = [topics_of(each)["p-activity"] for each in given_out.values()]
        assert sorted(map(len, owned)) == [2, 2]
        assert sorted(functools.reduce(operator.iadd, owned, [])) == [0, 1, 2, 3]

    def test_claim_and_share_survive_the_groups_protocol(self):
        claim = Claim([("members", 1)], [("desk", 0)], [("members", 1, 1 << 40)], 1)
        assignor = make_assignor(TOPICS, lambda: claim)
        carried = ConsumerProtocolMemberMetadata.decode(claim_of(assignor).encode())
        assert sorted(carried.subscription) == sorted(topic for topics in TOPICS.values() for topic in topics)
        given_out = assignor.assign(CLUSTER, {"w1": carried, "w2": carried})["w1"]
        assignor.on_assignment(ConsumerProtocolMemberAssignment.decode(given_out.encode()))
        assert assignor.given.owned
        assert assignor.given.standbys
