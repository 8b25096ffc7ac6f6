"""Standbys follow what an owner commits, and are begun anew where they cannot go on (against a real broker)."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer

from app.runtime import restore as restoring
from app.runtime import standby as one
from app.runtime import standbys as module
from app.runtime.holdings import find_held, unit_folder
from app.runtime.processor import Processor
from app.runtime.standby import MOVES, Phase, Standby
from app.runtime.standbys import Standbys
from app.runtime.store import Store
from tests.runtime.conftest import ThingCore
from tests.runtime.owning import Owner, drain, texts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from app.runtime.processor import Host
    from tests.runtime.conftest import Kafka

pytestmark = pytest.mark.broker

UNIT = ("members", 0)
CHANGELOG = "internal-members-changelog"


class Follower:
    """A worker that stands by for the owner's partition, and may be ended and started again."""

    def __init__(self, host: Host) -> None:
        core: Any = ThingCore
        self.host = host
        self.folder = unit_folder(host.folder, UNIT)
        self.processors = {
            "members": Processor(name="members", inputs=(), key_field="key", rerouted="", make_core=core)
        }
        self.held: dict[tuple[str, int], int] = {}
        self.warm = 0
        self.standbys = Standbys(self.host, self.processors, self.held, self._count_warm)

    def start(self, *, warming: bool = False) -> None:
        self.held = find_held(self.host.folder, self.processors)
        self.standbys = Standbys(self.host, self.processors, self.held, self._count_warm)
        self.standbys.keep([UNIT], [UNIT] if warming else [])
        self.standbys.start()

    def _count_warm(self) -> None:
        self.warm += 1

    async def stop(self) -> None:
        async with asyncio.timeout(20):
            await self.standbys.stop()

    @property
    def standby(self) -> Standby:
        return self.standbys.units[UNIT]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110  looks at what others change without telling
                await asyncio.sleep(0.01)

    async def until_caught_up(self, kafka: Kafka, changelog: str) -> None:
        """Everything committed is applied."""
        await kafka.settled(changelog)
        end = await kafka.end(changelog)
        await self.until(lambda: self.held.get(UNIT, -1) >= end and self.standby.lag == 0)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER_MS", 20)
    monkeypatch.setattr(module, "RETRY_AFTER_S", (0.02,))
    monkeypatch.setattr(module, "RECONNECT_S", 0.02)


@pytest.fixture
async def owner(kafka: Kafka, tmp_path: Path) -> AsyncIterator[Owner]:
    owner = Owner(kafka, await kafka.create(CHANGELOG), tmp_path / "db")
    yield owner
    await owner.stop()


@pytest.fixture
async def follower(kafka: Kafka, make_host: Callable[..., Host], tmp_path: Path) -> AsyncIterator[Follower]:
    host = make_host(
        client_options=dict(kafka.options),
        full_name=lambda name: kafka.prefix + name,
        folder=tmp_path / "follower",
    )
    follower = Follower(host)
    yield follower
    await follower.stop()


async def assert_taken_over(owner: Owner, follower: Follower, restored: int = 0) -> Store[Any]:
    """Closed, the standby's state is what the next owner opens, and it lacks no more than so many records."""
    await follower.until_caught_up(owner.kafka, owner.changelog)
    await follower.stop()
    assert not follower.standbys.units
    owner.folder = follower.folder
    store, count = await owner.restore()
    assert count == restored
    assert owner.emptied[-1] is False
    return store


