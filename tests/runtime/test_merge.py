"""Arrival order (contract 5): when a record may be taken, in which order, and what a batch is."""

from __future__ import annotations

from dataclasses import dataclass, field
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.runtime import merge as module
from app.runtime.evidence import Evidence
from app.runtime.merge import FIRST_BATCH, MAX_BATCH, InputRecord, Merge

RANKS = {"command": 3, "score": 7, "activity": 9}


def feed(merge: Merge, topic: str, *instants: int, offset: int = 0, clock: int = 0) -> None:
    """Records at these append times, of ten bytes each, on successive offsets."""
    rows = [(offset + place, at_ms, b"key", b"1234567") for place, at_ms in enumerate(instants)]
    merge.feed(topic, rows, 10 * len(rows), clock)


def drain(merge: Merge, *topics: str, at: int) -> None:
    for topic in topics:
        merge.drained(topic, Evidence(at, 1_000 * at))


def places(batch) -> list[tuple[str, int]]:
    return [(record.topic, record.offset) for record in batch]


@pytest.fixture
def merge() -> Merge:
    return Merge(RANKS, {})


class TestOrder:
    def test_records_come_by_append_time(self, merge: Merge):
        feed(merge, "activity", 10, 30)
        feed(merge, "score", 20)
        feed(merge, "command", 15)
        drain(merge, *RANKS, at=1)
        assert places(merge.take()) == [("activity", 0), ("command", 0), ("score", 0), ("activity", 1)]

    def test_of_one_instant_by_rank_then_offset(self, merge: Merge):
        feed(merge, "activity", 10, 10)
        feed(merge, "score", 10)
        feed(merge, "command", 10)
        drain(merge, *RANKS, at=1)
        assert places(merge.take()) == [("command", 0), ("score", 0), ("activity", 0), ("activity", 1)]

    def test_the_oldest_of_those_that_wait_is_known(self, merge: Merge):
        assert merge.oldest_ms() is None
        feed(merge, "activity", 10, 30)
        feed(merge, "score", 20)
        assert merge.oldest_ms() == 10
        drain(merge, *RANKS, at=1)
        merge.take(limit=1)
        assert merge.oldest_ms() == 20
        merge.take()
        assert merge.oldest_ms() is None

    def test_a_record_carries_all_that_came_with_it(self, merge: Merge):
        merge.feed("score", [(7, 10, b"m1", None)], 2, 0)
        drain(merge, *RANKS, at=1)
        assert merge.take() == [InputRecord(10, RANKS["score"], 7, "score", b"m1", None)]

    def test_where_the_clock_went_back_a_new_batch_begins(self, merge: Merge):
        feed(merge, "activity", 10, 20, 15, 30)
        drain(merge, *RANKS, at=1)
        assert [places(merge.take()) for _ in range(3)] == [
            [("activity", 0), ("activity", 1)],
            [("activity", 2), ("activity", 3)],
            [],
        ]

    def test_a_record_behind_a_later_one_of_its_own_input_waits_its_turn(self, merge: Merge):
        feed(merge, "activity", 100, 90)
        feed(merge, "score", 95)
        drain(merge, *RANKS, at=1)
        assert places(merge.take()) == [("score", 0), ("activity", 0)]
        assert places(merge.take()) == [("activity", 1)]


