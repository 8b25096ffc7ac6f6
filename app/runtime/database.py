"""One RocksDB on disk, and what its failures mean: damage, or a machine that does not let it at its files.

RocksDB's Python gives its errors as plain exceptions with a text; here they become StoreError.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from typing import TYPE_CHECKING, Any, TypeVar

from rocksdict import BlockBasedOptions, DbClosedError, Options, Rdict, WriteBatch, WriteOptions

from app.domain.entity import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rocksdict import Cache, WriteBufferManager

log = logging.getLogger(__name__)

T = TypeVar("T")

_OUT_OF_REACH = tuple(
    os.strerror(number)
    for number in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
        errno.EACCES,
        errno.EMFILE,
        errno.ENFILE,
        errno.EAGAIN,
        errno.ENOLCK,
    )
)
"""What RocksDB says, as text, when the files are as they should be and it is not let at them, or somebody else still is."""

_WOULD_WAIT = "Result incomplete"
"""RocksDB's word for a write it was told not to wait for."""

_ROOM_EVERY_S = 0.002


def open_options(cache: Cache | None = None, write_buffers: WriteBufferManager | None = None) -> Options:
    """RocksDB options for a partition: raw bytes, small write buffers; `cache` and `write_buffers` bound those of all
    partitions that share them.
    """
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(16 << 20)
    options.set_max_write_buffer_number(2)
    options.set_max_background_jobs(2)
    # Members who are met for the first time are looked for in vain.
    options.set_memtable_whole_key_filtering(True)
    options.set_memtable_prefix_bloom_ratio(0.05)
    if write_buffers is not None:
        options.set_write_buffer_manager(write_buffers)
    blocks = BlockBasedOptions()
    blocks.set_bloom_filter(10, block_based=False)
    if cache is not None:
        blocks.set_block_cache(cache)
    options.set_block_based_table_factory(blocks)
    return options


class Database:
    """A RocksDB of raw bytes. One task's only; blocks while it reads or writes the local disk.

    Whatever touches the disk raises StoreError where RocksDB fails. It is then to be closed: what is on disk is as it was after
    one of the batches written. `logged`: it keeps a log of its own, so that nothing written is lost in a crash.
    """

    def __init__(self, folder: Path, options: Options, *, logged: bool) -> None:
        self._folder = folder
        # Named too: a folder that is there would else be opened with the options it was made with, another cache among them.
        self._rocks = self._try(
            lambda: Rdict(str(folder), options=options, column_families={"default": options})
        )
        self._waiting, hasty = WriteOptions(), WriteOptions()
        self._waiting.disable_wal = hasty.disable_wal = not logged
        hasty.no_slowdown = True
        self._rocks.set_write_options(hasty)

    def get(self, key: bytes) -> bytes | None:
        """The value under a key; None where there is none."""
        # Not through `_try`: it is called for every part of every member that is not in memory.
        try:
            found: bytes | None = self._rocks.get(key)
        except DbClosedError:
            raise
        except Exception as error:
            raise self._failed(error) from error
        return found

    def get_all(self, keys: list[bytes]) -> list[bytes | None]:
        """The values under these keys, in their order; None for each that is not there."""
        found: list[bytes | None] = self._try(lambda: self._rocks.get(keys))
        return found

    def write(self, fill: Callable[[WriteBatch], None]) -> None:
        """Write one batch, whole or not at all. `fill` puts into an empty one, and may be called more than once.

        Waits for room in memory while files are written, as RocksDB would. But RocksDB waits on where they cannot be, because the
        disk is full, for as long as it is; and who waits here holds up the whole worker.
        """
        while True:
            batch = WriteBatch(raw_mode=True)
            fill(batch)
            try:
                self._rocks.write(batch)
            except DbClosedError:
                raise
            except Exception as error:
                if _WOULD_WAIT not in str(error):
                    raise self._failed(error) from error
            else:
                return
            if not self._property("rocksdb.is-write-stopped"):
                # Only to be slowed down; refused again and again, RocksDB would put it off for longer each time.
                self._write_slowly(fill)
                return
            if self._property("rocksdb.background-errors"):
                raise StoreError(
                    f"{self._folder}: files cannot be written, see the file LOG in it", damaged=False
                )
            time.sleep(_ROOM_EVERY_S)

    def scan(self, start: bytes, end: bytes) -> Iterator[bytes]:
        """Keys in [start, end), in order."""
        iterator = self._rocks.iter()
        iterator.seek(start)
        while iterator.valid():
            key: Any = iterator.key()
            if key >= end:
                return
            yield key
            iterator.next()
        # Where it cannot read on, an iterator looks as if there were no more.
        self._try(iterator.status)

    def close(self) -> None:
        """Flush and close. Not to be used afterwards, but for this.

        What cannot be flushed is only logged: the folder is then behind, as after a crash.
        """
        try:
            self._rocks.close()
        except DbClosedError:
            return
        except Exception as error:  # noqa: BLE001  RocksDB's Python has no class of its own for RocksDB's errors
            log.warning("%s: not all could be written to disk: %s", self._folder, error)

    def _write_slowly(self, fill: Callable[[WriteBatch], None]) -> None:
        batch = WriteBatch(raw_mode=True)
        fill(batch)
        self._try(lambda: self._rocks.write(batch, self._waiting))

    def _property(self, name: str) -> int:
        return self._try(lambda: self._rocks.property_int_value(name)) or 0

    def _try(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except DbClosedError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StoreError:
        text = str(error)
        out_of_reach = any(reason in text for reason in _OUT_OF_REACH)
        return StoreError(f"{self._folder}: {text}", damaged=not out_of_reach)
