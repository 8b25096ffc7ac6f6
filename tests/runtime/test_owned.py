"""What becomes of a partition that a worker is given: opened, opened again when it breaks, closed."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from app.domain.entity import StoreError
from app.domain.errors import UserError
from app.runtime import owned as module
from app.runtime.owned import Owned
from app.runtime.phase import Phase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.runtime.processor import Host

UNIT = ("members", 0)
PLACE = TopicPartition("p-activity", 0)
DEADLINE_S = 10


class Opened:
    """Stands for a partition; what happens to it is `script`'s: an error for each step that fails, the next time."""

    def __init__(self, script: dict[str, list[Exception]], broken: Callable[..., None]) -> None:
        self.processor = SimpleNamespace(name="members")
        self.number = 0
        self.inputs = {"activity": PLACE}
        self.position = SimpleNamespace(offsets={"activity": 7})
        self.phase = Phase.FENCING
        self.changelog_offset = 70
        self.rebuilt: bool | None = None
        self.cached = 0
        self._script = script
        self.breaks = lambda error: broken(self, error)

    def _step(self, name: str) -> None:
        if self._script.get(name):
            raise self._script[name].pop(0)

    async def fence(self) -> None:
        self._step("fence")

    async def bring_up(self, _progress: object, *, rebuild: bool) -> int:
        self.rebuilt = rebuild
        self._step("bring_up")
        return 0

    def resume(self) -> None:
        self.phase = Phase.READY

    def remember(self, states: int) -> None:
        self.cached = states

    async def hold(self, _timeout_s: float) -> None:
        self.phase = Phase.HELD

    async def close(self) -> None:
        self.phase = Phase.CLOSED


def slow_at_first(fence: Callable[[Opened], Awaitable[None]]) -> Callable[[Opened], Awaitable[None]]:
    """The first fence does not end by itself."""
    never: list[asyncio.Event] = [asyncio.Event()]

    async def slow(partition: Opened) -> None:
        if never:
            await never.pop().wait()
        await fence(partition)

    return slow


class Notes:
    """Stands for what is known of the states on disk."""

    def __init__(self) -> None:
        self.doubts: set[Any] = set()
        self.offsets: dict[Any, int] = {}

    def doubt(self, unit: Any) -> None:
        self.doubts.add(unit)

    def doubted(self, unit: Any) -> bool:
        return unit in self.doubts

    def trust(self, unit: Any) -> None:
        self.doubts.discard(unit)

    def note(self, unit: Any, offset: int) -> None:
        self.offsets[unit] = offset


