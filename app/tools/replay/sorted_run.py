"""Sorted runs: files of records in order of time, of which an external sort merges many."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Spooled = tuple[int, int, int, int, int, "bytes | None", "bytes | None"]
"""(occurred_at, topic rank, append time, partition, offset, key, value) of one record, which sort in this order.

A plain tuple: one that holds nothing but atoms is let go by the garbage collector, a named one is not.
"""

PLACE = struct.Struct(">QBQIQ")
"""Where a record stands, as bytes that sort as the records do: all of it but key and value."""

BLOCK_RECORDS = 1_000
BLOCK_BYTES = 1 << 20
"""Of the records read at once, unless one alone is larger."""

_FRAME = struct.Struct(f">I{PLACE.size}s")
"""Before each block: its size, and the place of its last record."""

_TAIL = struct.Struct(">I")
"""At the end of the file: the size of the contents before it."""

_decode = msgspec.msgpack.Decoder(list[tuple[int, int, int, int, int, bytes | None, bytes | None]]).decode
_encode = msgspec.msgpack.Encoder().encode


class Contents(msgspec.Struct, array_like=True, frozen=True):
    """What a run says of itself.

    Attributes:
        first, last: the places of its first and last record.
        count: how many records it holds.
        offsets: how far the inputs had been read with it, by partition of each topic.
    """

    first: bytes
    last: bytes
    count: int
    offsets: dict[str, dict[int, int]]


class SortedRun(NamedTuple):
    """One file; it is whole, and never changed. `size_bytes` is that of its blocks."""

    path: Path
    contents: Contents
    size_bytes: int

    def blocks(self, place: bytes = b"") -> Iterator[list[Spooled]]:
        """The records, block by block; blocks that end at or before a place are passed over."""
        with self.path.open("rb") as file:
            while file.tell() < self.size_bytes:
                size, last = _FRAME.unpack(file.read(_FRAME.size))
                if last <= place:
                    file.seek(size, os.SEEK_CUR)
                else:
                    yield _decode(file.read(size))


def place_of(record: Spooled) -> bytes:
    """Where a record stands."""
    return PLACE.pack(*record[:5])


def open_run(path: Path) -> SortedRun:
    """The run in a file that `write_run` has made."""
    with path.open("rb") as file:
        file.seek(-_TAIL.size, os.SEEK_END)
        (size,) = _TAIL.unpack(file.read())
        size_bytes = file.seek(-_TAIL.size - size, os.SEEK_END)
        return SortedRun(path, msgspec.msgpack.decode(file.read(size), type=Contents), size_bytes)


def write_run(
    path: Path, parts: Iterable[list[Spooled]], offsets: dict[str, dict[int, int]]
) -> Iterator[int]:
    """Write records that come in order, part by part; gives the number written so far after each, to be exhausted.

    The file is there when all is on the disk, or not at all. There must be a record.
    """
    temporary = path.with_suffix(".new")
    first, last, count = b"", b"", 0
    with temporary.open("wb") as file:
        for records in parts:
            for start in range(0, len(records), BLOCK_RECORDS):
                _write_block(file, records[start : start + BLOCK_RECORDS])
            count += len(records)
            first = first or place_of(records[0])
            last = place_of(records[-1])
            yield count
        contents = _encode(Contents(first, last, count, offsets))
        file.write(contents + _TAIL.pack(len(contents)))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _write_block(file: Any, records: list[Spooled]) -> None:
    block = _encode(records)
    if len(block) > BLOCK_BYTES and len(records) > 1:
        middle = len(records) // 2
        _write_block(file, records[:middle])
        _write_block(file, records[middle:])
        return
    file.write(_FRAME.pack(len(block), place_of(records[-1])))
    file.write(block)
