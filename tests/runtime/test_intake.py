"""What an intake does with an assignment: every input has a position before anything is waited for."""

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


class Consumer:
    """Knows which inputs were given a position, and which of them are read."""

    def __init__(self) -> None:
        self.positions: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()

    def seek(self, where: TopicPartition, offset: int) -> None:
        self.positions[where] = offset

    def pause(self, where: TopicPartition) -> None:
        self.paused.add(where)

    def resume(self, where: TopicPartition) -> None:
        self.paused.discard(where)


class Held:
    """A partition of the generation before, all committed. Looks around when it is closed."""

    def __init__(self, host: Host, number: int, consumer: Consumer) -> None:
        self.phase = Phase.HELD
        self.inputs = {name: TopicPartition(host.full_name(name), number) for name in INPUTS}
        self.position = SimpleNamespace(offsets=dict.fromkeys(INPUTS, 7))
        self.processor = SimpleNamespace(name="members")
        self.changelog_offset = None
        self.seen_on_closing: dict[TopicPartition, int] | None = None
        self._consumer = consumer

    def resume(self) -> None:
        self.phase = Phase.READY

    def remember(self, most: int) -> None:
        pass

    async def close(self) -> None:
        self.seen_on_closing = dict(self._consumer.positions)


@pytest.fixture
def intake(make_host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch) -> Intake:
    fetching = SimpleNamespace(generation=2, consumer=Consumer(), wake=lambda: None, rejoin=lambda: None)
    monkeypatch.setattr(module, "Fetching", lambda *_, **__: fetching)
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


async def test_it_has_a_position_for_every_input_before_it_closes_what_it_has_lost(intake: Intake):
    """A close takes time, and an input without a position meanwhile ends the worker."""
    consumer: Any = intake._fetching.consumer
    kept, lost = (Held(intake.host, number, consumer) for number in (0, 1))
    partitions: Any = {("members", 0): kept, ("members", 1): lost}
    intake.partitions.update(partitions)
    intake._starts.update(dict.fromkeys(kept.inputs.values(), 0))
    assigned = [TopicPartition(intake.host.full_name(name), number) for number in (0, 2) for name in INPUTS]
    await intake._take_over(assigned)
    read = dict.fromkeys(kept.inputs.values(), 7)
    withheld = dict.fromkeys(set(assigned) - set(read), 0)
    assert lost.seen_on_closing == read | withheld
    assert consumer.paused == set(withheld)
    assert set(intake.partitions) == {("members", 0), ("members", 2)}
    await intake.partitions["members", 2].close()