class TestEvidence:
    def test_a_record_waits_while_nothing_is_known_of_another_input(self, merge: Merge):
        feed(merge, "activity", 10)
        drain(merge, "score", at=1)
        assert merge.take() == []
        assert merge.waiting

    def test_a_fetch_sent_before_the_record_came_proves_nothing(self, merge: Merge):
        feed(merge, "activity", 10, clock=5)
        drain(merge, "score", "command", at=5)
        assert merge.take() == []
        drain(merge, "score", "command", at=6)
        assert places(merge.take()) == [("activity", 0)]

    def test_evidence_that_moves_on_is_told_once_to_all_who_share_it(self, merge: Merge):
        feed(merge, "activity", 10, clock=5)
        evidence = Evidence(5, 5_000)
        for topic in ("score", "command"):
            merge.drained(topic, evidence)
        assert not merge.ready
        evidence.number, evidence.sent_ms = 6, 6_000
        assert merge.ready
        assert places(merge.take()) == [("activity", 0)]
        assert not merge.ready

    def test_it_counts_no_more_once_it_is_taken_back_or_something_came(self, merge: Merge):
        drain(merge, *RANKS, at=9)
        merge.drained("score", None)
        assert merge.drained_until_ms() == -1
        drain(merge, *RANKS, at=9)
        feed(merge, "score", 10, clock=10)
        drain(merge, "activity", "command", at=11)
        assert places(merge.take()) == [("score", 0)]
        assert merge.drained_until_ms() == -1

    def test_the_oldest_evidence_counts(self, merge: Merge):
        feed(merge, "activity", 10, clock=5)
        drain(merge, "score", at=9)
        drain(merge, "command", at=5)
        assert merge.take() == []

    def test_a_buffered_record_of_another_input_is_evidence_up_to_itself(self, merge: Merge):
        feed(merge, "activity", 10, 30, clock=5)
        feed(merge, "score", 20, clock=5)
        feed(merge, "command", 40, clock=5)
        assert places(merge.take()) == [("activity", 0), ("score", 0)]
        drain(merge, "score", at=6)
        assert places(merge.take()) == [("activity", 1)]

    def test_what_came_later_waits_for_later_evidence(self, merge: Merge):
        feed(merge, "activity", 10, 11, clock=1)
        feed(merge, "activity", 12, offset=2, clock=2)
        drain(merge, "score", "command", at=2)
        assert places(merge.take()) == [("activity", 0), ("activity", 1)]
        drain(merge, "score", "command", at=3)
        assert places(merge.take()) == [("activity", 2)]

    def test_a_drained_input_that_gets_a_record_keeps_what_was_known(self, merge: Merge):
        """Nothing lay between the end that was seen and what came after it."""
        feed(merge, "activity", 10, clock=1)
        drain(merge, "score", "command", at=2)
        feed(merge, "score", 20, clock=2)
        assert places(merge.take()) == [("activity", 0)]

    def test_with_all_inputs_buffered_no_fetch_is_waited_for(self, merge: Merge):
        for topic in RANKS:
            feed(merge, topic, 10, 20, clock=8)
        assert len(merge.take()) == 4

    def test_an_only_input_waits_for_nobody(self):
        merge = Merge({"activity": 9}, {})
        feed(merge, "activity", 10, 20)
        assert len(merge.take()) == 2


class TestBatches:
    def test_batches_grow_until_they_are_as_large_as_they_may_be(self, merge: Merge):
        """So that the first answers after an opening do not wait for the whole backlog."""
        feed(merge, "activity", *range(3 * MAX_BATCH))
        drain(merge, *RANKS, at=1)
        sizes = [len(merge.take()) for _ in range(7)]
        assert sizes == [FIRST_BATCH, 1_000, 2_000, 4_000, MAX_BATCH, 2_500, 0]

    def test_a_smaller_limit_holds_for_one_call(self, merge: Merge):
        feed(merge, "activity", 1, 2, 3)
        drain(merge, *RANKS, at=1)
        assert len(merge.take(2)) == 2
        assert places(merge.take()) == [("activity", 2)]

    def test_nothing_comes_of_nothing(self, merge: Merge):
        assert merge.take() == []
        assert not merge.waiting


class TestExpectedOffsets:
    def test_records_below_the_position_are_dropped(self):
        merge = Merge(RANKS, {"activity": 2})
        feed(merge, "activity", 10, 20, 30)
        drain(merge, *RANKS, at=1)
        assert places(merge.take()) == [("activity", 2)]

    def test_records_fed_twice_are_taken_once(self, merge: Merge):
        feed(merge, "activity", 10, 20)
        feed(merge, "activity", 10, 20, 30)
        drain(merge, *RANKS, at=1)
        assert places(merge.take()) == [("activity", 0), ("activity", 1), ("activity", 2)]

    def test_offsets_that_carry_no_record_are_passed_over(self, merge: Merge):
        """Transactions leave markers behind, and compaction gaps."""
        merge.feed("activity", [(0, 10, None, b""), (4, 20, None, b""), (9, 30, None, b"")], 0, 0)
        drain(merge, *RANKS, at=1)
        assert [record.offset for record in merge.take()] == [0, 4, 9]

    def test_only_old_records_leave_no_trace(self):
        merge = Merge(RANKS, {"activity": 5})
        feed(merge, "activity", 10, 20)
        assert not merge.waiting
        assert merge._inputs["activity"].buffered_bytes == 0


class TestDrained:
    def test_it_is_unknown_while_records_are_buffered(self, merge: Merge):
        drain(merge, *RANKS, at=3)
        feed(merge, "activity", 10)
        assert merge.drained_until_ms() is None

    def test_it_is_the_time_of_the_oldest_evidence(self, merge: Merge):
        drain(merge, "activity", at=3)
        drain(merge, "score", at=5)
        drain(merge, "command", at=4)
        assert merge.drained_until_ms() == 3_000

    def test_at_first_nothing_is_known(self, merge: Merge):
        drain(merge, "activity", "score", at=3)
        assert merge.drained_until_ms() == -1