class Town:
    """An `Owned` of a worker with one processor, and all it deals with."""

    def __init__(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        self.script: dict[str, list[Exception]] = {}
        self.made: list[Opened] = []
        self.failed: list[Exception] = []
        self.positions: dict[TopicPartition, int] = {}
        self.starts = {PLACE: 0}
        self.generation = 1
        self.notes = Notes()
        monkeypatch.setattr(module, "Partition", self._make)
        monkeypatch.setattr(module, "REOPEN_AFTER_S", (0.0,))
        fetching: Any = self
        notes: Any = self.notes
        processor: Any = SimpleNamespace(name="members")
        self.owned = Owned(host, {"members": processor}, fetching, notes, lambda *_: None, self.failed.append)

    @property
    def group(self) -> Any:
        async def starts_of(_places: object) -> dict[TopicPartition, int]:
            return self.starts

        return SimpleNamespace(generation=self.generation, starts_of=starts_of)

    def read(self, where: TopicPartition, offset: int) -> None:
        self.positions[where] = offset

    def leave(self, *places: TopicPartition) -> None:
        for where in places:
            self.positions.pop(where, None)

    def wake(self) -> None:
        pass

    def _make(self, _host: object, _processor: object, _number: int, broken: Any, _on_room: object) -> Opened:
        self.made.append(Opened(self.script, broken))
        return self.made[-1]

    async def open(self) -> bool:
        return await self.owned.open([UNIT], 1)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110  it has no event for it
                await asyncio.sleep(0)

    async def settled(self) -> None:
        await self.until(lambda: not self.owned.opening)


@pytest.fixture
def town(make_host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch) -> Town:
    return Town(make_host(), monkeypatch)


async def test_it_is_read_from_its_position_once_it_is_ready(town: Town):
    assert await town.open()
    assert town.owned.opening
    assert town.positions == {}
    await town.settled()
    assert town.positions == {PLACE: 7}
    assert town.owned.partitions == {UNIT: town.made[0]}


async def test_what_takes_long_to_fence_goes_on_while_the_group_does(
    town: Town, monkeypatch: pytest.MonkeyPatch
):
    """The group waits for the assignment to be taken, and hears nothing of the worker meanwhile."""
    monkeypatch.setattr(module, "FENCE_TIMEOUT_S", 0.01)
    town.script["fence"] = [TimeoutError()]
    monkeypatch.setattr(Opened, "fence", slow_at_first(Opened.fence))
    assert await town.open()
    await town.settled()
    assert [made.phase for made in town.made] == [Phase.CLOSED, Phase.CLOSED, Phase.READY]
    assert town.notes.doubts == set()


async def test_held_it_is_not_opened_again_before_it_is_known_whose_it_is(town: Town):
    await town.open()
    await town.settled()
    await town.owned.hold(1)
    town.made[0].breaks(TimeoutError())
    assert not town.owned.opening
    assert town.owned.keep({("members", 1)}) == set()
    await town.owned.close(UNIT)
    await town.open()
    await town.settled()
    assert [made.phase for made in town.made] == [Phase.CLOSED, Phase.READY]


async def test_given_up_twice_it_is_given_up(town: Town):
    await town.open()
    await town.settled()
    await town.owned.close(UNIT)
    await town.owned.close(UNIT)
    assert town.owned.partitions == {}


async def test_one_that_is_another_workers_by_the_time_it_is_fenced_is_let_go(town: Town):
    town.generation = 2
    assert not await town.open()
    assert town.owned.partitions == {}
    assert town.made[0].phase is Phase.CLOSED


@pytest.mark.parametrize("step", ["fence", "bring_up"])
async def test_what_kafka_was_not_ready_for_is_tried_again_on_the_same_state(town: Town, step: str):
    town.script[step] = [KafkaConnectionError(), KafkaConnectionError()]
    await town.open()
    await town.settled()
    assert [made.phase for made in town.made] == [Phase.CLOSED, Phase.CLOSED, Phase.READY]
    assert town.made[-1].rebuilt is False
    assert town.failed == []


@pytest.mark.parametrize(
    ("error", "rebuilt"),
    [
        (StoreError("damaged", damaged=True), True),
        (StoreError("no room", damaged=False), False),
        (ValueError("nobody knows"), True),
    ],
    ids=["a damaged state", "a full disk", "a bug"],
)
async def test_a_state_under_suspicion_is_made_anew(town: Town, error: Exception, rebuilt: bool):
    await town.open()
    await town.settled()
    town.made[0].breaks(error)
    await town.settled()
    assert [made.rebuilt for made in town.made] == [False, rebuilt]
    assert town.owned.partitions == {UNIT: town.made[1]}
    assert town.notes.doubts == set()


@pytest.mark.parametrize("error", [UserError("r", "p", "w", "h"), TopicAuthorizationFailedError("t")])
async def test_what_no_retry_would_help_ends_the_worker(town: Town, error: Exception):
    town.script["bring_up"] = [error]
    await town.open()
    await town.until(lambda: bool(town.failed))
    assert town.failed == [error]
    assert len(town.made) == 1


async def test_records_deleted_before_they_were_applied_end_the_worker(town: Town):
    town.starts = {PLACE: 8}
    await town.open()
    await town.until(lambda: bool(town.failed))
    assert "offset 7" in str(town.failed[0])
    assert town.positions == {}


async def test_out_of_the_group_nothing_is_opened_again(town: Town):
    """It would fence the rightful owner."""
    await town.open()
    await town.settled()
    town.generation = -1
    town.made[0].breaks(KafkaConnectionError())
    await town.settled()
    assert len(town.made) == 1
    assert town.made[0].phase is Phase.CLOSED
    assert town.positions == {}


async def test_one_that_breaks_twice_at_once_is_opened_once(town: Town):
    await town.open()
    await town.settled()
    town.made[0].breaks(KafkaConnectionError())
    town.made[0].breaks(KafkaConnectionError())
    await town.settled()
    assert len(town.made) == 2


async def test_what_has_broken_and_is_no_longer_ours_stays_closed(town: Town):
    await town.open()
    await town.settled()
    await town.owned.close(UNIT)
    town.made[0].breaks(KafkaConnectionError())
    assert not town.owned.opening
    assert town.owned.partitions == {}


async def test_how_much_of_its_changelog_a_state_holds_is_noted_when_it_closes(town: Town):
    await town.open()
    await town.settled()
    await town.owned.close_all()
    assert town.notes.offsets == {UNIT: 70}
    assert town.positions == {}


async def test_held_and_kept_it_is_read_on_held_and_lost_it_is_not(town: Town):
    await town.open()
    await town.settled()
    await town.owned.hold(1)
    assert town.positions == {}
    assert town.owned.keep({("members", 5)}) == set()
    assert town.owned.keep({UNIT}) == {UNIT}
    assert town.positions == {PLACE: 7}
