"""What an intake does with an assignment: which inputs are read from then on, and from where."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition

from app.runtime import intake as module
from app.runtime.evidence import Evidence
from app.runtime.hosting.fetched import Fetched
from app.runtime.intake import Intake
from app.runtime.merge import MAX_BUFFERED_BYTES, Merge
from app.runtime.owned import Owned
from app.runtime.partition import Partition
from app.runtime.phase import Phase
from app.runtime.processor import Processor
from tests.runtime.conftest import ThingCore

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.runtime.processor import Host

INPUTS = ("score", "activity")


class Reads:
    """Stands for the fetching: knows from where each input is read."""

    def __init__(self) -> None:
        self.silent: set[bool] = set()
        """Whether the group is silent for too long by the measure of who is joining, and of who is not."""
        self.group = SimpleNamespace(
            generation=2, rejoin=lambda: None, is_cut_off=lambda *, joining: joining in self.silent
        )
        self.sent = 1
        self.fetched: dict[TopicPartition, Fetched] = {}
        self.paused: set[TopicPartition] = set()
        self.is_urgent = False
        self.positions: dict[TopicPartition, int] = {}

    def read(self, where: TopicPartition, offset: int) -> None:
        self.positions[where] = offset

    def leave(self, *places: TopicPartition) -> None:
        for where in places:
            self.positions.pop(where, None)

    def take(self) -> dict[TopicPartition, Fetched]:
        fetched, self.fetched = self.fetched, {}
        return fetched

    def pause(self, where: TopicPartition) -> None:
        self.paused.add(where)

    def resume(self, where: TopicPartition) -> None:
        self.paused.discard(where)

    def hurry(self, *, urgent: bool) -> None:
        self.is_urgent = urgent

    def wake(self) -> None:
        pass


class Held:
    """A partition of the generation before, all committed. Looks around when it is closed."""

    def __init__(self, host: Host, number: int, reads: Reads) -> None:
        self.phase = Phase.HELD
        self.inputs = {name: TopicPartition(host.full_name(name), number) for name in INPUTS}
        self.position = SimpleNamespace(offsets=dict.fromkeys(INPUTS, 7))
        self.processor = SimpleNamespace(name="members")
        self.changelog_offset = None
        self.is_on_hold = False
        self.seen_on_closing: dict[TopicPartition, int] | None = None
        self._reads = reads

    def resume(self) -> None:
        self.phase = Phase.READY

    def remember(self, most: int) -> None:
        pass

    async def hold(self, timeout_s: float) -> None:
        self.is_on_hold = timeout_s > 0
        self.phase = Phase.HELD

    async def close(self) -> None:
        self.seen_on_closing = dict(self._reads.positions)


class Ready:
    """A partition that is read; keeps what it is given, and how often it was looked at."""

    def __init__(self, host: Host, number: int) -> None:
        self.inputs = {name: TopicPartition(host.full_name(name), number) for name in INPUTS}
        self.merge = Merge({name: rank for rank, name in enumerate(INPUTS)}, {})
        self.room = True
        self.looks = self.nudges = 0
        self.batches: list[list[Any]] = []

    @property
    def has_room(self) -> bool:
        self.looks += 1
        return self.room

    def lease(self) -> int:
        return 0

    def nudge(self) -> None:
        self.nudges += 1


@pytest.fixture
def intake(make_host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch) -> Intake:
    monkeypatch.setattr(module, "Fetching", lambda *_, **__: Reads())
    monkeypatch.setattr(Partition, "fence", fenced)
    monkeypatch.setattr(Owned, "_bring_up", brought_up)
    core: Any = ThingCore
    processor = Processor(
        name="members", inputs=INPUTS, key_field="member_id", rerouted="internal-rerouted", make_core=core
    )

    async def deliver(partition: Any, _lease: int, batch: list[Any]) -> None:
        partition.batches.append(batch)

    return Intake(make_host(), [processor], deliver, lambda *_: None)


async def fenced(_partition: object) -> None:
    pass


async def brought_up(*_: object) -> None:
    pass


async def test_what_it_keeps_is_read_on_before_it_closes_what_it_has_lost(intake: Intake):
    """A close takes time. What is new is not read before it has been opened."""
    reads: Any = intake._fetching
    kept, lost = (Held(intake.host, number, reads) for number in (0, 1))
    partitions: Any = {("members", 0): kept, ("members", 1): lost}
    intake.partitions.update(partitions)
    intake._owned._starts.update(dict.fromkeys(kept.inputs.values(), 0))
    reads.positions.update(dict.fromkeys(lost.inputs.values(), 5))
    assigned = [TopicPartition(intake.host.full_name(name), number) for number in (0, 2) for name in INPUTS]
    await intake._take_over(assigned)
    assert lost.seen_on_closing == dict.fromkeys(kept.inputs.values(), 7)
    assert reads.positions == dict.fromkeys(kept.inputs.values(), 7)
    assert set(intake.partitions) == {("members", 0), ("members", 2)}
    await intake.partitions["members", 2].close()


async def test_nothing_is_read_while_the_group_shares_out_anew(intake: Intake):
    reads: Any = intake._fetching
    held: Any = Held(intake.host, 0, reads)
    intake.partitions["members", 0] = held
    reads.positions.update(dict.fromkeys(held.inputs.values(), 5))
    await intake.on_partitions_revoked(held.inputs.values())
    assert held.is_on_hold
    assert reads.positions == {}


async def test_at_its_stop_it_tells_the_group_how_far_everything_is(intake: Intake):
    """What was decided is committed first, and counts; or whoever looks at the group sees what is done as not done."""
    reads: Any = intake._fetching
    told: dict[TopicPartition, int] = {}
    partition: Any = Held(intake.host, 0, reads)
    partition.phase = Phase.READY
    intake.partitions["members", 0] = partition

    async def take(offsets: dict[TopicPartition, int]) -> None:
        assert partition.is_on_hold
        told.update(offsets)

    async def stop() -> None:
        assert not intake.partitions

    reads.group.commit, reads.stop = take, stop
    await intake._stop()
    assert told == dict.fromkeys(partition.inputs.values(), 7)


async def test_a_share_given_while_it_stops_is_not_opened(intake: Intake):
    reads: Any = intake._fetching
    assigned = [TopicPartition(intake.host.full_name(name), 0) for name in INPUTS]

    async def stop() -> None:
        await intake.on_partitions_assigned(assigned)

    reads.stop = stop
    await intake._stop()
    assert intake.partitions == {}
    assert not intake.joined


@pytest.mark.parametrize("joined", [True, False])
async def test_it_is_cut_off_by_the_measure_that_fits_and_knows_no_lag_then(intake: Intake, joined: bool):
    """Not even that of a partition which has seen everything there was."""
    reads: Any = intake._fetching
    drained: Any = SimpleNamespace(
        idle=True, merge=SimpleNamespace(drained_until_ms=lambda: 5), inputs={}, position=None
    )
    if joined:
        intake._assigned.set()
    reads.silent = {joined}
    assert not intake.cut_off
    assert intake.lag(drained) == 0
    reads.silent = {not joined}
    assert intake.cut_off
    assert intake.lag(drained) is None


class TestHandingOut:
    @pytest.fixture
    def partitions(self, intake: Intake) -> list[Ready]:
        """Two, both inputs of which are known to hold nothing."""
        partitions: list[Any] = [Ready(intake.host, number) for number in (0, 1)]
        for number, partition in enumerate(partitions):
            intake.partitions["members", number] = partition
        self.tell(intake, partitions, Evidence(1, 1))
        return partitions

    @staticmethod
    def tell(intake: Intake, partitions: list[Any], evidence: Evidence | None) -> None:
        reads: Any = intake._fetching
        for partition in partitions:
            reads.fetched |= {where: Fetched([], 0, evidence) for where in partition.inputs.values()}
        intake._feed()

    @staticmethod
    def bring(intake: Intake, partition: Ready, offset: int, size_bytes: int = 2) -> None:
        reads: Any = intake._fetching
        rows: Any = [(offset, 10, b"k", b"v")]
        reads.fetched[partition.inputs["score"]] = Fetched(rows, size_bytes, Evidence(reads.sent, 1))
        intake._feed()

    async def test_an_answer_costs_those_only_who_have_something_to_apply(
        self, intake: Intake, partitions: list[Ready]
    ):
        busy, quiet = partitions
        self.bring(intake, busy, 0)
        await intake._hand_out()
        self.tell(intake, [busy], Evidence(2, 2))
        await intake._hand_out()
        await intake._hand_out()
        assert [len(batch) for batch in busy.batches] == [1]
        assert busy.looks == 2
        assert quiet.looks == 0

    @pytest.mark.parametrize("room", [True, False])
    async def test_it_is_urgent_while_evidence_is_missing_for_what_came(
        self, intake: Intake, partitions: list[Ready], room: bool
    ):
        """Also while a commit is under way: a fetch that waits for something to come would outlast it."""
        reads: Any = intake._fetching
        busy = partitions[0]
        busy.room = room
        self.bring(intake, busy, 0)
        await intake._hand_out()
        assert reads.is_urgent
        self.tell(intake, [busy], Evidence(2, 2))
        await intake._hand_out()
        assert not reads.is_urgent
        assert len(busy.batches) == room

    async def test_what_is_full_is_paused_and_nothing_is_known_of_its_end_until_it_is_read_again(
        self, intake: Intake, partitions: list[Ready]
    ):
        reads: Any = intake._fetching
        busy = partitions[0]
        self.bring(intake, busy, 0, MAX_BUFFERED_BYTES)
        assert reads.paused == {busy.inputs["score"]}
        self.tell(intake, [busy], None)
        reads.fetched[busy.inputs["activity"]] = Fetched([], 0, Evidence(9, 9))
        intake._feed()
        await intake._hand_out()
        assert len(busy.batches) == 1
        assert reads.paused == set()
        assert busy.merge.drained_until_ms() == -1

    async def test_who_has_nothing_to_apply_looks_for_timers_now_and_then(
        self, intake: Intake, partitions: list[Ready], monkeypatch: pytest.MonkeyPatch
    ):
        now_s = [100.0]
        monkeypatch.setattr(module.time, "monotonic", lambda: now_s[0])
        busy, quiet = partitions
        self.bring(intake, busy, 0)
        for passed_s, nudges in ((0, 1), (0.01, 1), (module.NUDGE_EVERY_S, 2)):
            now_s[0] = 100.0 + passed_s
            intake._nudge()
            assert (quiet.nudges, busy.nudges) == (nudges, 0)
