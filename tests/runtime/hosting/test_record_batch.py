"""Batches made and read as a whole are those that aiokafka makes and reads record by record."""

from __future__ import annotations

import struct

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from app.runtime.hosting import record_batch as module
from app.runtime.hosting.record_batch import Row, Sender, build_batch, read_batches

HERE = TopicPartition("t", 0)
SENDER = Sender(producer_id=7, epoch=3, base_sequence=12, is_transactional=True)
NOW_MS = 1_767_607_200_000

values = st.none() | st.binary(max_size=20) | st.binary(min_size=60, max_size=200)
rows = st.lists(st.tuples(values, values), min_size=1, max_size=200)


@given(
    rows=rows,
    start=st.integers(0, 5),
    most=st.sampled_from((70, 300, 4_000, 1 << 20)),
    transactional=st.booleans(),
)
def test_made_as_aiokafka_does(rows, start, most, transactional):
    start = min(start, len(rows) - 1)
    sender = SENDER._replace(is_transactional=transactional)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_BATCH_BYTES", most)
        made = build_batch(rows, start, NOW_MS, sender)
        patch.setattr(module, "IS_COMPILED", False)
        assert build_batch(rows, start, NOW_MS, sender) == (bytes(made.records), made.length)


def test_its_first_row_goes_in_however_large():
    batch = build_batch([(b"k", b"v" * (2 << 20)), (b"k", b"v")], 0, NOW_MS, SENDER)
    assert batch.length == 1


def stored(rows: list[Row], base: int, **changes: int) -> bytes:
    """A batch as it lies in a log. `compression` by its codec's number; `attributes` more of them."""
    attributes = changes.pop("attributes", 0)
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=changes.pop("compression", 0),
        is_transactional=changes.pop("transactional", 0),
        producer_id=changes.pop("producer_id", -1),
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 20,
    )
    for number, (key, value) in enumerate(rows):
        builder.append(number, NOW_MS + number, key, value, [("h", b"header"), ("n", None)][: number % 3])
    made = bytearray(builder.build())
    struct.pack_into(">q", made, 0, base)
    made[22] |= attributes
    struct.pack_into(">I", made, 17, calc_crc32c(bytes(made[21:])))
    return bytes(made)


def both(records: bytes, aborted: list[tuple[int, int]] | None, position: int) -> object:
    """What is read, either way: it must be the same."""
    with pytest.MonkeyPatch.context() as patch:
        found = read_batches(HERE, records, aborted, position)
        patch.setattr(module, "IS_COMPILED", False)
        assert read_batches(HERE, records, aborted, position) == found
    return found


@given(
    batches=st.lists(
        st.tuples(rows, st.sampled_from((0, 0, 0, 1)), st.sampled_from((0, 0x08))), min_size=1, max_size=4
    ),
    begin=st.integers(0, 300),
    cut=st.integers(0, 300),
)
def test_read_as_aiokafka_does(batches, begin, cut):
    """From the midst of a batch, with one that is cut short, with headers, compressed, with times of the sender or of the log."""
    log, base = b"", 1_000
    for rows, compression, attributes in batches:
        log += stored(rows, base, compression=compression, attributes=attributes)
        base += len(rows) + 2  # compacted away
    both(log[: max(0, len(log) - cut)], None, 1_000 + begin)


def marker(*, commit: bool, base: int, producer_id: int) -> bytes:
    key, value = struct.pack(">hh", 0, commit), struct.pack(">hi", 0, 0)
    return stored([(key, value)], base, attributes=0x20, transactional=1, producer_id=producer_id)


def test_markers_of_transactions_are_no_rows():
    log = stored([(b"a", b"1")], 0, transactional=1, producer_id=4) + marker(
        commit=True, base=1, producer_id=4
    )
    assert both(log, [], 0) == ([(0, NOW_MS, b"a", b"1")], 2, 2)


def test_what_was_aborted_is_left_out():
    log = (
        stored([(b"a", b"1")], 0, transactional=1, producer_id=4)
        + marker(commit=False, base=1, producer_id=4)
        + stored([(b"b", b"2")], 2, transactional=1, producer_id=4)
        + marker(commit=True, base=3, producer_id=4)
    )
    assert both(log, [(4, 0)], 0) == ([(2, NOW_MS, b"b", b"2")], 4, 2)


def test_nothing_is_nothing():
    assert both(b"", None, 5) == ([], 5, 0)


def test_a_wrong_checksum_is_refused():
    log = bytearray(stored([(b"a", b"1")], 0))
    log[-3] ^= 1
    with pytest.raises(CorruptRecordException):
        read_batches(HERE, bytes(log), None, 0)


@given(rows=rows, place=st.integers(61, 400), byte=st.integers(0, 255))
def test_what_is_damaged_under_a_right_checksum_is_refused_or_read_as_aiokafka_does(rows, place, byte):
    log = bytearray(stored(rows, 0))
    log[min(place, len(log) - 1)] = byte
    struct.pack_into(">I", log, 17, calc_crc32c(bytes(log[21:])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "IS_COMPILED", False)
        try:
            expected = read_batches(HERE, bytes(log), None, 0)
        except (CorruptRecordException, UnicodeDecodeError):
            return
    assert read_batches(HERE, bytes(log), None, 0) == expected
