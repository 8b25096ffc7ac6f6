"""Deciding a batch: bad input, bugs and oversize take nobody else with them, and how records are cut says nothing."""

from __future__ import annotations

import logging
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.crossings import JournalEntry, Rerouted
from app.domain.engine import START
from app.domain.entity import StoreError
from app.domain.errors import UserError
from app.domain.events import Activity, MemberProfile, OperatorCommand, ScoreCommand
from app.domain.instants import DAY_MS, SECOND_MS
from app.domain.members import MemberCore
from app.domain.outputs import MemberSnapshot
from app.domain.playbook_set import PlaybookSet
from app.runtime import blame, outgoing, sweep, wakes
from app.runtime import deciding as module
from app.runtime.deciding import Decided, Decider
from app.runtime.layout import part_key
from app.runtime.merge import InputRecord
from app.runtime.position import Position, load_position
from app.runtime.processor import Host, Processor
from app.runtime.store import Store
from app.wire.partitioner import murmur2_partition
from app.wire.topics import MEMBER_INPUTS, RANK, REROUTED
from tests.domain.conftest import days, re_engager, told
from tests.runtime.conftest import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from app.wire.codec import Codec

PARTITION = 2
GRACE_MS = 2 * SECOND_MS


def members_of(partition: int, wanted: int) -> list[str]:
    """Ids of members who belong to a partition."""
    ids = (f"m{number}" for number in count(1))
    return [next(id_ for id_ in ids if _partition_of(id_) == partition) for _ in range(wanted)]


def _partition_of(member: str) -> int:
    return murmur2_partition(member.encode(), PARTITIONS)


ANNA, BEN, CARL, DORA = members_of(PARTITION, 4)
STRANGER = members_of(PARTITION + 1, 1)[0]


class Bug(MemberCore):
    """Rules with a bug that some meet: in their records (`trips`), their timers (`timers`) or when re-armed (`arms`)."""

    def __init__(self, playbooks: PlaybookSet) -> None:
        super().__init__(playbooks)
        self.trips: set[str] = set()
        self.timers: set[str] = set()
        self.arms: set[str] = set()

    def apply(self, entity: Any, record: Any, sink: Any) -> bool:
        kept = super().apply(entity, record, sink)
        if record.event_id in self.trips:
            raise ZeroDivisionError(f"the bug of {record.event_id}")
        return kept

    def fire(self, entity: Any, until_ms: int, sink: Any) -> None:
        super().fire(entity, until_ms, sink)
        if entity.key in self.timers:
            raise ZeroDivisionError(f"the bug of {entity.key}")

    def rearm(self, entity: Any, sink: Any) -> None:
        super().rearm(entity, sink)
        if entity.key in self.arms:
            raise ZeroDivisionError(f"the bug of {entity.key}")


class Work:
    """One partition being decided, batch by batch, and what has come out of it."""

    def __init__(self, host: Host, folder: Path, core: MemberCore, position: Position) -> None:
        processor = Processor(
            name="members",
            inputs=(REROUTED, *MEMBER_INPUTS),
            key_field="member_id",
            rerouted=REROUTED,
            make_core=lambda: core,
        )
        folder.mkdir(exist_ok=True, parents=True)
        self.host = host
        self.core = core
        self.store: Store[Any] = Store(folder, core)
        self.decider = Decider(host, processor, PARTITION, core, self.store, position)
        self.offsets = {topic: position.offsets.get(topic, 0) for topic in processor.inputs}
        self.rows: dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]] = {}
        self.ids = count(1)

    def bytes_of(self, topic: str, key: bytes | None, value: bytes | None, appended_ms: int) -> InputRecord:
        offset = self.offsets[topic]
        self.offsets[topic] += 1
        return InputRecord(appended_ms, RANK[topic], offset, topic, key, value)

    def record(self, record: Any, *, arrived: float | None = None) -> InputRecord:
        """A record as it comes from its topic, appended at `arrived` in days (default: when it occurred)."""
        appended_ms = record.occurred_at if arrived is None else days(arrived)
        value = self.host.codec.encode(record)
        return self.bytes_of(record.topic, record.member_id.encode(), value, appended_ms)

    def activity(
        self, at: float, member: str = ANNA, *, arrived: float | None = None, **changes: Any
    ) -> InputRecord:
        fields = {"event_id": f"e{next(self.ids)}", "type": "article.read", "channel": "APP", **changes}
        return self.record(Activity(member_id=member, occurred_at=days(at), **fields), arrived=arrived)

    def decide(self, *batch: InputRecord, wall: float | None = None) -> Decided:
        """Decide and commit one batch."""
        decided = self.decider.decide(batch, None if wall is None else days(wall))
        for where, rows in decided.outgoing.outputs.items():
            self.rows.setdefault(where, []).extend(rows)
        self.store.write(decided.sealed, decided.outgoing.position, 0)
        return decided

    def decide_all(self, *batch: InputRecord) -> None:
        """Decide and commit one batch, and what is left of it."""
        self.decide(*batch)
        while self.decider.rest:
            self.decide(*self.decider.rest)

    def outputs(self, topic: str | None = None) -> list[Any]:
        """The output records so far, or those of a topic; the journal's only when asked for by name."""
        return [
            self.host.codec.decode(name[len("p-") :], key, value, 0)
            for (name, _), rows in sorted(self.rows.items())
            for key, value in rows
            if topic == name[len("p-") :] or (topic is None and not name.startswith("p-internal-"))
        ]

    def told(self) -> list[str]:
        """What came out for members, by member and sequence."""
        sequenced = [output for output in self.outputs() if hasattr(output, "sequence")]
        return told(sorted(sequenced, key=lambda output: (output.member_id, output.sequence)))

    def letters(self) -> list[tuple[str, str, int]]:
        """The dead letters' errors and places."""
        return [
            (letter.error, letter.source_topic, letter.source_offset)
            for letter in self.outputs("dead-letter")
        ]

    def states(self) -> dict[bytes, bytes]:
        """Every written key and value, but for the changelog mark and the deadlines."""
        return {key: self.store._db.get(key) for key in self.store.scan(b"e", b"q")}


def paused(slices: Generator[None, None, Decided]) -> tuple[Decided, int]:
    """What is decided, and after how many pauses."""
    for pauses in count():
        try:
            next(slices)
        except StopIteration as end:
            return end.value, pauses
    raise AssertionError("unreachable")


