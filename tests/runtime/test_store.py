"""Entities of a partition: in memory while in use, in RocksDB once committed, and nothing in between is lost."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from rocksdict import Cache, DbClosedError, Options

from app.domain.entity import NEVER_MS, StoreError
from app.runtime import remembered
from app.runtime import store as module
from app.runtime.layout import POSITION_KEY, part_key
from app.runtime.position import Position, dump_position, origin_of
from app.runtime.store import Sealed, Store
from tests.runtime.conftest import Thing, ThingCore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

SomeStore = Store[Thing]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., SomeStore]]:
    """Opens a store in a folder, `db` where none is named; all are closed in the end."""
    opened: list[SomeStore] = []

    def open_store(folder: Path | None = None) -> SomeStore:
        store = Store(folder or tmp_path / "db", ThingCore())
        opened.append(store)
        return store

    yield open_store
    for store in opened:
        with suppress(DbClosedError):
            store.close()


@pytest.fixture
def full_disk() -> Callable[[], AbstractContextManager[None]]:
    """While it lasts, no file of this process can grow: what a full disk does, to this process alone."""

    @contextmanager
    def full() -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return full


@pytest.fixture
def store(open_store: Callable[..., SomeStore]) -> SomeStore:
    return open_store()


def put(store: SomeStore, key: str, text: str, *, due_ms: int = NEVER_MS, note: str | None = None) -> None:
    """What an engine does with an entity that a record has changed."""
    thing = store.get(key) or Thing(key)
    thing.text = text
    if note is not None:
        thing.note = note
    thing.due_ms = thing.indexed_due_ms = due_ms
    store.keep(thing)
    if due_ms != NEVER_MS:
        store.deadlines.put(due_ms, key)


def seal(store: SomeStore) -> Sealed:
    store.encode()
    return store.seal()


def commit(store: SomeStore, position: bytes = b"position", end: int = 1) -> None:
    store.write(seal(store), position, end)


def text_of(store: SomeStore, key: str) -> str | None:
    thing = store.get(key)
    return None if thing is None else thing.text


def forget_decoded(store: SomeStore, *keys: str) -> None:
    """As if so many others had been used since that these fell out of memory."""
    for key in keys:
        store.drop(key)


def write_and_die(folder: str, batches: int, write_buffer_bytes: int) -> None:
    """What a process does that is killed after so many batches, each of two members and their deadlines."""
    usual = module.open_options

    def options(*shared: object) -> Options:
        made = usual(*shared)
        made.set_write_buffer_size(write_buffer_bytes)
        return made

    module.open_options = options
    store = Store(Path(folder), ThingCore())
    for batch in range(1, batches + 1):
        while store.deadlines.first() is not None:
            store.deadlines.pop()
        text = f"{batch} " + "x" * 2_000
        for key in ("m1", "m2"):
            put(store, key, text, due_ms=batch, note=text)
        commit(store, str(batch).encode(), batch)
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after(folder: Path, batches: int, write_buffer_bytes: int) -> None:
    call = f"from {__name__} import write_and_die as w; w({str(folder)!r}, {batches}, {write_buffer_bytes})"
    ended = subprocess.run([sys.executable, "-c", call], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL


class TestReading:
    def test_what_was_never_kept_is_none(self, store: SomeStore):
        assert store.get("m1") is None
        assert not store.holds("m1")

    def test_what_was_kept_is_the_same_object(self, store: SomeStore):
        put(store, "m1", "a")
        assert store.get("m1") is store.get("m1")
        assert store.holds("m1")

    def test_a_decided_batch_is_read_back_before_it_is_written(self, store: SomeStore):
        put(store, "m1", "a", note="n", due_ms=5)
        seal(store)
        forget_decoded(store, "m1")
        thing = store.get("m1")
        assert thing is not None
        assert (thing.text, thing.note, thing.indexed_due_ms) == ("a", "n", 5)

    def test_the_later_of_two_decided_batches_is_read_back(self, store: SomeStore):
        put(store, "m1", "a", note="first")
        first = seal(store)
        put(store, "m1", "b")
        second = seal(store)
        forget_decoded(store, "m1")
        assert text_of(store, "m1") == "b"
        store.write(first, b"1", 1)
        forget_decoded(store, "m1")
        assert text_of(store, "m1") == "b"
        store.write(second, b"2", 2)
        forget_decoded(store, "m1")
        thing = store.get("m1")
        assert thing is not None
        assert (thing.text, thing.note) == ("b", "first")

    def test_a_part_asked_for_later_is_the_newest_decided(self, store: SomeStore):
        put(store, "m1", "a", note="old")
        commit(store)
        forget_decoded(store, "m1")
        loaded = store.get("m1")
        assert loaded is not None
        store.drop("m1")
        put(store, "m1", "b", note="new")
        seal(store)
        assert loaded.note == "new"

    def test_what_the_batch_deletes_is_gone_before_and_after_it_is_written(self, store: SomeStore):
        put(store, "m1", "a", note="n")
        commit(store)
        thing = store.get("m1")
        assert thing is not None
        thing.gone = True
        store.keep(thing)
        sealed = seal(store)
        forget_decoded(store, "m1")
        assert store.get("m1") is None
        store.write(sealed, b"", 2)
        assert store.get("m1") is None

    def test_a_part_that_did_not_change_is_not_written_again(self, store: SomeStore):
        put(store, "m1", "a", note="n")
        commit(store)
        put(store, "m1", "b")
        assert list(store.encode()) == [part_key(0, "m1")]

    def test_of_an_entity_the_part_that_says_what_was_applied_is_written_last(self, store: SomeStore):
        put(store, "m1", "a", note="n")
        assert list(store.encode()) == [part_key(1, "m1"), part_key(0, "m1")]

    def test_also_where_it_was_encoded_before_the_others_changed(self, store: SomeStore):
        put(store, "m1", "a")
        put(store, "m2", "a")
        store.encode()
        put(store, "m1", "b", note="n")
        parts = store.encode()
        assert list(parts) == [part_key(0, "m2"), part_key(1, "m1"), part_key(0, "m1")]
        store.write(store.seal(), b"", 1)
        forget_decoded(store, "m1", "m2")
        assert (text_of(store, "m1"), text_of(store, "m2")) == ("b", "a")

    def test_what_did_not_change_since_it_was_encoded_is_not_encoded_again(self, store: SomeStore):
        put(store, "m1", "a")
        put(store, "m2", "a")
        store.encode({"activity": 1})
        put(store, "m2", "b")
        store.encode({"activity": 2})
        store.write(store.seal(), b"", 1)
        forget_decoded(store, "m1", "m2")
        assert [store.get(key).applied for key in ("m1", "m2")] == [{"activity": 1}, {"activity": 2}]

    def test_offsets_applied_and_the_due_time_come_back(self, store: SomeStore):
        put(store, "m1", "a", due_ms=7)
        store.encode({"activity": 3, "score": 0})
        store.write(store.seal(), b"", 1)
        put(store, "m2", "b")
        commit(store)
        forget_decoded(store, "m1", "m2")
        one, other = store.get("m1"), store.get("m2")
        assert one is not None
        assert other is not None
        assert (one.text, one.applied, one.indexed_due_ms) == ("a", {"activity": 3, "score": 0}, 7)
        assert (other.text, other.applied, other.indexed_due_ms) == ("b", None, NEVER_MS)


class TestUndoing:
    def test_a_forgotten_batch_never_was(self, store: SomeStore):
        put(store, "m1", "a")
        commit(store)
        put(store, "m1", "b", due_ms=3)
        put(store, "m2", "new")
        store.forget()
        assert text_of(store, "m1") == "a"
        assert store.get("m2") is None
        assert store.deadlines.first() is None
        assert store.encode() == {}
        assert not store.dirty

    def test_nor_was_what_of_it_is_encoded(self, store: SomeStore):
        put(store, "m1", "a")
        commit(store)
        put(store, "m1", "b", due_ms=3)
        put(store, "m2", "new")
        store.encode()
        store.forget()
        assert (text_of(store, "m1"), store.get("m2"), store.encode()) == ("a", None, {})
        assert not store.dirty

    def test_it_takes_nothing_of_a_batch_decided_before(self, store: SomeStore):
        put(store, "m1", "a", due_ms=3)
        seal(store)
        put(store, "m1", "b", due_ms=2)
        store.forget()
        assert text_of(store, "m1") == "a"
        assert store.deadlines.first() == (3, "m1")

    def test_a_dropped_entity_is_read_again_and_is_not_of_the_batch(self, store: SomeStore):
        put(store, "m1", "a")
        commit(store)
        put(store, "m1", "spoilt")
        store.drop("m1")
        assert not store.dirty
        assert text_of(store, "m1") == "a"

    def test_dropping_what_is_not_there_is_nothing(self, store: SomeStore):
        store.drop("m1")


def in_memory(store: SomeStore) -> int:
    memory = store._memory
    return len(memory.young) + len(memory._old) + len(memory._gone)


class TestEviction:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(remembered, "CACHED_ENTITIES", 6)

    def test_memory_holds_so_many_and_no_more(self, store: SomeStore):
        for number in range(20):
            put(store, f"m{number}", "a")
            commit(store)
            assert in_memory(store) <= 6

    def test_they_are_let_go_one_by_one(self, store: SomeStore):
        """Many at once would hold up whoever waits for the next record."""
        held: weakref.WeakSet[Thing] = weakref.WeakSet()
        for number in range(40):
            before = len(held)
            put(store, f"m{number}", "a")
            held.add(store._memory.young[f"m{number}"])
            commit(store)
            assert len(held) == min(before + 1, 6)

    def test_it_may_be_told_to_hold_fewer_from_now_on(self, store: SomeStore):
        for number in range(6):
            put(store, f"m{number}", str(number))
            commit(store)
        store.remember(2)
        assert in_memory(store) <= 2
        for number in range(6):
            assert text_of(store, f"m{number}") == str(number)
            assert in_memory(store) <= 2

    def test_what_is_used_stays(self, store: SomeStore):
        put(store, "m", "a")
        commit(store)
        for number in range(20):
            put(store, f"m{number}", "a")
            commit(store)
            store.get("m")
            assert store.holds("m")

    def test_what_fell_out_is_read_again(self, store: SomeStore):
        for number in range(20):
            put(store, f"m{number}", str(number))
            commit(store)
        assert not store.holds("m0")
        assert text_of(store, "m0") == "0"

    def test_what_fell_out_of_a_batch_under_way_is_not_lost(self, store: SomeStore):
        """A batch may touch more entities than memory holds."""
        for number in range(20):
            put(store, f"m{number}", "a")
        put(store, "m0", "b")
        assert text_of(store, "m1") == "a"
        commit(store)
        forget_decoded(store, "m0", "m1")
        assert (text_of(store, "m0"), text_of(store, "m1")) == ("b", "a")


class TestFiles:
    def test_closed_and_opened_again_all_written_is_there(self, store: SomeStore, open_store):
        put(store, "m1", "a", due_ms=5, note="n")
        commit(store, b"position", 42)
        store.close()
        again = open_store()
        thing = again.get("m1")
        assert thing is not None
        assert (thing.text, thing.note, thing.indexed_due_ms) == ("a", "n", 5)
        assert again.deadlines.first() == (5, "m1")
        assert again.position() == b"position"
        mark = again.changelog_mark()
        assert mark is not None
        assert mark.next_offset == 42
        assert mark.written_ms > 1_700_000_000_000

    def test_what_was_decided_and_not_written_is_not(self, store: SomeStore, open_store):
        put(store, "m1", "a")
        commit(store, b"1", 1)
        put(store, "m1", "b", due_ms=3)
        seal(store)
        store.close()
        again = open_store()
        assert (text_of(again, "m1"), again.position()) == ("a", b"1")
        assert again.deadlines.first() is None

    def test_an_empty_folder_has_no_position_and_no_mark(self, store: SomeStore):
        assert store.position() is None
        assert store.changelog_mark() is None

    def test_after_a_kill_nothing_unflushed_is_there(self, tmp_path: Path, open_store):
        """RocksDB keeps no log of its own: the changelog is the log, and the mark says from where to read it."""
        kill_after(tmp_path / "db", batches=3, write_buffer_bytes=16 << 20)
        found = open_store()
        assert found.position() is None
        assert found.changelog_mark() is None
        assert found.get("m1") is None
        assert found.deadlines.first() is None

    def test_after_a_kill_position_states_and_deadlines_are_of_one_batch(self, tmp_path: Path, open_store):
        """Flushes come when they come, between two batches and never within one."""
        kill_after(tmp_path / "db", batches=400, write_buffer_bytes=64 << 10)
        found = open_store()
        reached = int(found.position() or b"0")
        assert 0 < reached < 400
        mark = found.changelog_mark()
        assert mark is not None
        assert mark.next_offset == reached
        for key in ("m1", "m2"):
            thing = found.get(key)
            assert thing is not None
            assert thing.text == thing.note
            assert thing.text.startswith(f"{reached} ")
        due = []
        while (entry := found.deadlines.first()) is not None:
            due.append(entry)
            found.deadlines.pop()
        assert due == [(reached, "m1"), (reached, "m2")]


class TestRestore:
    @staticmethod
    def _changelog(
        *batches: Callable[[SomeStore], None], source: SomeStore
    ) -> list[tuple[bytes, bytes | None]]:
        """The changelog records of these batches, positions between them."""
        records: list[tuple[bytes, bytes | None]] = []
        for number, batch in enumerate(batches):
            batch(source)
            sealed = seal(source)
            records += [*sealed.parts.items(), (POSITION_KEY, str(number).encode())]
            source.write(sealed, b"", 0)
        return records

    @pytest.fixture
    def records(self, open_store, tmp_path: Path) -> list[tuple[bytes, bytes | None]]:
        """m1 changes and gets another deadline, m2 comes and goes, m3 waits for nothing."""

        def first(store: SomeStore) -> None:
            put(store, "m1", "a", due_ms=5, note="n")
            put(store, "m2", "b", due_ms=6, note="n")
            put(store, "m3", "c")

        def second(store: SomeStore) -> None:
            put(store, "m1", "d", due_ms=9)
            thing = store.get("m2")
            assert thing is not None
            thing.gone = True
            store.keep(thing)

        return self._changelog(first, second, source=open_store(tmp_path / "source"))

    @pytest.mark.parametrize("cut", [0, 1, 4, 6, 9])
    def test_states_deletions_position_and_mark_come_back(self, store: SomeStore, records, cut: int):
        assert len(records) == 10
        store.restore(records[:cut], cut)
        store.restore(records[cut:], 13)
        one, three = store.get("m1"), store.get("m3")
        assert one is not None
        assert three is not None
        assert (one.text, one.note, one.indexed_due_ms) == ("d", "n", 9)
        assert store.get("m2") is None
        assert (three.text, three.indexed_due_ms) == ("c", NEVER_MS)
        assert store.position() == b"1"
        mark = store.changelog_mark()
        assert mark is not None
        assert mark.next_offset == 13

    @pytest.mark.parametrize("cut", [0, 1, 4, 6, 9])
    def test_every_entity_has_its_deadline_and_no_other(self, store: SomeStore, records, cut: int):
        """Whoever follows a changelog for weeks would else keep every one there ever was."""
        store.restore(records[:cut], cut)
        store.restore(records[cut:], 13)
        due = []
        while (entry := store.deadlines.first()) is not None:
            due.append(entry)
            store.deadlines.pop()
        assert due == [(9, "m1")]

    def test_restored_twice_is_restored(self, store: SomeStore, records):
        store.restore(records, 13)
        store.restore(records, 13)
        assert text_of(store, "m1") == "d"
        assert store.get("m2") is None

    def test_nothing_restored_still_moves_the_mark(self, store: SomeStore):
        store.restore([], 7)
        mark = store.changelog_mark()
        assert mark is not None
        assert mark.next_offset == 7

    def test_restored_is_what_was_written(self, store: SomeStore, open_store, tmp_path: Path):
        source = open_store(tmp_path / "source")
        records = self._changelog(lambda source: put(source, "é", "a", due_ms=1 << 50), source=source)
        store.restore(records, 1)
        assert list(store.scan(b"", b"z")) == list(source.scan(b"", b"z"))


def damage(folder: Path, *, at: float = 0.0, flipped: int = 2_000) -> None:
    """Flip bytes of every table in a closed store's folder, from a share of its length on."""
    tables = list(folder.glob("*.sst"))
    assert tables
    for table in tables:
        content = bytearray(table.read_bytes())
        start = int(at * len(content))
        for place in range(start, min(start + flipped, len(content))):
            content[place] ^= 0xFF
        table.write_bytes(content)