class TestBytes:
    def test_an_input_is_full_until_its_records_are_taken(self, merge: Merge):
        merge.feed("activity", [(0, 10, b"", b"")], module.MAX_BUFFERED_BYTES, 0)
        assert merge.full("activity")
        assert not merge.full("score")
        drain(merge, *RANKS, at=1)
        merge.take()
        assert not merge.full("activity")

    def test_a_fetch_counts_until_its_last_record_is_taken(self, merge: Merge):
        feed(merge, "activity", 10, 20)
        before = merge._inputs["activity"].buffered_bytes
        drain(merge, *RANKS, at=1)
        merge.take(1)
        assert merge._inputs["activity"].buffered_bytes == before
        merge.take(1)
        assert merge._inputs["activity"].buffered_bytes == 0

    def test_records_count_more_than_their_bytes(self, merge: Merge):
        """Or a million empty records would be free."""
        merge.feed("activity", [(n, 10, None, None) for n in range(50_000)], 0, 0)
        assert merge.full("activity")


def test_a_busy_input_goes_on_while_the_others_are_found_empty_by_every_fetch(merge: Merge):
    """Each fetch brings more of one input: what the one before brought can be taken."""
    taken = 0
    for fetch in range(1, 50):
        feed(merge, "activity", *range(10 * fetch, 10 * fetch + 10), offset=10 * (fetch - 1), clock=fetch)
        drain(merge, "score", "command", at=fetch)
        taken += len(merge.take())
        assert taken == 10 * (fetch - 1)


# What follows knows everything: the logs as the broker has them, and when each record was fetched.

Logs = dict[str, list[int]]
"""Append times by topic; the place in the list is the offset."""

logs = st.fixed_dictionaries({topic: st.lists(st.integers(0, 12), max_size=12) for topic in RANKS})


def key_of(topic: str, offset: int, at_ms: int) -> tuple[int, int, int]:
    return at_ms, RANKS[topic], offset


def merged(complete: Logs) -> list[tuple[str, int]]:
    """The order of somebody who has all logs at hand: always the least of the heads."""
    heads = dict.fromkeys(complete, 0)
    order = []
    while left := [topic for topic in complete if heads[topic] < len(complete[topic])]:
        topic = min(left, key=lambda name: key_of(name, heads[name], complete[name][heads[name]]))
        order.append((topic, heads[topic]))
        heads[topic] += 1
    return order


def place_of(record: InputRecord) -> tuple[int, int, int]:
    return record.appended_ms, record.rank, record.offset


def assert_is_sorted(batch: list[InputRecord]) -> None:
    assert len({place_of(record) for record in batch}) == len(batch)
    assert batch == sorted(batch)


@given(logs=logs, data=st.data())
@settings(max_examples=150)
def test_however_a_finished_log_is_fetched_it_is_merged_as_if_all_were_known(logs: Logs, data: st.DataObject):
    merge = Merge(RANKS, {})
    fetched = dict.fromkeys(logs, 0)
    taken: list[tuple[str, int]] = []
    sent = 0
    while len(taken) < sum(map(len, logs.values())):
        sent += 1
        for topic in data.draw(st.lists(st.sampled_from(sorted(logs)), unique=True)) if sent < 30 else logs:
            start = fetched[topic]
            end = fetched[topic] = min(len(logs[topic]), start + data.draw(st.integers(1, 12)))
            feed(merge, topic, *logs[topic][start:end], offset=start, clock=sent)
            if end == len(logs[topic]):
                drain(merge, topic, at=sent)
        batch = merge.take(data.draw(st.integers(1, 8)))
        assert_is_sorted(batch)
        taken += places(batch)
    assert taken == merged(logs)


@dataclass
class Fetch:
    """One fetch under way: its number, the offset asked for of each of its inputs, and what the broker has found."""

    number: int
    asked: dict[str, int]
    found: dict[str, tuple[list[int], bool]] = field(default_factory=dict)


@dataclass
class Log:
    """One input as the broker has it, and how much of it is where."""

    instants: list[int] = field(default_factory=list)
    fetched: int = 0
    taken: int = 0
    ends_seen: list[dict[str, int]] = field(default_factory=list)
    """For each fetched record, how long every log was when it came."""