@pytest.fixture
def core() -> Bug:
    return Bug(PlaybookSet((re_engager(),)))


@pytest.fixture
def open_work(make_host: Callable[..., Host], tmp_path: Path, core: Bug) -> Callable[..., Work]:
    """Opens the partition: anew, or where the one before has left it (`after`), under other rules if given."""

    def open_work(
        after: Work | None = None, rules: MemberCore | None = None, folder: str = "db", **changes: Any
    ) -> Work:
        position = Position()
        if after is not None:
            position = load_position(after.store.position())
            after.store.close()
        return Work(make_host(**changes), tmp_path / folder, rules or core, position)

    return open_work


@pytest.fixture
def work(open_work: Callable[..., Work]) -> Work:
    return open_work()


class TestOrdinaryBatch:
    def test_outputs_states_position_and_journal_are_of_one_batch(self, work: Work):
        decided = work.decide(work.activity(0), work.activity(1, BEN))
        assert work.told() == [
            "0 +inactive never_active",
            "0 -inactive activity",
            f"0 opened re-engager:{ANNA}:1 first_activity",
            "1 +inactive never_active",
            "1 -inactive activity",
            f"1 opened re-engager:{BEN}:1 first_activity",
        ]
        assert decided.records == 2
        assert {key for key, _ in decided.outgoing.states} == {part_key(0, ANNA), part_key(0, BEN)}
        assert load_position(decided.outgoing.position) == decided.position == work.decider.position
        assert decided.position == Position(
            {"activity": 2}, days(1), (days(1) - GRACE_MS + 1, ""), work.core.playbooks_hash, None
        )

    def test_outputs_stay_in_the_partition_they_were_decided_in(self, work: Work):
        work.decide(work.activity(0))
        assert {number for _, number in work.rows} == {PARTITION}
        assert {topic for topic, _ in work.rows} == {
            "p-tag-changed",
            "p-workflow-opened",
            "p-member-snapshot",
            "p-internal-journal",
        }

    def test_and_within_a_smaller_topic_in_its_share_of_them(self, open_work, make_host):
        partitions = {**make_host().partitions, "dead-letter": 1, "tag-changed": 2}
        work = open_work(partitions=partitions)
        work.decide(work.activity(0), work.bytes_of("activity", b"k", b"?", days(1)))
        assert ("p-dead-letter", 0) in work.rows
        assert ("p-tag-changed", PARTITION % 2) in work.rows

    def test_every_output_has_its_members_key(self, work: Work):
        work.decide(work.activity(0), work.activity(0, BEN))
        for (topic, _), rows in work.rows.items():
            for key, value in rows:
                if topic != "p-internal-journal":
                    record = work.host.codec.decode(topic[2:], key, value, 0)
                    assert key == record.member_id.encode()

    def test_an_empty_batch_moves_nothing_but_the_journal(self, work: Work):
        work.decide(work.activity(0))
        before = work.decider.position
        decided = work.decide()
        assert decided.position == before
        assert list(decided.outgoing.outputs) == [("p-internal-journal", PARTITION)]
        assert list(decided.outgoing.states) == []

    def test_of_a_page_written_twice_in_a_batch_the_last_is_enough(self, work: Work):
        work.decide(work.activity(0), work.activity(8))
        (page,) = work.outputs(MemberSnapshot.topic)
        assert page.last_in_app_activity == days(8)