def test_closed_it_keeps_nothing_in_memory(open_store):
    """Nobody looks for the cycles of objects that would go on holding the states of a partition given away."""
    store = open_store()
    put(store, "m1", "text", due_ms=7)
    commit(store)
    put(store, "m2", "text", due_ms=8)
    store.close()
    assert not store.holds("m1")
    assert not store.holds("m2")
    assert not store.dirty


class TestDamage:
    @pytest.fixture
    def left(self, open_store, tmp_path: Path) -> Path:
        """A folder with many members, closed."""
        store = open_store()
        for number in range(300):
            put(store, f"m{number:03}", "x" * 200, due_ms=1 + number, note="n" * 50)
        commit(store)
        store.close()
        return tmp_path / "db"

    def test_what_cannot_be_read_is_no_missing_member(self, left: Path, open_store):
        damage(left, at=0.5)
        store, found = open_store(), set[bool]()
        with pytest.raises(StoreError, match="orruption") as failed:
            found.update(store.get(f"m{number:03}") is None for number in range(300))
        assert failed.value.damaged
        assert found <= {False}

    def test_nor_are_deadlines_that_cannot_be_read_none(self, left: Path, open_store):
        """An iterator that fails looks as if it had come to the end."""
        damage(left)
        with pytest.raises(StoreError, match="orruption"):
            list(open_store().scan(b"d", b"e"))

    def test_nor_are_members_to_be_visited(self, left: Path, open_store):
        damage(left, at=0.2, flipped=6_000)
        with pytest.raises(StoreError, match="orruption"):
            open_store().keys_after("", 1_000)

    @pytest.mark.parametrize("lost", ["MANIFEST-*", "*.sst"])
    def test_a_folder_that_has_lost_a_file_is_not_opened(self, left: Path, open_store, lost: str):
        next(left.glob(lost)).unlink()
        with pytest.raises(StoreError) as failed:
            open_store()
        assert failed.value.damaged

    @pytest.mark.parametrize("cut", ["MANIFEST-*", "*.sst", "CURRENT"])
    def test_nor_is_one_with_a_file_cut_short(self, left: Path, open_store, cut: str):
        path = next(left.glob(cut))
        os.truncate(path, 10)
        with pytest.raises(StoreError) as failed:
            open_store()
        assert failed.value.damaged

    def test_a_disk_that_takes_no_more_is_no_damage(self, left: Path, open_store, full_disk):
        with full_disk(), pytest.raises(StoreError) as failed:
            open_store()
        assert not failed.value.damaged
        assert text_of(open_store(), "m007") == "x" * 200

    def test_what_could_not_be_flushed_is_missing_and_nothing_else(
        self, left: Path, open_store, full_disk, caplog: pytest.LogCaptureFixture
    ):
        store = open_store()
        put(store, "m007", "later", due_ms=9)
        commit(store, b"later", 2)
        with full_disk():
            store.close()
        assert "not all could be written to disk" in caplog.text
        again = open_store()
        assert (text_of(again, "m007"), again.position()) == ("x" * 200, b"position")

    def test_a_folder_opened_again_shares_the_cache_it_is_given(self, left: Path):
        cache = Cache(3 << 20)
        store: SomeStore = Store(left, ThingCore(), cache)
        try:
            assert store._db._rocks.property_int_value("rocksdb.block-cache-capacity") == 3 << 20
        finally:
            store.close()


