"""Which entity wants waking when: whatever lies in memory, in RocksDB or between, it is one ordered set."""

from __future__ import annotations

import bisect
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from app.runtime import deadlines as module
from app.runtime.deadlines import DeadlineIndex, Entry
from app.runtime.layout import deadline_key
from app.runtime.store import Sealed, Store

if TYPE_CHECKING:
    from collections.abc import Iterator


class Written:
    """What is written, in memory; counts how often it is read."""

    def __init__(self, *entries: Entry) -> None:
        self.keys = sorted(deadline_key(*entry) for entry in entries)
        self.scans = 0

    def scan(self, start: bytes, end: bytes) -> Iterator[bytes]:
        self.scans += 1
        yield from self.keys[bisect.bisect_left(self.keys, start) : bisect.bisect_left(self.keys, end)]

    def write(self, changes: dict[Entry, bool]) -> None:
        keys = set(self.keys)
        for entry, present in changes.items():
            (keys.add if present else keys.discard)(deadline_key(*entry))
        self.keys = sorted(keys)


def drain(index: DeadlineIndex) -> list[Entry]:
    """Everything there is, in order; nothing is there afterwards."""
    order = []
    while (entry := index.first()) is not None:
        order.append(entry)
        index.pop()
    return order


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", 3)
    monkeypatch.setattr(module, "WINDOW", 6)


def test_an_empty_index_has_no_first():
    assert DeadlineIndex(Written()).first() is None


def test_entries_come_by_due_then_id():
    index = DeadlineIndex(Written())
    for entry in ((2, "a"), (1, "b"), (1, "é"), (1, "a"), (1, "")):
        index.put(*entry)
    assert drain(index) == [(1, ""), (1, "a"), (1, "b"), (1, "é"), (2, "a")]


def test_an_entry_put_twice_is_there_once():
    index = DeadlineIndex(Written((1, "a")))
    index.put(1, "a")
    index.put(1, "a")
    assert drain(index) == [(1, "a")]


def test_written_and_unwritten_entries_are_one_order():
    index = DeadlineIndex(Written((1, "a"), (3, "c")))
    index.put(2, "b")
    index.put(4, "d")
    assert drain(index) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


def test_an_id_that_begins_with_another_follows_it(small: None):
    """The next key after one in RocksDB is that key and a zero byte, which may be an id too."""
    written = [(1, "a"), (1, "a\0"), (1, "a\0\0"), (1, "ab"), (1, "b")]
    assert drain(DeadlineIndex(Written(*written))) == written


@pytest.mark.usefixtures("small")
class TestSlices:
    ENTRIES = tuple((number, f"m{number}") for number in range(10))

    def test_one_slice_is_read_at_a_time(self):
        written = Written(*self.ENTRIES)
        index = DeadlineIndex(written)
        for expected_scans, entry in ((1, 0), (1, 1), (1, 2), (2, 3)):
            assert index.first() == self.ENTRIES[entry]
            assert written.scans == expected_scans
            index.pop()

    def test_all_slices_together_are_everything(self):
        assert drain(DeadlineIndex(Written(*self.ENTRIES))) == list(self.ENTRIES)

    def test_an_entry_beyond_the_slice_read_comes_with_its_own(self):
        index = DeadlineIndex(Written(*self.ENTRIES))
        index.first()
        index.put(4, "new")
        assert drain(index) == [*self.ENTRIES[:5], (4, "new"), *self.ENTRIES[5:]]

    def test_an_entry_within_it_comes_at_once(self):
        index = DeadlineIndex(Written(*self.ENTRIES))
        index.first()
        index.put(0, "")
        assert index.first() == (0, "")

    def test_a_slice_of_which_everything_was_removed_is_passed_over(self):
        index = DeadlineIndex(Written(*self.ENTRIES))
        for _ in range(7):
            index.first()
            index.pop()
        index.seal()
        index.forget()
        assert index.first() == self.ENTRIES[7]

    def test_memory_holds_a_window_however_many_entries_are_put(self):
        index = DeadlineIndex(Written())
        index.first()
        for entry in self.ENTRIES * 3:
            index.put(*entry)
            assert len(index._heap) <= module.WINDOW
            assert index._live == set(index._heap)
        assert drain(index) == list(self.ENTRIES)


