"""Keys of RocksDB and of the changelog: they sort as what they stand for does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.domain.entity import NEVER_MS
from app.runtime.layout import (
    CHANGELOG_KEY,
    DEADLINE_END,
    POSITION_KEY,
    deadline_key,
    part_key,
    split_deadline_key,
    split_part_key,
)

ids = st.text(max_size=8)
"""Any text UTF-8 can hold, with the ids that tempt: empty, with zero bytes, one the beginning of another."""
instants = st.integers(0, NEVER_MS)
deadlines = st.lists(st.tuples(instants | st.integers(0, 3), ids))


@given(st.integers(0, 255), ids)
def test_a_part_key_tells_part_and_id(part: int, entity: str):
    assert split_part_key(part_key(part, entity)) == (part, entity)


@given(instants, ids)
def test_a_deadline_key_tells_due_and_id(due_ms: int, entity: str):
    assert split_deadline_key(deadline_key(due_ms, entity)) == (due_ms, entity)


@given(deadlines)
def test_deadline_keys_sort_as_due_and_id_do(entries: list[tuple[int, str]]):
    keys = sorted(deadline_key(*entry) for entry in entries)
    assert [split_deadline_key(key) for key in keys] == sorted(entries)


@given(st.lists(ids))
def test_part_keys_of_one_part_sort_as_ids_do(entities: list[str]):
    keys = sorted(part_key(0, entity) for entity in entities)
    assert [split_part_key(key)[1] for key in keys] == sorted(entities)


@given(instants, ids, ids)
def test_the_key_after_one_is_it_and_a_zero_byte(due_ms: int, entity: str, other: str):
    """That is how a scan goes on: nothing lies between the two, and the same id does not come again."""
    assert (deadline_key(due_ms, other) >= deadline_key(due_ms, entity) + b"\0") == (other > entity)


@given(instants, ids, st.integers(0, 255))
def test_the_kinds_of_keys_do_not_mix(due_ms: int, entity: str, part: int):
    assert deadline_key(due_ms, entity) < DEADLINE_END <= part_key(part, entity)
    assert part_key(part, entity) not in (POSITION_KEY, CHANGELOG_KEY)


def test_the_parts_of_all_entities_lie_apart():
    assert part_key(0, "\U0010ffff" * 3) < part_key(1, "")


def test_an_instant_before_1970_counts_as_1970():
    assert split_deadline_key(deadline_key(-5, "m1")) == (0, "m1")