class TestForeignState:
    def test_the_state_of_another_changelog_is_refused_before_anything_is_mixed(self, store: SomeStore):
        ours, theirs = (dump_position(Position(origin=name)) for name in ("ours", "theirs"))
        put(store, "m1", "a")
        commit(store, ours)
        store.restore([(POSITION_KEY, ours)], 5)
        with pytest.raises(StoreError, match="another changelog") as failed:
            store.restore([(part_key(0, "m1"), b"other"), (POSITION_KEY, theirs)], 9)
        assert failed.value.damaged
        assert store.position() == ours
        forget_decoded(store, "m1")
        assert text_of(store, "m1") == "a"

    def test_one_that_names_none_is_taken_as_it_is(self, store: SomeStore):
        """A promotion writes such a position."""
        commit(store, dump_position(Position(origin="ours")))
        store.restore([(POSITION_KEY, dump_position(Position()))], 5)
        store.restore([(POSITION_KEY, dump_position(Position(origin="new")))], 6)
        assert origin_of(store.position()) == "new"


class TestKeysAfter:
    def test_ids_come_in_order_and_in_slices(self, store: SomeStore):
        ids = ["", "a", "a\0", "ab", "b", "é", "\U0001f600"]
        for key in reversed(ids):
            put(store, key, "x", note="n", due_ms=4)
        commit(store)
        assert store.keys_after("", 100) == ids[1:]
        assert store.keys_after("", 2) == ["a", "a\0"]
        assert store.keys_after("a\0", 2) == ["ab", "b"]
        assert store.keys_after("\U0001f600", 2) == []

    def test_only_written_ids_are_found(self, store: SomeStore):
        put(store, "m1", "x")
        sealed = seal(store)
        assert store.keys_after("", 10) == []
        store.write(sealed, b"", 1)
        assert store.keys_after("", 10) == ["m1"]


