"""All records of a replay in event-time order, sorted on disk: memory stays flat however many there are."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from rocksdict import Options, Rdict, WriteBatch

from app.runtime.merge import InputRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_KEY = struct.Struct(">QBQIQ")
"""occurred_at, rank, append time, partition, offset: so sorted as bytes too."""

_STATE = b"s"
"""Beside keys of 29 bytes, one of a single byte; it sorts behind those of any instant before the year 100 million."""

_decode = msgspec.msgpack.Decoder(tuple[bytes | None, bytes | None]).decode

_WRITE_BUFFER_BYTES = 32 << 20


class Spooled(NamedTuple):
    """One record at its place; `key` sorts as the places do."""

    key: bytes
    occurred_ms: int
    partition: int
    record: InputRecord


class SpoolState(msgspec.Struct, array_like=True, frozen=True):
    """How far the inputs have been spooled.

    offsets: next offset by partition of each topic. count: records in the spool.
    """

    offsets: dict[str, dict[int, int]] = {}
    count: int = 0


class Spool:
    """Records on disk, by (occurred_at, topic rank, append time, partition, offset). One task's only.

    Args:
        folder: of its own.
        topics: name of the topic of each rank.
    """

    def __init__(self, folder: Path, topics: Mapping[int, str]) -> None:
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
        options.set_max_background_jobs(2)
        folder.mkdir(parents=True, exist_ok=True)
        self._db = Rdict(str(folder), options=options)
        self._topics = topics

    def state(self) -> SpoolState:
        """How far it is."""
        stored: bytes | None = self._db.get(_STATE)
        return SpoolState() if stored is None else msgspec.msgpack.decode(stored, type=SpoolState)

    def write(self, spooled: list[tuple[int, int, InputRecord]], state: SpoolState) -> None:
        """Add records, as (occurred_ms, partition, record), and note how far that is, together or not at all."""
        batch = WriteBatch(raw_mode=True)
        put, pack, encode = batch.put, _KEY.pack, msgspec.msgpack.encode
        for occurred_ms, partition, record in spooled:
            place = pack(occurred_ms, record.rank, record.appended_ms, partition, record.offset)
            put(place, encode((record.key, record.value)))
        put(_STATE, msgspec.msgpack.encode(state))
        self._db.write(batch)

    def after(self, key: bytes) -> Iterator[Spooled]:
        """The records behind the one of this key, in order; all of them after the empty key."""
        iterator = self._db.iter()
        if key:
            iterator.seek(key + b"\0")
        else:
            iterator.seek_to_first()
        while iterator.valid():
            place: bytes = iterator.key()
            if len(place) == _KEY.size:
                yield self._spooled(place, iterator.value())
            iterator.next()

    def at(self, key: bytes) -> Spooled | None:
        """The record of this key; None for the empty key."""
        value: bytes | None = self._db.get(key) if key else None
        return None if value is None else self._spooled(key, value)

    def _spooled(self, place: bytes, value: bytes) -> Spooled:
        occurred_ms, rank, appended_ms, partition, offset = _KEY.unpack(place)
        record = InputRecord(appended_ms, rank, offset, self._topics[rank], *_decode(value))
        return Spooled(place, occurred_ms, partition, record)

    def close(self) -> None:
        """Flush and close."""
        self._db.close()