class TestJournal:
    def test_an_entry_tells_how_far_the_commit_came(self, work: Work):
        work.decide(work.activity(0))
        profile = MemberProfile(event_id="p1", member_id=BEN, occurred_at=days(8))
        work.decide(work.record(profile), work.activity(8, BEN))
        entries = work.outputs(JournalEntry.topic)
        assert entries[1] == JournalEntry(
            processor="members",
            offsets={"activity": 2, "profile": 1},
            time=days(8),
            mark_due=days(8) - GRACE_MS + 1,
            mark_entity="",
            fired=1,
            playbooks_hash=work.core.playbooks_hash,
            version="0.1",
        )
        assert work.rows["p-internal-journal", PARTITION][1][0] == b"members"

    def test_in_a_wave_it_names_the_next_to_wake(self, work: Work, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(module, "WAKES_PER_BATCH", 1)
        work.decide(work.activity(0, ANNA), work.activity(0, BEN))
        work.decide(work.activity(9, CARL))
        entry = work.outputs(JournalEntry.topic)[-1]
        assert (entry.fired, entry.mark_due, entry.mark_entity) == (1, days(7), max(ANNA, BEN))


class TestBadInput:
    @pytest.mark.parametrize(
        ("key", "value", "error"),
        [
            (ANNA.encode(), b"\xff\xfe", "undecodable"),
            (ANNA.encode(), None, "undecodable"),
            (ANNA.encode(), b"", "undecodable"),
            (ANNA.encode(), b"\xc3\x01" + b"\0" * 8, "unknown_schema"),
            (ANNA.encode(), b'{"event_id":"x"}', "missing_field"),
            (b"\xff", b"{", "undecodable"),
            (None, b"{}", "missing_field"),
        ],
    )
    def test_it_is_a_dead_letter_with_its_place_and_bytes(
        self, work: Work, key: bytes | None, value: bytes | None, error: str
    ):
        decided = work.decide(
            work.activity(0), work.bytes_of("activity", key, value, days(1)), work.activity(2)
        )
        (letter,) = work.outputs("dead-letter")
        assert (letter.error, letter.source_topic, letter.source_partition, letter.source_offset) == (
            error,
            "activity",
            PARTITION,
            1,
        )
        assert letter.raw == value
        assert work.rows["p-dead-letter", PARTITION][0][0] == key
        assert decided.position.offsets == {"activity": 3}
        assert decided.dead_letters == {error: 1}
        assert work.decider.position.time_ms == days(2)

    def test_a_key_that_differs_or_lacks(self, work: Work):
        good = work.activity(0)
        work.decide(replace(good, key=None), replace(good, key=b"other", offset=1))
        assert [error for error, _, _ in work.letters()] == ["bad_key", "bad_key"]
        assert work.outputs("tag-changed") == []

    def test_a_record_of_the_future_moves_no_time(self, work: Work):
        work.decide(work.activity(400, arrived=0))
        (letter,) = work.outputs("dead-letter")
        assert (letter.error, letter.occurred_at) == ("in_the_future", days(400))
        assert work.decider.position.time_ms == 0
        assert work.decider.position.mark == START

    def test_what_the_rules_refuse_keeps_its_instant(self, work: Work):
        command = OperatorCommand(
            event_id="c1",
            member_id=ANNA,
            occurred_at=days(1),
            type="RESOLVE_WORKFLOW",
            workflow_id="none",
            issued_by="op",
        )
        work.decide(work.activity(0), work.record(command))
        (letter,) = work.outputs("dead-letter")
        assert (letter.error, letter.occurred_at, letter.source_topic) == (
            "unknown_workflow",
            days(1),
            "command",
        )

    @pytest.mark.parametrize("key", [b"k" * 900_000, b"\xff" * 900_000])
    def test_however_large_key_and_value_are_the_letter_can_be_written(self, work: Work, key: bytes):
        work.decide(work.bytes_of("activity", key, b"\xff" * 900_000, days(0)))
        ((written_key, written),) = work.rows["p-dead-letter", PARTITION]
        assert len(written_key or b"") + len(written or b"") < 1_000_000
        (letter,) = work.outputs("dead-letter")
        assert len(letter.raw) == 450_000

    @given(value=st.binary(max_size=40), headed=st.booleans())
    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_whatever_comes_the_partition_moves_on(
        self, work: Work, codec: Codec, value: bytes, headed: bool
    ):
        header = codec.encode(
            Activity(event_id="e", member_id=ANNA, occurred_at=days(0), type="a.b", channel="APP")
        )
        before = work.decider.position.offsets.get("activity", 0)
        work.decide(work.bytes_of("activity", ANNA.encode(), header[: 10 * headed] + value, days(0)))
        assert work.decider.position.offsets["activity"] == before + 1


class TestReroute:
    def test_a_record_of_another_partition_is_sent_on_as_it_came(self, work: Work):
        record = work.activity(0, STRANGER)
        work.decide(record, work.activity(1))
        right = murmur2_partition(STRANGER.encode(), PARTITIONS)
        ((key, value),) = work.rows["p-internal-rerouted", right]
        assert key == STRANGER.encode()
        assert work.host.codec.decode(REROUTED, key, value, 0) == Rerouted(
            source_topic="activity",
            source_partition=PARTITION,
            source_offset=0,
            appended_at=days(0),
            key=STRANGER.encode(),
            value=record.value,
        )
        assert work.store.get(STRANGER) is None
        assert work.decider.position.offsets == {"activity": 2}

    def test_it_is_warned_of_once(self, work: Work, caplog: pytest.LogCaptureFixture):
        with caplog.at_level(logging.WARNING):
            work.decide(work.activity(0, STRANGER))
            work.decide(work.activity(1, STRANGER))
        (warning,) = caplog.records
        assert "activity-2 offset 0" in warning.message
        assert "murmur2" in warning.message

    def rerouted(self, work: Work, value: bytes | None, appended_ms: int) -> InputRecord:
        wrapped = Rerouted(
            source_topic="activity",
            source_partition=1,
            source_offset=77,
            appended_at=days(0),
            key=ANNA.encode(),
            value=value,
        )
        return work.bytes_of(REROUTED, ANNA.encode(), work.host.codec.encode(wrapped), appended_ms)

    def test_one_that_was_sent_on_is_applied(self, work: Work):
        inner = work.activity(0)
        work.decide(self.rerouted(work, inner.value, days(0)))
        assert "0 -inactive activity" in work.told()
        assert work.decider.position.offsets == {REROUTED: 1}

    def test_its_instant_is_judged_by_its_first_append_time(self, work: Work):
        """It may have waited for long on its way; it was as early in the future when it came."""
        inner = work.activity(1)
        work.decide(self.rerouted(work, inner.value, days(2)))
        assert [error for error, _, _ in work.letters()] == ["in_the_future"]

    def test_its_dead_letter_names_where_it_came_from(self, work: Work):
        work.decide(self.rerouted(work, b"?", days(0)))
        (letter,) = work.outputs("dead-letter")
        assert (letter.source_topic, letter.source_partition, letter.source_offset, letter.raw) == (
            "activity",
            1,
            77,
            b"?",
        )

    def test_one_too_large_to_be_wrapped_is_a_dead_letter(self, work: Work):
        record = work.activity(0, STRANGER, attributes={"text": "x" * 899_990})
        work.decide(record)
        assert work.letters() == [("too_large", "activity", 0)]


class TestBugs:
    def test_the_record_is_a_dead_letter_with_the_traceback(self, work: Work, core: Bug):
        core.trips = {"bad"}
        work.decide(work.activity(0, event_id="bad"))
        (letter,) = work.outputs("dead-letter")
        assert (letter.error, letter.occurred_at) == ("internal", days(0))
        assert "ZeroDivisionError: the bug of bad" in letter.message
        assert letter.raw is not None
        assert work.told() == []
        assert work.store.get(ANNA) is None

    def test_its_entity_is_as_if_it_had_not_come(self, open_work, core: Bug):
        core.trips = {"bad"}
        work = open_work()
        batch = [work.activity(0), work.activity(1, event_id="bad"), work.activity(2), work.activity(2, BEN)]
        work.decide(*batch)
        other = open_work(folder="other")
        other.decide(*batch[:1], *batch[2:])
        assert work.letters() == [("internal", "activity", 1)]
        assert (work.told(), work.states()) == (other.told(), other.states())

    def test_a_batch_full_of_them_is_decided(self, work: Work, core: Bug):
        batch = [work.activity(number, event_id=f"bad{number}") for number in range(5)]
        core.trips = {f"bad{number}" for number in range(5)}
        decided = work.decide(*batch, work.activity(5))
        assert decided.dead_letters == {"internal": 5}
        assert work.told()[-1] == f"5 opened re-engager:{ANNA}:1 first_activity"

    def test_of_very_many_the_batch_is_cut_short_and_the_rest_decided_next(self, work: Work, core: Bug):
        many = 5 * module.MOST_SPOILT
        batch = [work.activity(number, event_id=f"bad{number}") for number in range(many)]
        core.trips = {f"bad{number}" for number in range(many)}
        left, decided = [*batch, work.activity(many)], 0
        while left:
            part = work.decide(*left)
            assert part.dead_letters.get("internal", 0) <= module.MOST_SPOILT
            decided += part.records
            left = list(work.decider.rest)
        assert decided == many + 1
        assert len(work.letters()) == many
        assert work.told()[-1] == f"{many} opened re-engager:{ANNA}:1 first_activity"

    def test_a_batch_with_many_is_cut_and_the_rest_of_it_is_the_next(
        self, open_work, core: Bug, monkeypatch: pytest.MonkeyPatch
    ):
        """Each of them costs deciding all over again: of 5,000 in one batch the partition would not come back."""
        whole, cut = open_work(), open_work(folder="cut")
        core.trips = {f"e{number}" for number in (2, 3, 5, 8, 9)}
        batch = [whole.activity(number, (ANNA, BEN)[number % 2]) for number in range(10)]
        whole.decide(*batch)
        monkeypatch.setattr(module, "MOST_SPOILT", 2)
        decided = [cut.decide(*batch)]
        while cut.decider.rest:
            assert cut.decider.position.offsets["activity"] == cut.decider.rest[0].offset
            decided.append(cut.decide(*cut.decider.rest))
        assert len(decided) > 1
        assert sum(each.records for each in decided) == 10
        assert cut.decider.position == whole.decider.position
        assert (cut.told(), cut.states(), cut.letters()) == (whole.told(), whole.states(), whole.letters())

    def test_what_was_decided_before_in_another_batch_stays(self, work: Work, core: Bug):
        work.decide(work.activity(0))
        core.trips = {"bad"}
        work.decide(work.activity(1, event_id="bad"), work.activity(8, channel="WEB"))
        assert work.told()[-1] == "7 +inactive inactive"

    def test_what_was_refused_before_is_refused_again(self, open_work, core: Bug):
        """The batch is decided twice, and at least once the states say what they have seen."""
        core.trips = {"bad"}
        work = open_work(exactly_once=False)
        work.decide(work.activity(0))
        fields = {"event_id": "c1", "member_id": ANNA, "occurred_at": days(1), "issued_by": "op"}
        command = OperatorCommand(type="RESOLVE_WORKFLOW", workflow_id="none", **fields)
        work.decide(work.record(command), work.activity(1, BEN, event_id="bad"))
        assert sorted(work.letters()) == [("internal", "activity", 1), ("unknown_workflow", "command", 0)]


def unreadable(*_arguments: Any) -> None:
    raise StoreError("block checksum mismatch", damaged=True)


class TestUnreadableState:
    """No fault of the record that asks for it: a dead letter would lose the record for good."""

    @pytest.fixture(autouse=True)
    def _cold_members(self, work: Work) -> None:
        work.decide(work.activity(0, ANNA), work.activity(0, BEN))
        for member in (ANNA, BEN):
            work.store.drop(member)
        work.rows.clear()

    def test_the_record_of_the_member_it_is_of_is_no_dead_letter(self, work: Work, monkeypatch):
        monkeypatch.setattr(work.store, "_read_part", unreadable)
        with pytest.raises(StoreError, match="checksum"):
            work.decide(work.activity(1, ANNA))
        assert work.rows == {}

    def test_nor_is_one_that_made_another_member_s_timer_due(self, work: Work, monkeypatch):
        monkeypatch.setattr(work.store, "_read_part", unreadable)
        with pytest.raises(StoreError, match="checksum"):
            work.decide(work.activity(8, DORA))

    @pytest.mark.parametrize("step", ["apply", "fire", "rearm"])
    def test_nor_where_the_rules_ask_for_more_of_it(self, work: Work, open_work, monkeypatch, step: str):
        rules = Bug(PlaybookSet((re_engager(after=3),))) if step == "rearm" else work.core
        again = open_work(after=work, rules=rules)
        monkeypatch.setattr(rules, step, unreadable)
        with pytest.raises(StoreError, match="checksum"):
            again.decide(again.activity(8, ANNA))

    def test_nor_one_of_a_newer_reengage(self, work: Work):
        found = work.store._read_part(0, ANNA)
        assert found is not None
        newer = bytearray(found)
        newer[10] = 99
        work.store.restore([(part_key(0, ANNA), bytes(newer))], 0)
        with pytest.raises(UserError, match="state-too-new"):
            work.decide(work.activity(1, ANNA))


class TestBugsInTimers:
    @pytest.fixture(autouse=True)
    def _three_silent_ones(self, work: Work, core: Bug) -> None:
        work.decide(work.activity(0, ANNA), work.activity(0, BEN), work.activity(0, CARL))
        core.timers = {BEN}
        work.rows.clear()

    def test_nobody_else_is_affected(self, work: Work):
        work.decide(work.activity(8, DORA))
        fired = {output.member_id for output in work.outputs("tag-changed") if output.reason == "inactive"}
        assert fired == {ANNA, CARL}
        assert work.letters() == []
        assert work.decider.position.offsets == {"activity": 4}

    def test_nor_in_the_batches_that_follow(self, work: Work, caplog: pytest.LogCaptureFixture):
        work.decide(work.activity(8, DORA))
        caplog.clear()
        work.decide(work.activity(9, DORA))
        work.decide(wall=20)
        assert caplog.records == []
        assert not work.decider.behind

    def test_where_nearly_all_fail_the_others_are_reached_in_steps(
        self, work: Work, core: Bug, monkeypatch: pytest.MonkeyPatch
    ):
        """Each failure costs deciding all over again: of thousands in one batch the partition would not come back."""
        monkeypatch.setattr(module, "MOST_SPOILT", 3)
        everybody = members_of(PARTITION, 40)
        work.decide(*[work.activity(0.5, member) for member in everybody])
        core.timers = set(everybody[::10]) ^ set(everybody)
        calls, decide = [], work.decider._decide

        def count_calls(*arguments: Any) -> Decided:
            calls.append(arguments)
            return decide(*arguments)

        monkeypatch.setattr(work.decider, "_decide", count_calls)
        work.decide(wall=9)
        assert len(calls) <= 4
        while work.decider.behind:
            calls.clear()
            work.decide()
            assert len(calls) <= 4
        fired = {output.member_id for output in work.outputs("tag-changed") if output.reason == "inactive"}
        assert fired == set(everybody[::10])

    def test_the_same_on_the_wall_clock(self, work: Work):
        work.decide(wall=8)
        assert {output.member_id for output in work.outputs("tag-changed")} == {ANNA, CARL}
        work.decide(wall=9)
        assert not work.decider.due(days(9))

    def test_a_record_of_the_one_it_concerns_is_a_dead_letter(self, work: Work):
        work.decide(work.activity(8, DORA), work.activity(9, BEN), work.activity(9, ANNA))
        assert work.letters() == [("internal", "activity", 4)]
        assert f"9 opened re-engager:{ANNA}:1 returned" not in work.told()

    def test_once_the_bug_is_gone_the_timer_fires_late(self, work: Work, open_work, core: Bug):
        work.decide(work.activity(8, DORA))
        core.timers = set()
        again = open_work(after=work)
        assert again.decider.due(days(8) + GRACE_MS)
        again.decide(again.activity(9, DORA))
        assert told(again.outputs("tag-changed")) == ["7 +inactive inactive"]


class TestHeldBack:
    """Where a quota holds writing back, a batch is to go into one request (`held_back.HeldBack`)."""

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "LARGE_LOG_BYTES", 4_000)
        monkeypatch.setattr(module, "CAREFUL_SLICE", 2)

    def batch(self, work: Work) -> list[InputRecord]:
        names = members_of(PARTITION, 40)
        return [work.activity(0, name, event_id=f"e{at}") for at, name in enumerate(names)]

    def sizes(self, decided: Decided) -> list[int]:
        logs = [*decided.outgoing.outputs.values(), decided.outgoing.states]
        return [sum(len(key or b"") + len(value or b"") for key, value in rows) for rows in logs]

    def test_one_that_is_larger_is_decided_in_parts(self, work: Work, open_work):
        work.host.held_back.note(1.0)
        batch = self.batch(work)
        parts = [work.decide(*batch)]
        while work.decider.rest:
            parts.append(work.decide(*work.decider.rest))
        assert len(parts) > 2
        assert all(4_000 < max(self.sizes(part)) < 5_000 for part in parts[:-1])
        assert [part.position.offsets["activity"] for part in parts[-1:]] == [len(batch)]
        assert sum(part.records for part in parts) == len(batch)
        whole = open_work(folder="whole")
        whole.decide(*self.batch(whole))
        assert work.outputs() == whole.outputs()

    def test_what_is_spoilt_in_a_part_is_decided_once(self, work: Work, core: Bug):
        work.host.held_back.note(1.0)
        core.trips = {"e3", "e25"}
        work.decide_all(*self.batch(work))
        assert work.letters() == [("internal", "activity", 3), ("internal", "activity", 25)]
        assert sum(line.count("opened") for line in work.told()) == 38

    def test_any_other_is_decided_whole(self, work: Work):
        batch = self.batch(work)
        assert work.decide(*batch).records == len(batch)

    def test_few_silent_members_are_woken_at_once(self, work: Work, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(module, "CAREFUL_WAKES", 3)
        work.decide(*self.batch(work))
        work.host.held_back.note(1.0)
        assert work.decide(wall=30).woken == 3


class TestTooLarge:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(blame, "MAX_VALUE_BYTES", 1_000)
        monkeypatch.setattr(outgoing, "MAX_VALUE_BYTES", 1_000)

    def profile(self, work: Work, at: float) -> InputRecord:
        event_id, email = f"p{next(work.ids)}", "x" * 2_000
        return work.record(
            MemberProfile(event_id=event_id, member_id=ANNA, occurred_at=days(at), email=email)
        )

    def test_a_state_that_would_be_is_the_fault_of_the_record_that_made_it_so(self, work: Work):
        work.decide_all(work.activity(0), self.profile(work, 1), work.activity(1, BEN))
        (letter,) = work.outputs("dead-letter")
        assert (letter.error, letter.source_topic, letter.occurred_at) == ("too_large", "profile", days(1))
        assert f"the state of {ANNA} would take" in letter.message
        assert work.told()[-1] == f"1 opened re-engager:{BEN}:1 first_activity"

    def test_not_of_smaller_ones_that_followed(self, work: Work):
        work.decide_all(self.profile(work, 1), work.activity(2), work.activity(10))
        assert work.letters() == [("too_large", "profile", 0)]
        assert work.told()[-1] == "10 -inactive activity"

    @pytest.mark.parametrize("slice_", [1, 250])
    def test_nor_of_larger_ones_of_which_little_is_kept(self, work: Work, monkeypatch, slice_: int):
        monkeypatch.setattr(module, "SLICE", slice_)
        scores = [
            ScoreCommand(
                event_id=name,
                member_id=ANNA,
                occurred_at=days(1),
                score=name * 250,
                operation="SET",
                points=1,
            )
            for name in "abc"
        ]
        before, after = (work.activity(at, attributes={"text": "x" * 600}) for at in (0.5, 9))
        work.decide_all(before, *(work.record(score) for score in scores), after)
        assert work.letters() == [("too_large", "score", 2)]
        assert work.told()[-1] == "9 -inactive activity"

    def test_nor_of_any_where_much_else_is_spoilt(self, work: Work, core: Bug):
        bad = [work.activity(1, BEN, event_id=f"bad{number}") for number in range(module.MOST_SPOILT)]
        core.trips = {f"bad{number}" for number in range(module.MOST_SPOILT)}
        work.decide_all(work.activity(0), self.profile(work, 1), *bad, work.activity(2, CARL))
        assert work.letters().count(("too_large", "profile", 0)) == 1
        assert len(work.letters()) == module.MOST_SPOILT + 1
        assert work.told()[-1] == f"2 opened re-engager:{CARL}:1 first_activity"

    def test_it_is_found_in_halves(self, work: Work, core: Bug):
        """Not one by one: a member may have thousands of records in a batch."""
        small = [work.activity(number / 100) for number in range(128)]
        applied, core_apply = count(), core.apply
        core.apply = lambda *given: (next(applied) and None) or core_apply(*given)  # type: ignore[method-assign]
        work.decide_all(*small, self.profile(work, 2), work.activity(3))
        assert work.letters() == [("too_large", "profile", 0)]
        assert next(applied) < 10 * len(small)

    def test_two_of_one_member_are_found_one_after_the_other(self, work: Work):
        work.decide_all(self.profile(work, 1), self.profile(work, 2), work.activity(3))
        assert work.letters() == [("too_large", "profile", 0), ("too_large", "profile", 1)]
        assert work.told()[-1] == f"3 opened re-engager:{ANNA}:1 first_activity"

    def test_bytes_that_are_no_record_are_not_blamed(self, work: Work):
        garbage = work.bytes_of("activity", ANNA.encode(), b"\xff" * 3_000, days(0))
        work.decide(garbage, self.profile(work, 1))
        assert sorted(work.letters()) == [("too_large", "profile", 0), ("undecodable", "activity", 0)]

    def test_an_output_that_would_be_is_the_fault_of_its_record(self, work: Work, monkeypatch):
        monkeypatch.setattr(outgoing, "MAX_VALUE_BYTES", 350)
        work.decide(work.activity(0, event_id="e" * 250), work.activity(1))
        (letter,) = work.outputs("dead-letter")
        assert (letter.error, letter.source_offset) == ("too_large", 0)
        assert work.told()[-1] == f"1 opened re-engager:{ANNA}:1 first_activity"

    def test_an_output_of_a_timer_is_not_the_fault_of_who_moved_the_time(self, work: Work, monkeypatch):
        work.decide(work.activity(0, ANNA), work.activity(0, BEN))
        encode, big = work.host.codec.encode, [ANNA]

        def oversize(record: Any) -> bytes:
            grows = getattr(record, "reason", None) == "inactive" and record.member_id in big
            return encode(record) + b"x" * 2_000 * grows

        monkeypatch.setattr(work.host.codec, "encode", oversize)
        work.decide(work.activity(8, CARL), work.activity(9, DORA))
        assert work.letters() == []
        told_of = [line for line in work.told() if line.startswith("7 ")]
        assert told_of == ["7 +inactive inactive"]

    def test_a_state_grown_in_a_timer_is_left_as_it_was(self, work: Work, core: Bug, monkeypatch):
        work.decide(work.activity(0, ANNA), work.activity(0, BEN))
        fire = MemberCore.fire

        def grow(self: MemberCore, entity: Any, until_ms: int, sink: Any) -> None:
            fire(self, entity, until_ms, sink)
            if entity.key == ANNA:
                entity.hot.openings = {"x" * 2_000: 1}

        monkeypatch.setattr(Bug, "fire", grow)
        work.decide(work.activity(8, CARL))
        assert work.letters() == []
        assert [line for line in work.told() if line.startswith("7 ")] == ["7 +inactive inactive"]
        assert "x" * 2_000 not in (work.store.get(ANNA).hot.openings or {})


class TestHistory:
    def test_records_that_come_as_they_occur_are_none(self, work: Work):
        work.decide(work.activity(0, arrived=0.001))
        assert work.decider.history_seen_ms == 0

    def test_a_record_that_comes_much_later_is(self, work: Work):
        work.decide(work.activity(0, arrived=0.004))
        assert work.decider.history_seen_ms == work.host.now_ms()

    def test_it_is_remembered_when_the_partition_is_opened_again(self, work: Work, open_work):
        work.decide(work.activity(0, arrived=0.004))
        assert open_work(after=work).decider.history_seen_ms == work.host.now_ms()

    def test_a_dead_letter_is_not(self, work: Work):
        work.decide(work.bytes_of("activity", ANNA.encode(), b'{"occurred_at":1}', days(9)))
        assert work.decider.history_seen_ms == 0


class TestTime:
    def test_the_wall_clock_fires_what_is_due_with_grace(self, work: Work):
        work.decide(work.activity(0))
        seven = days(7) + GRACE_MS
        assert not work.decider.due(seven - 1)
        assert work.decider.due(seven)
        decided = work.decider.decide([], seven)
        assert decided.woken == 1
        assert work.decider.position.time_ms == seven
        assert not work.decider.due(seven)

    def test_a_wave_is_worked_off_between_records(self, work: Work, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(module, "WAKES_PER_BATCH", 2)
        everybody = members_of(PARTITION, 5)
        work.decide(*[work.activity(0, member) for member in everybody])
        assert [work.decide(work.activity(8, DORA)).woken, work.decide().woken, work.decide().woken] == [
            2,
            2,
            1,
        ]
        assert not work.decider.behind

    def test_between_those_it_wakes_a_batch_pauses_and_its_record_comes_after_them(
        self, work: Work, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(wakes, "SLICE_WAKES", 2)
        everybody = members_of(PARTITION, 5)
        work.decide(*[work.activity(0, member) for member in everybody])
        decided, pauses = paused(work.decider.slices([work.activity(8, DORA)]))
        assert (pauses, decided.woken) == (2, 5)
        (rows,) = [rows for where, rows in decided.outgoing.outputs.items() if where[0] == "p-tag-changed"]
        assert [key for key, _ in rows] == [*[member.encode() for member in sorted(everybody)], DORA.encode()]

    def test_so_it_does_without_a_record(self, work: Work, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(wakes, "SLICE_WAKES", 2)
        work.decide(*[work.activity(0, member) for member in members_of(PARTITION, 5)])
        decided, pauses = paused(work.decider.slices([], days(8)))
        assert (pauses, decided.woken) == (2, 5)

    def test_a_large_batch_takes_half_as_many_wakes_as_it_has_records(
        self, work: Work, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(module, "WAKES_PER_BATCH", 2)
        work.decide(*[work.activity(0, member) for member in members_of(PARTITION, 9)])
        assert work.decide(*[work.activity(8, DORA) for _ in range(7)]).woken == 3

    def test_it_is_behind_also_with_the_timers_of_this_very_millisecond(
        self, work: Work, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(module, "WAKES_PER_BATCH", 2)
        everybody = members_of(PARTITION, 5)
        work.decide(*[work.activity(0, member) for member in everybody])
        work.decide(wall=7 + GRACE_MS / DAY_MS)
        assert work.decider.position.mark[0] == days(7)
        assert work.decider.behind
        work.decide()
        work.decide()
        assert not work.decider.behind
        assert len([line for line in work.told() if line == "7 +inactive inactive"]) == 5

    def test_a_timer_set_where_the_wave_has_passed_fires_at_once(
        self, work: Work, monkeypatch: pytest.MonkeyPatch
    ):
        """The mark names an entity within a millisecond: before it, none is left waiting."""
        monkeypatch.setattr(module, "WAKES_PER_BATCH", 2)
        first, *others, last = sorted(members_of(PARTITION, 8))
        work.decide(*[work.activity(0, member) for member in others])
        work.decide(wall=8)
        work.decide(work.activity(0, first, arrived=8), work.activity(0, last, arrived=8))
        assert work.decider.position.mark[0] == days(7)
        fired = {output.member_id for output in work.outputs("tag-changed") if output.reason == "inactive"}
        assert first in fired
        assert last not in fired

    def test_what_is_not_begun_is_not_behind(self, work: Work):
        assert not work.decider.behind


class TestChangedPlaybooks:
    @pytest.fixture(autouse=True)
    def _slices_of_two(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sweep, "SWEEP_SLICE", 2)

    @pytest.fixture
    def swept(self, work: Work) -> Work:
        work.decide(*[work.activity(0, member) for member in (ANNA, BEN, CARL, DORA)])
        return work

    @staticmethod
    def rules(after: float) -> Bug:
        return Bug(PlaybookSet((re_engager(after=after),)))

    @staticmethod
    def armed(work: Work) -> dict[str, str]:
        return {member: work.store.get(member).armed_for for member in (ANNA, BEN, CARL, DORA)}

    def test_under_the_same_ones_there_is_nothing_to_sweep(self, swept: Work, open_work):
        assert not open_work(after=swept).decider.sweeping

    def test_all_are_brought_under_the_new_ones_slice_by_slice(self, swept: Work, open_work):
        rules = self.rules(3)
        work = open_work(after=swept, rules=rules)
        commits = 0
        while work.decider.sweeping:
            assert work.decider.position.playbooks_hash == (
                rules.playbooks_hash if commits else swept.core.playbooks_hash
            )
            work.decide()
            commits += 1
        assert commits == 3
        assert set(self.armed(work).values()) == {rules.playbooks_hash}
        work.decide(wall=4)
        assert [line for line in work.told() if line.startswith("3 ")] == ["3 +inactive inactive"] * 4

    def test_a_sweep_goes_on_where_it_was_left(self, swept: Work, open_work):
        rules = self.rules(3)
        work = open_work(after=swept, rules=rules)
        work.decide()
        again = open_work(after=work, rules=rules)
        assert again.decider.sweeping
        assert again.decider.position.swept_to == sorted([ANNA, BEN, CARL, DORA])[1]
        again.decide()
        assert set(self.armed(again).values()) == {rules.playbooks_hash}

    def test_changed_again_meanwhile_it_begins_anew(self, swept: Work, open_work):
        work = open_work(after=swept, rules=self.rules(3))
        work.decide()
        again = open_work(after=work, rules=self.rules(5))
        assert again.decider.position.swept_to == ""
        while again.decider.sweeping:
            again.decide()
        assert set(self.armed(again).values()) == {self.rules(5).playbooks_hash}

    def test_records_go_on_meanwhile_and_bring_their_own_member_along(self, swept: Work, open_work):
        rules = self.rules(3)
        work = open_work(after=swept, rules=rules)
        last = max([ANNA, BEN, CARL, DORA])
        work.decide(work.activity(4, last))
        assert self.armed(work)[last] == rules.playbooks_hash
        assert "4 -inactive activity" in work.told()

    def test_whom_a_bug_keeps_from_it_holds_up_nobody(self, swept: Work, open_work):
        rules = self.rules(3)
        rules.arms = {ANNA}
        work = open_work(after=swept, rules=rules)
        while work.decider.sweeping:
            work.decide()
        armed = self.armed(work)
        assert armed.pop(ANNA) == swept.core.playbooks_hash
        assert set(armed.values()) == {rules.playbooks_hash}


# The same records, cut into batches in any way.

MEMBERS = (ANNA, BEN, CARL, STRANGER)
steps = st.tuples(
    st.sampled_from(MEMBERS),
    st.sampled_from(["read", "web", "profile", "garbage", "again", "resolve", "future"]),
    st.sampled_from([0, 0, 0.5, 1, 3, 7, 8, -2]),
)


def play(
    work: Work, story: Sequence[tuple[str, str, float]], cuts: set[int], reopen: Callable[[Work], Work]
) -> Work:
    """Apply the story's records, a new batch beginning at each cut; at every third the partition is opened again."""
    at, batch, cut_at = 20.0, [], 0
    for number, (member, what, passed) in enumerate(story):
        if number in cuts and batch:
            work.decide(*batch)
            batch = []
            cut_at += 1
            if cut_at % 3 == 0:
                rows, ids = work.rows, work.ids
                work = reopen(work)
                work.rows, work.ids = rows, ids
        at += passed
        batch.append(_record(work, number, member, what, at))
    work.decide(*batch)
    return work


def _record(work: Work, number: int, member: str, what: str, at: float) -> InputRecord:
    fields: dict[str, Any] = {"event_id": f"e{number}", "member_id": member, "occurred_at": days(at)}
    if what == "garbage":
        return work.bytes_of("activity", member.encode(), b"?", days(at))
    if what == "profile":
        return work.record(MemberProfile(**fields, email=f"{number}@x.org"))
    if what == "resolve":
        wanted = f"re-engager:{member}:1"
        return work.record(
            OperatorCommand(**fields, type="RESOLVE_WORKFLOW", workflow_id=wanted, issued_by="op")
        )
    changes: dict[str, dict[str, Any]] = {
        "read": {},
        "web": {"channel": "WEB"},
        "again": {"event_id": "e0"},
        "future": {"occurred_at": days(at + 50)},
    }
    activity = Activity(**{**fields, "type": "article.read", "channel": "APP", **changes[what]})
    return work.record(activity, arrived=at)


class Interrupted(Work):
    """Decides with pauses: in one the batch before is written, in some (`given_up`, by number) the batch is given up and begun anew."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.given_up: set[int] = set()
        self.pauses = count(1)
        self.unwritten: Decided | None = None

    def decide(self, *batch: InputRecord, wall: float | None = None) -> Decided:
        assert wall is None
        slices = self.decider.slices(batch)
        while True:
            try:
                next(slices)
            except StopIteration as end:
                decided: Decided = end.value
                break
            self.write()
            if next(self.pauses) in self.given_up:
                slices.close()
                slices = self.decider.slices(batch)
        self.write()
        self.unwritten = decided
        for where, rows in decided.outgoing.outputs.items():
            self.rows.setdefault(where, []).extend(rows)
        return decided

    def write(self) -> None:
        """Write what was decided last, if it is not written yet."""
        unwritten, self.unwritten = self.unwritten, None
        if unwritten is not None:
            self.store.write(unwritten.sealed, unwritten.outgoing.position, 0)


@given(
    story=st.lists(steps, min_size=1, max_size=25),
    cuts=st.sets(st.integers(1, 24), max_size=3),
    bugs=st.sets(st.integers(0, 24), max_size=2),
    size=st.integers(1, 4),
    woken=st.integers(1, 3),
    given_up=st.sets(st.integers(1, 30), max_size=6),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pauses_and_beginning_anew_after_one_change_nothing(
    story: list[tuple[str, str, float]],
    cuts: set[int],
    bugs: set[int],
    size: int,
    woken: int,
    given_up: set[int],
    make_host: Callable[..., Host],
    tmp_path_factory: pytest.TempPathFactory,
):
    """Whichever batch is written in them."""
    host, results = make_host(), []
    for kind in (Work, Interrupted):
        core = Bug(PlaybookSet((re_engager(),)))
        core.trips = {f"e{number}" for number in bugs}
        work = kind(host, tmp_path_factory.mktemp("db"), core, Position())
        with pytest.MonkeyPatch.context() as patch:
            if isinstance(work, Interrupted):
                work.given_up = given_up
                patch.setattr(module, "SLICE", size)
                patch.setattr(wakes, "SLICE_WAKES", woken)
            play(work, story, cuts, lambda work: work)
            if isinstance(work, Interrupted):
                work.write()
        results.append(everything_but_the_cuts(work) | {"journal": work.outputs("internal-journal")})
        work.store.close()
    assert results[0] == results[1]


def everything_but_the_cuts(work: Work) -> dict[str, Any]:
    """Outputs in their order, the newest page of each member, states, and where the partition is."""
    rows = {where: rows for where, rows in work.rows.items() if where[0] != "p-internal-journal"}
    pages = dict(rows.pop(("p-member-snapshot", PARTITION), []))
    return {"rows": rows, "pages": pages, "states": work.states(), "position": work.decider.position}


@given(
    story=st.lists(steps, min_size=1, max_size=25),
    cuts=st.sets(st.integers(1, 24), max_size=12),
    bugs=st.sets(st.integers(0, 24), max_size=2),
    slices=st.integers(1, 4),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_how_records_are_cut_into_batches_changes_nothing(
    story: list[tuple[str, str, float]],
    cuts: set[int],
    bugs: set[int],
    slices: int,
    make_host: Callable[..., Host],
    tmp_path_factory: pytest.TempPathFactory,
):
    """Nor after how many of them what they changed is encoded."""
    host = make_host()

    def opened(folder: Path, position: Position) -> Work:
        core = Bug(PlaybookSet((re_engager(),)))
        core.trips = {f"e{number}" for number in bugs}
        return Work(host, folder, core, position)

    def reopen(work: Work) -> Work:
        position = load_position(work.store.position())
        work.store.close()
        return opened(folder, position)

    results = []
    for each, size in ((set(), module.SLICE), (cuts, slices)):
        folder = tmp_path_factory.mktemp("db")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "SLICE", size)
            work = play(opened(folder, Position()), story, each, reopen)
        results.append(everything_but_the_cuts(work))
        work.store.close()
    assert results[0] == results[1]


@given(
    story=st.lists(steps, min_size=1, max_size=25),
    lost=st.integers(0, 30),
    trip=st.none() | st.integers(0, 24),
    slices=st.integers(1, 30),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_at_least_once_a_batch_cut_short_is_finished_and_nothing_applied_twice(
    story: list[tuple[str, str, float]],
    lost: int,
    trip: int | None,
    slices: int,
    make_host: Callable[..., Host],
    tmp_path_factory: pytest.TempPathFactory,
):
    """The outputs are out, the last `lost` of its states and the position are not: outputs may repeat, as they were."""
    host = make_host(exactly_once=False)
    core = Bug(PlaybookSet((re_engager(),)))
    core.trips = set() if trip is None else {f"e{trip}"}
    whole = Work(host, tmp_path_factory.mktemp("db"), core, Position())
    batch = [
        _record(whole, number, member, what, 20.0 + sum(passed for _, _, passed in story[: number + 1]))
        for number, (member, what, _) in enumerate(story)
    ]
    cut = Work(host, tmp_path_factory.mktemp("db"), core, Position())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SLICE", slices)
        written = list(whole.decide(*batch).outgoing.states)
        cut.store.restore(written[: max(0, len(written) - lost)], 0)
        cut.decide(*batch)
    cut_states, whole_states = cut.states(), whole.states()
    cut_position, whole_position = cut_states.pop(b"p"), whole_states.pop(b"p")
    assert cut_states == whole_states
    if trip is None:
        assert cut_position == whole_position
    for where, rows in cut.rows.items():
        if where[0] not in ("p-member-snapshot", "p-internal-journal"):
            assert set(rows) <= set(whole.rows[where])
    cut.store.close()
    whole.store.close()


@pytest.mark.parametrize("known", [True, False], ids=["a member", "nobody yet"])
def test_at_least_once_what_was_refused_is_not_obeyed_when_its_batch_comes_again(
    known: bool, make_host: Callable[..., Host], tmp_path_factory: pytest.TempPathFactory
):
    """The command names a workflow that only the record behind it opens."""
    core, host = Bug(PlaybookSet((re_engager(),))), make_host(exactly_once=False)
    work = Work(host, tmp_path_factory.mktemp("db"), core, Position())
    before = [work.record(MemberProfile(event_id="p", member_id=ANNA, occurred_at=days(0)))] if known else []
    fields = {"event_id": "c", "member_id": ANNA, "occurred_at": days(0.5), "issued_by": "op"}
    command = OperatorCommand(type="RESOLVE_WORKFLOW", workflow_id=f"re-engager:{ANNA}:1", **fields)
    batch = [*before, work.record(command), work.activity(1)]
    decided = work.decide(*batch)
    assert decided.dead_letters == {"unknown_workflow": 1}
    again = Work(host, tmp_path_factory.mktemp("db"), core, Position())
    again.store.restore([row for row in decided.outgoing.states if row[0] != b"p"], 0)
    again.decide(*batch)
    assert not any("resolved" in said for said in again.told())
    states, first = again.states(), work.states()
    assert (states.pop(b"p"), states) == (first.pop(b"p"), first)
    again.store.close()
    work.store.close()
