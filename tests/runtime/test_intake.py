"""What an intake does with an assignment: which inputs are read from then on, and from where."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition

from app.runtime import intake as module
from app.runtime.intake import Intake
from app.runtime.partition import Phase
from app.runtime.processor import Processor
from tests.runtime.conftest import ThingCore

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.runtime.processor import Host

INPUTS = ("score", "activity")


class Reads:
    """Stands for the fetching: knows from where each input is read."""

    def __init__(self) -> None:
        self.group = SimpleNamespace(generation=2, rejoin=lambda: None)
        self.positions: dict[TopicPartition, int] = {}

    def read(self, where: TopicPartition, offset: int) -> None:
        self.positions[where] = offset

    def leave(self, *places: TopicPartition) -> None:
        for where in places:
            self.positions.pop(where, None)

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

    async def close(self) -> None:
        self.seen_on_closing = dict(self._reads.positions)


@pytest.fixture
def intake(make_host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch) -> Intake:
    monkeypatch.setattr(module, "Fetching", lambda *_, **__: Reads())
    monkeypatch.setattr(module.Partition, "fence", fenced)
    monkeypatch.setattr(Intake, "_bring_up", brought_up)
    core: Any = ThingCore
    processor = Processor(
        name="members", inputs=INPUTS, key_field="member_id", rerouted="internal-rerouted", make_core=core
    )
    deliver: Any = None
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
    intake._starts.update(dict.fromkeys(kept.inputs.values(), 0))
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
