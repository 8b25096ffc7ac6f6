"""Where a partition stands, as it is kept in its changelog."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.engine import START
from app.runtime.position import (
    POSITION_VERSION,
    Position,
    dump_position,
    load_position,
    opened_position,
    origin_of,
)

longs = st.integers(0, 2**63 - 1)
positions = st.builds(
    Position,
    offsets=st.dictionaries(st.text(max_size=8), longs, max_size=4),
    time_ms=longs,
    mark=st.tuples(longs, st.text(max_size=8)),
    playbooks_hash=st.text(max_size=8),
    swept_to=st.none() | st.text(max_size=8),
    history_ms=longs,
    origin=st.text(max_size=8),
)


@given(positions)
def test_it_comes_back_as_it_was(position: Position):
    assert load_position(dump_position(position)) == position


def test_where_nothing_is_stored_it_is_the_very_start():
    assert load_position(None) == Position({}, 0, START, "", None, 0)


def test_two_positions_share_no_offsets():
    Position().offsets["activity"] = 7
    assert Position().offsets == {}


def test_a_sweep_that_has_not_begun_is_not_one_that_is_over():
    begun, over = Position(swept_to=""), Position(swept_to=None)
    assert load_position(dump_position(begun)).swept_to == ""
    assert load_position(dump_position(over)).swept_to is None


def test_a_position_of_a_newer_worker_is_refused():
    stored = bytes([POSITION_VERSION + 1]) + dump_position(Position())[1:]
    with pytest.raises(ValueError, match=f"position of version {POSITION_VERSION + 1}"):
        load_position(stored)


def test_a_field_added_later_has_its_default_in_what_was_stored_before():
    stored = bytes([POSITION_VERSION]) + msgspec.msgpack.encode([{"activity": 3}, 17])
    assert load_position(stored) == Position({"activity": 3}, 17)


def test_a_changelog_gets_an_origin_once_and_keeps_it():
    first, second = opened_position(None), opened_position(None)
    assert first.origin
    assert first.origin != second.origin
    stored = dump_position(first)
    assert opened_position(stored) == first
    assert origin_of(stored) == first.origin


def test_nothing_and_a_newer_worker_s_position_have_no_origin_that_is_known():
    newer = bytes([POSITION_VERSION + 1]) + dump_position(Position(origin="x"))[1:]
    assert (origin_of(None), origin_of(b""), origin_of(newer)) == ("", "", "")