class TestFollowing:
    async def test_whoever_takes_over_has_nothing_left_to_restore(self, owner: Owner, follower: Follower):
        store = owner.open_store(False)
        await owner.work(store, {"a": ("1", 5), "b": ("1", 6)})
        follower.start()
        await follower.until_caught_up(owner.kafka, owner.changelog)
        await owner.work(store, {"a": ("2", 9), "b": None}, {"c": ("3", 7)})
        found = await assert_taken_over(owner, follower)
        assert texts(found, "a", "b", "c") == ["2", None, "3"]
        assert drain(found) == [(7, "c"), (9, "a")]
        assert found.position() == b"after 1"

    async def test_it_goes_on_after_a_restart_with_what_lies_in_its_folder(
        self, owner: Owner, follower: Follower, monkeypatch: pytest.MonkeyPatch
    ):
        store = owner.open_store(False)
        await owner.work(store, {f"m{number}": ("1", number) for number in range(50)})
        follower.start()
        await follower.until_caught_up(owner.kafka, owner.changelog)
        await follower.stop()
        applied: list[int] = []
        usual = Standby.apply

        def apply(self: Standby, records: list[Any], *rest: Any) -> None:
            applied.append(len(records))
            usual(self, records, *rest)

        monkeypatch.setattr(Standby, "apply", apply)
        await owner.work(store, {"m0": ("2", 0)})
        follower.start()
        found = await assert_taken_over(owner, follower)
        assert sum(applied) == 2
        assert texts(found, "m0", "m49") == ["2", "1"]

    async def test_an_owner_becomes_a_standby_and_owner_again(
        self, owner: Owner, follower: Follower, tmp_path: Path
    ):
        first = owner.open_store(False)
        await owner.work(first, {"a": ("1", 5)})
        first.close()
        follower.folder.parent.mkdir(parents=True)
        shutil.move(owner.folder, follower.folder)
        follower.start()
        owner.folder = tmp_path / "other"
        second, _ = await owner.restore()
        await owner.work(second, {"a": ("2", 6)})
        found = await assert_taken_over(owner, follower)
        await owner.work(found, {"a": ("3", 8)})
        assert texts(found, "a") == ["3"]
        assert drain(found) == [(6, "a"), (8, "a")]

    async def test_what_a_claim_says_is_what_lies_on_disk(self, owner: Owner, follower: Follower):
        await owner.work(owner.open_store(False), {"a": ("1", 5)})
        follower.start()
        await follower.until_caught_up(owner.kafka, owner.changelog)
        told = dict(follower.held)
        await follower.stop()
        assert find_held(follower.host.folder, ["members", "desk"]) == told

    async def test_told_to_stop_while_it_lets_go_of_its_consumer_it_stops(
        self, owner: Owner, follower: Follower, monkeypatch: pytest.MonkeyPatch
    ):
        """The consumer swallows a cancellation that comes while it is being stopped."""
        letting_go = asyncio.Event()
        usual = AIOKafkaConsumer.stop

        async def stop(self: AIOKafkaConsumer) -> None:
            letting_go.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await usual(self)

        follower.start()
        await follower.until_caught_up(owner.kafka, owner.changelog)
        with monkeypatch.context() as patched:
            patched.setattr(AIOKafkaConsumer, "stop", stop)
            follower.standbys.keep((), ())
            await letting_go.wait()
            await follower.stop()

    async def test_it_says_once_that_it_is_warm(
        self, owner: Owner, follower: Follower, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(module.shares, "SHORT_OFFSETS", 0)
        store = owner.open_store(False)
        await owner.work(store, {"a": ("1", 5)})
        follower.start(warming=True)
        await follower.until(lambda: follower.warm)
        assert follower.standby.lag == 0
        await owner.work(store, {"a": ("2", 5)})
        await follower.until_caught_up(owner.kafka, owner.changelog)
        assert follower.warm == 1

    async def test_one_to_which_nothing_comes_does_not_grow_old(
        self, owner: Owner, follower: Follower, monkeypatch: pytest.MonkeyPatch
    ):
        """Or the state would be rebuilt when it is taken over, for it might have missed a deletion."""
        await owner.work(owner.open_store(False), {"a": ("1", 5)})
        monkeypatch.setattr(one, "REFRESH_S", 0.0)
        follower.start()
        await follower.until_caught_up(owner.kafka, owner.changelog)
        store: Any = follower.standby._store
        first = store.changelog_mark().written_ms
        await follower.until(lambda: store.changelog_mark().written_ms > first + 50)


async def lose_what_comes_next(owner: Owner, follower: Follower) -> None:
    """A standby that has `a` and was stopped, while its changelog went on and lost the record behind that, `b`; `c` is there."""
    store = owner.open_store(False)
    await owner.work(store, {"a": ("1", 5)})
    follower.start()
    await follower.until_caught_up(owner.kafka, owner.changelog)
    await follower.stop()
    ends = await owner.work(store, {"b": ("1", 6)}, {"c": ("1", 7)})
    await owner.kafka.settled(owner.changelog)
    await owner.kafka.delete_before(owner.changelog, ends[0])


class TestBeginningAnew:
    async def test_where_the_changelog_has_lost_its_offset(self, owner: Owner, follower: Follower):
        await lose_what_comes_next(owner, follower)
        follower.start()
        found = await assert_taken_over(owner, follower)
        assert texts(found, "a", "b", "c") == [None, None, "1"]

    async def test_where_it_is_found_to_be_lost_while_following(
        self, owner: Owner, follower: Follower, monkeypatch: pytest.MonkeyPatch
    ):
        await lose_what_comes_next(owner, follower)
        monkeypatch.setattr(one, "cannot_follow", lambda *_: False)
        follower.start()
        found = await assert_taken_over(owner, follower)
        assert texts(found, "a", "c") == [None, "1"]

    async def test_where_its_state_is_too_old(
        self, owner: Owner, follower: Follower, monkeypatch: pytest.MonkeyPatch
    ):
        await owner.work(owner.open_store(False), {"a": ("1", 5)})
        follower.start()
        await follower.until_caught_up(owner.kafka, owner.changelog)
        await follower.stop()
        monkeypatch.setattr(restoring, "STALE_AFTER_MS", -1)
        follower.start()
        await follower.until(lambda: follower.standby.lag == 0)
        monkeypatch.undo()
        assert texts(await assert_taken_over(owner, follower), "a") == ["1"]

    async def test_where_what_lies_in_its_folder_cannot_be_opened(self, owner: Owner, follower: Follower):
        await owner.work(owner.open_store(False), {"a": ("1", 5)})
        follower.start()
        await follower.until_caught_up(owner.kafka, owner.changelog)
        await follower.stop()
        (follower.folder / "CURRENT").write_text("nonsense")
        assert find_held(follower.host.folder, ["members"]) == {}
        follower.start()
        assert texts(await assert_taken_over(owner, follower), "a") == ["1"]

    async def test_where_it_breaks(self, owner: Owner, follower: Follower, monkeypatch: pytest.MonkeyPatch):
        store = owner.open_store(False)
        await owner.work(store, {"a": ("1", 5)})
        follower.start()
        await follower.until_caught_up(owner.kafka, owner.changelog)
        failures = [OSError("no space left"), RuntimeError("corrupt")]
        usual = Store.restore

        def restore(self: Store[Any], *arguments: Any) -> None:
            if failures:
                raise failures.pop()
            usual(self, *arguments)

        monkeypatch.setattr(Store, "restore", restore)
        await owner.work(store, {"b": ("1", 6)})
        found = await assert_taken_over(owner, follower)
        assert not failures
        assert texts(found, "a", "b") == ["1", "1"]

    async def test_where_the_broker_is_away_it_tries_again(
        self, owner: Owner, follower: Follower, caplog: pytest.LogCaptureFixture, unused_tcp_port: int
    ):
        await owner.work(owner.open_store(False), {"a": ("1", 5)})
        follower.host.client_options["bootstrap_servers"] = f"127.0.0.1:{unused_tcp_port}"
        follower.start()
        await follower.until(lambda: "try again" in caplog.text)
        follower.host.client_options.update(owner.kafka.options)
        assert texts(await assert_taken_over(owner, follower), "a") == ["1"]


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_but_the_last_can_be_closed(phase: Phase):
    assert (Phase.CLOSED in MOVES[phase]) == (phase is not Phase.CLOSED)
    assert set(MOVES) == set(Phase)