KEYS = ("m1", "m2", "m3", "m4", "m5")
keys = st.sampled_from(KEYS)


class StoreMachine(RuleBasedStateMachine):
    """A dict, and a store of which up to two batches are decided and not written."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store: SomeStore = Store(self.folder, ThingCore())
        self.now: dict[str, tuple[str, str | None]] = {}
        self.decided: dict[str, tuple[str, str | None]] = {}
        self.outstanding: list[Sealed] = []
        self.steps = 0

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(key=keys, with_note=st.booleans())
    def put(self, key: str, with_note: bool) -> None:
        self.steps += 1
        text = str(self.steps)
        put(self.store, key, text, note=text if with_note else None)
        self.now[key] = (text, text if with_note else self.now.get(key, ("", None))[1])

    @precondition(lambda self: len(self.outstanding) < 2)
    @rule()
    def seal(self) -> None:
        self.outstanding.append(seal(self.store))
        self.decided = dict(self.now)

    @precondition(lambda self: self.outstanding)
    @rule()
    def write(self) -> None:
        self.store.write(self.outstanding.pop(0), b"", 0)

    @rule()
    def forget(self) -> None:
        self.store.forget()
        self.now = dict(self.decided)

    @precondition(lambda self: not self.store.dirty)
    @rule(evicted=st.sets(keys))
    def evict(self, evicted: set[str]) -> None:
        forget_decoded(self.store, *evicted)

    @precondition(lambda self: not self.store.dirty and len(self.outstanding) < 2)
    @rule(key=keys)
    def delete(self, key: str) -> None:
        thing = self.store.get(key)
        if thing is not None:
            thing.gone = True
            self.store.keep(thing)
            self.outstanding.append(seal(self.store))
            self.store.drop(key)
            del self.now[key]
            self.decided = dict(self.now)

    @invariant()
    def it_reads_as_the_dict(self) -> None:
        for key in KEYS:
            thing = self.store.get(key)
            assert (None if thing is None else (thing.text, thing.note)) == self.now.get(key)


TestAgainstADict = StoreMachine.TestCase
TestAgainstADict.settings = settings(max_examples=30, stateful_step_count=30)