class MergeMachine(RuleBasedStateMachine):
    """A broker of two nodes whose clock now and then goes back, and a worker that fetches, is slow, and takes.

    A node looks into one log after the other, and its answer is some time on its way.
    """

    NODES = (("command",), ("score", "activity"))

    @initialize(limit=st.integers(500, 3_000))
    def begin(self, limit: int) -> None:
        self.patched = mock.patch.object(module, "MAX_BUFFERED_BYTES", limit)
        self.patched.start()
        self.merge = Merge(RANKS, {})
        self.logs = {topic: Log() for topic in RANKS}
        self.now_ms = 100
        self.sent = 0
        self.under_way: dict[int, Fetch] = {}

    def teardown(self) -> None:
        if not hasattr(self, "patched"):
            return
        for _ in range(500):
            for node in range(len(self.NODES)):
                self.send(node)
                self.answer(node)
            while self.take_batch(1_000):
                pass
            if all(log.taken == len(log.instants) for log in self.logs.values()):
                break
        self.patched.stop()
        assert {topic: log.taken for topic, log in self.logs.items()} == {
            topic: len(log.instants) for topic, log in self.logs.items()
        }
        for source in self.merge._inputs.values():
            assert (source.buffered_bytes, len(source.chunks), len(source.buffer)) == (0, 0, 0)

    @rule(topic=st.sampled_from(sorted(RANKS)), passed_ms=st.sampled_from([0, 0, 1, 2, 5, -3]))
    def append(self, topic: str, passed_ms: int) -> None:
        self.now_ms += passed_ms
        self.logs[topic].instants.append(self.now_ms)

    @rule(node=st.sampled_from([0, 1]))
    def send(self, node: int) -> None:
        """Ask a node for what comes next of each of its inputs that has room, once it has answered the last time."""
        asked = {topic: self.logs[topic].fetched for topic in self.NODES[node] if not self.merge.full(topic)}
        if node not in self.under_way and asked:
            self.sent += 1
            self.under_way[node] = Fetch(self.sent, asked)

    @rule(topic=st.sampled_from(sorted(RANKS)), at_most=st.integers(0, 5))
    def look(self, topic: str, at_most: int) -> None:
        """The broker looks into one log for whoever asks; it is drained if nothing follows what was found."""
        for fetch in self.under_way.values():
            if topic in fetch.asked and topic not in fetch.found:
                start = fetch.asked[topic]
                rest = self.logs[topic].instants[start:]
                fetch.found[topic] = (rest[:at_most], len(rest) <= at_most)

    @rule(node=st.sampled_from([0, 1]))
    def answer(self, node: int) -> None:
        fetch = self.under_way.pop(node, None)
        if fetch is None:
            return
        for topic, start in fetch.asked.items():
            log = self.logs[topic]
            came, drained = fetch.found.get(topic, (log.instants[start:], True))
            feed(self.merge, topic, *came, offset=start, clock=self.sent)
            log.fetched += len(came)
            lengths = {name: len(each.instants) for name, each in self.logs.items()}
            log.ends_seen += [lengths] * len(came)
            if drained:
                drain(self.merge, topic, at=fetch.number)

    @rule(limit=st.integers(1, 6))
    def take(self, limit: int) -> None:
        self.take_batch(limit)

    def take_batch(self, limit: int) -> int:
        batch = self.merge.take(limit)
        assert_is_sorted(batch)
        assert len(batch) <= limit
        for record in batch:
            log = self.logs[record.topic]
            assert record.offset == log.taken, "an offset is left out, or given twice"
            assert record.appended_ms == log.instants[record.offset]
            self.assert_none_before(record, log.ends_seen[record.offset])
            log.taken += 1
        return len(batch)

    def assert_none_before(self, record, ends_seen: dict[str, int]) -> None:
        """Whatever another log held when the record came is behind it in the order, or has been taken."""
        for topic, log in self.logs.items():
            if topic != record.topic and log.taken < ends_seen[topic]:
                assert key_of(topic, log.taken, log.instants[log.taken]) > place_of(record)

    @invariant()
    def buffers_are_accounted_for(self) -> None:
        if not hasattr(self, "merge"):
            return
        for topic, log in self.logs.items():
            source = self.merge._inputs[topic]
            assert len(source.buffer) == log.fetched - log.taken
            assert source.buffered_bytes >= 210 * len(source.buffer)
            assert bool(source.chunks) == bool(source.buffer)


TestAgainstABroker = MergeMachine.TestCase
TestAgainstABroker.settings = settings(max_examples=150, stateful_step_count=40)
