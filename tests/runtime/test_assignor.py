"""Who owns what: whole units, evenly, and where they were."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from app.runtime.assignor import Unit, make_assignor, share_out

if TYPE_CHECKING:
    from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor

TOPICS = {"members": ["p-activity", "p-score"], "desk": ["p-capacity", "p-queued", "p-withdrawn"]}

workers = st.sampled_from(["w1", "w2", "w3", "w4", "w5"])
units = st.sets(st.tuples(st.sampled_from(["members", "desk"]), st.integers(0, 7)))
claims = st.dictionaries(
    workers, st.lists(st.tuples(st.sampled_from(["members", "desk", "gone"]), st.integers(0, 9))), min_size=1
)


def assert_fair(shares: dict[str, list[Unit]], given_out: set[Unit]) -> None:
    assert sorted(unit for share in shares.values() for unit in share) == sorted(given_out)
    sizes = [len(share) for share in shares.values()]
    assert max(sizes) - min(sizes) <= 1


class TestShareOut:
    @given(units, claims)
    def test_every_unit_goes_to_one_worker_and_shares_differ_by_one_at_most(
        self, given_out: set[Unit], claimed: dict[str, list[Unit]]
    ):
        shares = share_out(given_out, claimed)
        assert set(shares) == set(claimed)
        assert_fair(shares, given_out)

    @given(units, claims)
    def test_the_order_in_which_workers_and_units_are_named_means_nothing(
        self, given_out: set[Unit], claimed: dict[str, list[Unit]]
    ):
        backwards = {worker: list(reversed(held)) for worker, held in reversed(claimed.items())}
        assert share_out(sorted(given_out), claimed) == share_out(sorted(given_out, reverse=True), backwards)

    @given(units, st.lists(workers, unique=True, min_size=1))
    def test_shares_once_given_stay(self, given_out: set[Unit], names: list[str]):
        first = share_out(given_out, {name: [] for name in names})
        assert share_out(given_out, first) == first

    def test_a_worker_keeps_what_it_has_up_to_its_share(self):
        given_out = [("members", number) for number in range(6)]
        shares = share_out(given_out, {"w1": given_out, "w2": []})
        assert shares == {"w1": given_out[:3], "w2": given_out[3:]}

    def test_a_unit_claimed_by_two_goes_to_the_first_by_name(self):
        assert share_out(
            [("members", 0), ("members", 1)], {"w2": [("members", 0)], "w1": [("members", 0)]}
        ) == {
            "w1": [("members", 0)],
            "w2": [("members", 1)],
        }

    def test_with_more_workers_than_units_some_have_none(self):
        shares = share_out([("members", 0)], {"w1": [], "w2": [("members", 0)], "w3": []})
        assert shares == {"w1": [], "w2": [("members", 0)], "w3": []}

    @pytest.mark.parametrize("count", [2, 4])
    def test_each_worker_has_its_share_of_every_processor(self, count: int):
        """One of them has nearly all the work: whoever held none of it would help nobody."""
        given_out = list(product(("companies", "desk", "digests", "members"), range(8)))
        names = [f"w{number}" for number in range(count)]
        together = share_out(given_out, {name: [] for name in names})
        one_by_one: dict[str, list[Unit]] = {}
        for name in names:
            one_by_one = share_out(given_out, {name: [], **one_by_one})
        for shares in (together, one_by_one):
            for held in shares.values():
                assert Counter(name for name, _ in held) == Counter(
                    companies=8 // count, desk=8 // count, digests=8 // count, members=8 // count
                )


class GroupMachine(RuleBasedStateMachine):
    """One to five workers that join and leave; everyone claims what it was given last."""

    UNITS = frozenset(product(("members", "desk"), range(6)))

    def __init__(self) -> None:
        super().__init__()
        self.shares: dict[str, list[Unit]] = {}

    def rebalance(self, claimed: dict[str, list[Unit]]) -> None:
        before = {unit: worker for worker, held in claimed.items() for unit in held}
        self.shares = share_out(self.UNITS, claimed)
        assert_fair(self.shares, set(self.UNITS))
        fewest = len(self.UNITS) // len(claimed)
        spare = len(self.UNITS) % len(claimed)
        kept = sum(before.get(unit) == worker for worker, held in self.shares.items() for unit in held)
        # No more move than must: beyond its share, a worker has to give units up.
        larger = sorted((len(held) for held in claimed.values()), reverse=True)
        could_stay = sum(min(size, fewest + (place < spare)) for place, size in enumerate(larger))
        assert kept == could_stay

    @rule(worker=workers)
    def join(self, worker: str) -> None:
        self.rebalance({worker: [], **self.shares})

    @precondition(lambda self: len(self.shares) > 1)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(sorted(self.shares)))
        self.rebalance({worker: held for worker, held in self.shares.items() if worker != gone})

    @precondition(lambda self: self.shares)
    @rule(data=st.data())
    def restart_without_memory(self, data: st.DataObject) -> None:
        self.rebalance({**self.shares, data.draw(st.sampled_from(sorted(self.shares))): []})


TestGroup = GroupMachine.TestCase
TestGroup.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)


class Cluster:
    """What the leader knows of the topics."""

    def __init__(self, **partitions: int) -> None:
        self.partitions = {name.replace("_", "-"): count for name, count in partitions.items()}

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        count = self.partitions.get(topic)
        return None if count is None else set(range(count))


CLUSTER: Any = Cluster(p_activity=4, p_score=4, p_capacity=2, p_queued=2, p_withdrawn=2)


def claim_of(assignor: type[AbstractPartitionAssignor]) -> ConsumerProtocolMemberMetadata:
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

    def test_what_is_assigned_is_claimed_the_next_time(self):
        first, second = make_assignor(TOPICS), make_assignor(TOPICS)
        alone = first.assign(CLUSTER, {"w1": claim_of(first)})
        first.on_assignment(alone["w1"])
        both = first.assign(CLUSTER, {"w0": claim_of(second), "w1": claim_of(first)})
        assert topics_of(both["w1"]) == {
            "p-activity": [0, 1],
            "p-score": [0, 1],
            "p-capacity": [0],
            "p-queued": [0],
            "p-withdrawn": [0],
        }

    def test_each_worker_has_a_class_of_its_own(self):
        """What a worker holds is kept on the class: two in one process must not share it."""
        one, other = make_assignor(TOPICS), make_assignor(TOPICS)
        one.on_assignment(ConsumerProtocolMemberAssignment(0, [("p-activity", [1])], b""))
        assert claim_of(one).user_data != claim_of(other).user_data

    def test_an_empty_assignment_is_claimed_as_nothing(self):
        assignor = make_assignor(TOPICS)
        assignor.on_assignment(ConsumerProtocolMemberAssignment(0, [("p-activity", [1])], b""))
        assignor.on_assignment(ConsumerProtocolMemberAssignment(0, [], b""))
        assert claim_of(assignor).user_data == claim_of(make_assignor(TOPICS)).user_data

    def test_topics_of_nobody_are_no_claim(self):
        assignor = make_assignor(TOPICS)
        assignor.on_assignment(ConsumerProtocolMemberAssignment(0, [("other", [1])], b""))
        assert claim_of(assignor).user_data == claim_of(make_assignor(TOPICS)).user_data

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
        assert_fair(
            {worker: topics_of(each).get("p-activity", []) for worker, each in given_out.items()},
            {0, 1, 2, 3},
        )

    def test_the_claim_survives_the_groups_protocol(self):
        assignor = make_assignor(TOPICS)
        assignor.on_assignment(ConsumerProtocolMemberAssignment(0, [("p-activity", [1, 3])], b""))
        carried = ConsumerProtocolMemberMetadata.decode(claim_of(assignor).encode())
        assert carried.user_data == claim_of(assignor).user_data
        assert sorted(carried.subscription) == sorted(topic for topics in TOPICS.values() for topic in topics)
