"""Kafka's record batches: made of rows for a produce request, and read out of what a fetch brings.

By compiled code where it can be had (`native/batches.pyx`): a batch as a whole takes a fifth of what its records take one by one. Where
it cannot, and for what it does not understand, by aiokafka.
"""

from __future__ import annotations

import struct
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from app.runtime.hosting.fetch_session import READ_COMMITTED
from app.runtime.native import IS_COMPILED, batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import TopicPartition

MAX_BATCH_BYTES = 1 << 20
"""Record batches are built to this size; Kafka's own default limit of a batch is a little larger."""

Row = tuple["bytes | None", "bytes | None"]
"""(key, value) of one record to write."""

ReadRow = tuple[int, int, "bytes | None", "bytes | None"]
"""(offset, timestamp in ms, key, value) of one that was read."""


class Batch(NamedTuple):
    """One record batch: its bytes, and of how many records it is."""

    records: bytes | bytearray
    length: int


class Sender(NamedTuple):
    """Whose batch it is: `base_sequence` is the sequence number of its first record."""

    producer_id: int
    epoch: int
    base_sequence: int
    is_transactional: bool


class Taken(NamedTuple):
    """What was read: rows, the offset to go on from, and the size of the keys and values."""

    rows: list[ReadRow]
    next_offset: int
    size_bytes: int


_HEADER = struct.Struct(">qiibIhiqqqhii")
_AFTER_LENGTH = 12
_CHECKSUM_AT = 17
_CHECKED_FROM = 21
_FORMAT = 2
_NO_EPOCH = -1
_TRANSACTIONAL = 0x10
_NO_HEADERS: list[tuple[str, bytes]] = []


def build_batch(rows: Sequence[Row], start: int, now_ms: int, sender: Sender) -> Batch:
    """A batch of the rows from `start` on, until it is full. It takes its first row however large."""
    if not IS_COMPILED:
        return _build_one_by_one(rows, start, now_ms, sender)
    made, count = batches.fill(rows if type(rows) is list else list(rows), start, MAX_BATCH_BYTES)
    _HEADER.pack_into(
        made,
        0,
        0,  # the broker gives offsets
        len(made) - _AFTER_LENGTH,
        _NO_EPOCH,
        _FORMAT,
        0,
        _TRANSACTIONAL if sender.is_transactional else 0,
        count - 1,
        now_ms,
        now_ms,
        sender.producer_id,
        sender.epoch,
        sender.base_sequence,
        count,
    )
    struct.pack_into(">I", made, _CHECKSUM_AT, calc_crc32c(memoryview(made)[_CHECKED_FROM:]))
    return Batch(made, count)


def _build_one_by_one(rows: Sequence[Row], start: int, now_ms: int, sender: Sender) -> Batch:
    builder = DefaultRecordBatchBuilder(
        magic=_FORMAT,
        compression_type=0,
        is_transactional=int(sender.is_transactional),
        producer_id=sender.producer_id,
        producer_epoch=sender.epoch,
        base_sequence=sender.base_sequence,
        batch_size=MAX_BATCH_BYTES,
    )
    append, count = builder.append, 0
    for key, value in islice(rows, start, None):
        if append(count, now_ms, key, value, _NO_HEADERS) is None:
            break
        count += 1
    return Batch(builder.build(), count)


def read_batches(
    where: TopicPartition, records: bytes, aborted: list[tuple[int, int]] | None, position: int
) -> Taken:
    """The committed rows of what a fetch has brought, from `position` on; `aborted`: as the broker told of it.

    Raises aiokafka's CorruptRecordException for a batch whose checksum is wrong.
    """
    if IS_COMPILED and not aborted:
        read = batches.read(records, position, calc_crc32c)
        if read is not None:
            return Taken(*read)
    return _read_one_by_one(where, records, aborted, position)


def _read_one_by_one(
    where: TopicPartition, records: bytes, aborted: list[tuple[int, int]] | None, position: int
) -> Taken:
    found = MemoryRecords(records)
    if not found.has_next():
        return Taken([], position, 0)
    each = PartitionRecords(where, found, aborted, position, None, None, True, READ_COMMITTED)
    each._consumer_record = _row  # noqa: SLF001  spares the object made of each
    rows: list[ReadRow] = list(each)
    size_bytes = sum([len(key or b"") + len(value or b"") for _, _, key, value in rows])
    return Taken(rows, each.next_fetch_offset, size_bytes)


def _row(_where: TopicPartition, record: Any) -> ReadRow:
    return record.offset, record.timestamp, record.key, record.value