class TestBatches:
    def test_the_changes_of_a_batch_are_what_was_put_and_removed(self):
        index = DeadlineIndex(Written((1, "a")))
        index.first()
        index.pop()
        index.put(2, "b")
        assert index.seal() == {(1, "a"): False, (2, "b"): True}
        assert index.seal() == {}

    def test_what_is_sealed_stays_removed_until_it_is_written(self):
        written = Written((1, "a"), (2, "b"))
        index = DeadlineIndex(written)
        index.first()
        index.pop()
        index.seal()
        index.forget()
        assert index.first() == (2, "b")

    def test_a_forgotten_batch_has_changed_nothing(self):
        index = DeadlineIndex(Written((1, "a"), (3, "c")))
        index.first()
        index.pop()
        index.put(2, "b")
        index.forget()
        assert drain(index) == [(1, "a"), (3, "c")]

    def test_they_are_written_in_the_order_of_sealing(self):
        written = Written()
        index = DeadlineIndex(written)
        index.put(1, "a")
        first = index.seal()
        index.put(2, "b")
        index.seal()
        written.write(first)
        index.written()
        index.forget()
        assert drain(index) == [(1, "a"), (2, "b")]

    def test_an_entry_that_is_passed_over_stays_for_whoever_comes_next(self):
        written = Written((1, "a"), (2, "b"))
        index = DeadlineIndex(written)
        index.first()
        index.skip()
        index.forget()
        assert drain(index) == [(2, "b")]
        assert index.seal() == {(2, "b"): False}
        assert drain(DeadlineIndex(written)) == [(1, "a"), (2, "b")]

    def test_the_later_of_two_unwritten_batches_counts(self):
        index = DeadlineIndex(Written())
        index.put(1, "a")
        index.seal()
        index.first()
        index.pop()
        index.seal()
        index.put(2, "b")
        index.forget()
        assert index.first() is None


entries = st.tuples(st.integers(0, 6), st.sampled_from(["", "a", "a\0", "ab", "b", "é", "\U0001f600"]))


class IndexMachine(RuleBasedStateMachine):
    """A plain set, and the index over a source that is written batch by batch, later than decided."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = [mock.patch.object(module, "SLICE", 3), mock.patch.object(module, "WINDOW", 5)]
        for patch in self.patches:
            patch.start()
        self.now: set[Entry] = set()
        self.decided: set[Entry] = set()
        self.outstanding: list[tuple[Any, set[Entry]]] = []
        self.written: set[Entry] = set()
        self.open()

    def open(self) -> None:
        self.source = Written()
        self.index = DeadlineIndex(self.source)

    def seal_batch(self) -> Any:
        return self.index.seal()

    def write_batch(self, sealed: Any) -> None:
        self.source.write(sealed)
        self.index.written()

    def forget_batch(self) -> None:
        self.index.forget()

    def teardown(self) -> None:
        assert drain(self.index) == sorted(self.now)
        for patch in self.patches:
            patch.stop()

    @rule(entry=entries)
    def put(self, entry: Entry) -> None:
        self.index.put(*entry)
        self.now.add(entry)

    @rule(batch=st.lists(entries, max_size=9))
    def put_many(self, batch: list[Entry]) -> None:
        for entry in batch:
            self.put(entry)

    @precondition(lambda self: self.now)
    @rule(count=st.integers(1, 4))
    def pop(self, count: int) -> None:
        for entry in sorted(self.now)[:count]:
            assert self.index.first() == entry
            self.index.pop()
            self.now.discard(entry)

    @precondition(lambda self: self.now)
    @rule()
    def take_and_put_back(self) -> None:
        entry = min(self.now)
        assert self.index.first() == entry
        self.index.pop()
        self.index.put(*entry)

    @precondition(lambda self: len(self.outstanding) < 2)
    @rule()
    def seal(self) -> None:
        self.decided = set(self.now)
        self.outstanding.append((self.seal_batch(), self.decided))

    @precondition(lambda self: self.outstanding)
    @rule()
    def write(self) -> None:
        sealed, self.written = self.outstanding.pop(0)
        self.write_batch(sealed)

    @rule()
    def forget(self) -> None:
        self.forget_batch()
        self.now = set(self.decided)

    @rule()
    def look(self) -> None:
        assert self.index.first() == min(self.now, default=None)


class StoreMachine(IndexMachine):
    """The same over RocksDB, which is now and then opened again: what was not written is gone."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        super().__init__()

    def open(self) -> None:
        self.store: Store[Any] = Store(self.folder, core=None)  # type: ignore[arg-type]
        self.index = self.store.deadlines

    def seal_batch(self) -> Sealed:
        return self.store.seal()

    def write_batch(self, sealed: Sealed) -> None:
        self.store.write(sealed, b"", 0)

    def forget_batch(self) -> None:
        self.store.forget()

    def teardown(self) -> None:
        super().teardown()
        self.store.close()
        shutil.rmtree(self.folder)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.now, self.decided, self.outstanding = set(self.written), set(self.written), []
        self.open()


TestAgainstASet = IndexMachine.TestCase
TestAgainstASet.settings = settings(max_examples=200, stateful_step_count=30)
TestOverRocksDb = StoreMachine.TestCase
TestOverRocksDb.settings = settings(max_examples=25, stateful_step_count=30)
