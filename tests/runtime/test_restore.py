"""Catching a partition's RocksDB up with its changelog, or rebuilding it (against a real broker)."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from rocksdict import DbClosedError

from app.domain.entity import NEVER_MS, StoreError
from app.runtime import restore as module
from app.runtime.restore import restore
from app.runtime.store import Store
from app.runtime.writer import Outgoing
from tests.runtime.owning import Owner, SomeStore, drain, texts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.runtime.conftest import Kafka

pytestmark = pytest.mark.broker


@pytest.fixture
async def owner(kafka: Kafka, tmp_path: Path) -> AsyncIterator[Owner]:
    owner = Owner(kafka, await kafka.create("changelog"), tmp_path / "db")
    yield owner
    await owner.stop()


class TestCatchingUp:
    async def test_an_empty_changelog_is_an_empty_store(self, owner: Owner):
        store, count = await owner.restore()
        assert (count, store.position(), store.changelog_mark()) == (0, None, None)
        assert owner.emptied == [False]

    async def test_a_new_folder_gets_everything(self, owner: Owner, tmp_path: Path):
        store = owner.open_store(False)
        ends = await owner.work(store, {"a": ("1", 5), "b": ("1", 6)}, {"a": ("2", 9), "b": None})
        owner.folder = tmp_path / "elsewhere"
        found, count = await owner.restore()
        # Three states and two deletions (of both parts), and two positions.
        assert count == 7
        assert texts(found, "a", "b") == ["2", None]
        assert (9, "a") in drain(found)
        assert found.position() == b"after 2"
        mark = found.changelog_mark()
        assert mark is not None
        assert mark.next_offset >= ends[-1]

    async def test_a_folder_left_behind_gets_what_it_lacks(self, owner: Owner, tmp_path: Path):
        store = owner.open_store(False)
        await owner.work(store, {"a": ("1", 5), "b": ("1", NEVER_MS)})
        store.close()
        shutil.copytree(owner.folder, tmp_path / "left")
        await owner.work(owner.open_store(False), {"a": ("2", 7)}, {"c": ("1", 8)})
        owner.folder = tmp_path / "left"
        found, count = await owner.restore()
        assert count == 4
        assert texts(found, "a", "b", "c") == ["2", "1", "1"]
        assert owner.emptied[-1] is False

    async def test_a_folder_that_has_it_all_gets_nothing(self, owner: Owner):
        store = owner.open_store(False)
        await owner.work(store, {"a": ("1", 5)})
        store.close()
        found, count = await owner.restore()
        assert count == 0
        assert texts(found, "a") == ["1"]
        assert drain(found) == [(5, "a")]

    async def test_a_store_restored_can_be_closed_and_restored_again(self, owner: Owner, tmp_path: Path):
        await owner.work(owner.open_store(False), {"a": ("1", 5)})
        owner.folder = tmp_path / "elsewhere"
        first, _ = await owner.restore()
        first.close()
        found, count = await owner.restore()
        assert count == 0
        assert texts(found, "a") == ["1"]

    async def test_what_was_aborted_or_is_still_open_is_not_applied(
        self, owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        writer = await owner.writer()

        async def lost(*_args: Any) -> None:
            raise KafkaError("lost")

        async def fail(name: bytes, *steps: str) -> None:
            with monkeypatch.context() as patched:
                for step in steps:
                    patched.setattr(writer._producer, step, lost)
                with suppress(KafkaError):
                    await writer.commit(Outgoing({}, [(b"e\0a", b"\0" * 10 + b"aborted")], name))

        await fail(b"aborted", "commit")
        await owner.work(owner.open_store(False), {"a": ("1", 5)})
        await fail(b"open", "commit", "abort")
        owner.folder = tmp_path / "elsewhere"
        found, count = await owner.restore(settled=False)
        assert count == 2
        assert texts(found, "a") == ["1"]
        assert found.position() == b"after 1"

    async def test_the_next_owner_reads_past_what_the_last_left_open(
        self, owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        writer = await owner.writer()
        await owner.work(owner.open_store(False), {"a": ("1", 5)})

        async def lost(*_args: Any) -> None:
            raise KafkaError("lost")

        monkeypatch.setattr(writer._producer, "commit", lost)
        monkeypatch.setattr(writer._producer, "abort", lost)
        with pytest.raises(KafkaError, match="lost"):
            await writer.commit(Outgoing({}, [], b"open"))
        await owner.writer()
        owner.folder = tmp_path / "elsewhere"
        found, count = await owner.restore()
        assert count == 2
        ends = await owner.work(found, {"a": ("2", 5)})
        owner.folder = tmp_path / "third"
        last, count = await owner.restore()
        assert count == 4
        assert texts(last, "a") == ["2"]
        mark = last.changelog_mark()
        assert mark is not None
        assert mark.next_offset >= ends[-1]

    async def test_progress_is_told_in_offsets_up_to_the_end(
        self, owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(module, "FETCH_BYTES", 2_000)
        batches = [{f"m{number}": ("x" * 300, number)} for number in range(20)]
        await owner.work(owner.open_store(False), *batches)
        owner.folder = tmp_path / "elsewhere"
        _, count = await owner.restore()
        assert count == 40
        assert len(owner.progress) > 2
        assert owner.progress == sorted(owner.progress)
        assert {total for _, total in owner.progress} == {owner.progress[-1][0]}


class TestRebuilding:
    async def prepared(self, owner: Owner) -> list[int]:
        """A folder that holds the first of two batches, and a member the changelog knows nothing of."""
        store = owner.open_store(False)
        ends = await owner.work(store, {"a": ("1", 5), "gone": ("1", NEVER_MS)})
        store.close()
        left = owner.folder
        owner.folder = left.with_name("other")
        shutil.copytree(left, owner.folder)
        ends += await owner.work(owner.open_store(False), {"a": ("2", 6), "gone": None})
        owner.folder = left
        owner.emptied.clear()
        return ends

    async def test_an_offset_the_changelog_no_longer_has(self, owner: Owner):
        _, second = await self.prepared(owner)
        await owner.kafka.settled(owner.changelog)
        await owner.kafka.delete_before(owner.changelog, second - 1)
        found, count = await owner.restore()
        assert owner.emptied == [False, True]
        assert count == 1
        assert texts(found, "a", "gone") == [None, None]
        assert found.position() == b"after 2"

    async def test_a_changelog_that_begins_at_the_offset_itself_has_it(self, owner: Owner):
        first, _ = await self.prepared(owner)
        await owner.kafka.settled(owner.changelog)
        await owner.kafka.delete_before(owner.changelog, first)
        found, _ = await owner.restore()
        assert owner.emptied == [False]
        assert texts(found, "a", "gone") == ["2", None]

    async def test_an_offset_beyond_the_end(self, owner: Owner):
        """The topic was made anew since, or this is another cluster."""
        await self.prepared(owner)
        owner.changelog = await owner.kafka.create("made-anew")
        found, count = await owner.restore()
        assert owner.emptied == [False, True]
        assert (count, texts(found, "a")) == (0, [None])

    async def test_a_folder_left_alone_for_too_long(self, owner: Owner, monkeypatch: pytest.MonkeyPatch):
        """The changelog may have dropped the deletions of members that are still in it."""
        await self.prepared(owner)
        monkeypatch.setattr(module, "STALE_AFTER_MS", -1)
        found, count = await owner.restore()
        assert owner.emptied == [False, True]
        assert count == 7
        assert texts(found, "a", "gone") == ["2", None]

    async def test_one_a_little_younger_is_kept(self, owner: Owner, monkeypatch: pytest.MonkeyPatch):
        await self.prepared(owner)
        monkeypatch.setattr(module, "STALE_AFTER_MS", 60_000)
        await owner.restore()
        assert owner.emptied == [False]


class TestGivingUp:
    async def test_cancelled_it_closes_the_store(self, owner: Owner, tmp_path: Path):
        await owner.work(owner.open_store(False), {"a": ("1", 5)})
        await owner.kafka.settled(owner.changelog)
        owner.folder = tmp_path / "elsewhere"

        def interrupt(_done: int, _total: int) -> None:
            task.cancel()
            raise asyncio.CancelledError

        task = asyncio.ensure_future(
            restore(owner.kafka.options, owner.changelog, 0, owner.open_store, interrupt)
        )
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(DbClosedError):
            owner._stores[-1].position()
        assert texts((await owner.restore())[0], "a") == ["1"]

    async def test_cancelled_after_the_last_record_it_closes_the_store_too(
        self, owner: Owner, monkeypatch: pytest.MonkeyPatch
    ):
        """With many partitions opened at once, most of the time goes into stopping their consumers."""
        stopping = asyncio.Event()
        stop = AIOKafkaConsumer.stop

        async def stop_slowly(consumer: AIOKafkaConsumer) -> None:
            await stop(consumer)
            stopping.set()
            await asyncio.Event().wait()

        store = owner.open_store(False)
        await owner.work(store, {"a": ("1", 5)})
        store.close()
        await owner.kafka.settled(owner.changelog)
        monkeypatch.setattr(AIOKafkaConsumer, "stop", stop_slowly)
        task = asyncio.create_task(owner.restore(settled=False))
        await stopping.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert texts(owner.open_store(False), "a") == ["1"]

    async def test_a_store_that_cannot_be_opened_says_so(self, owner: Owner):
        """And leaves no connection behind, which would be complained of when it is collected."""

        def fail(_emptied: bool) -> SomeStore:
            raise OSError("locked")

        with pytest.raises(OSError, match="locked"):
            await restore(owner.kafka.options, owner.changelog, 0, fail, lambda *_: None)

    async def test_a_store_whose_first_bytes_cannot_be_read_says_so(
        self, owner: Owner, monkeypatch: pytest.MonkeyPatch
    ):
        """The consumer is just then starting, and must not answer for the store."""

        def unreadable(*_: Any) -> None:
            raise StoreError("block checksum mismatch", damaged=True)

        monkeypatch.setattr(Store, "changelog_mark", unreadable)
        with pytest.raises(StoreError, match="checksum"):
            await owner.restore()

    async def test_a_broker_that_does_not_answer_closes_the_store(self, owner: Owner, unused_tcp_port: int):
        nowhere = {"bootstrap_servers": f"127.0.0.1:{unused_tcp_port}"}
        with pytest.raises(KafkaError):
            await restore(nowhere, owner.changelog, 0, owner.open_store, lambda *_: None)
        with pytest.raises(DbClosedError):
            owner._stores[-1].position()
