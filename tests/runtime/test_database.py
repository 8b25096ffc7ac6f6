"""Writing where RocksDB would rather wait: for a moment that is right, on a full disk it would never end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.domain.entity import StoreError
from app.runtime.database import Database, open_options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rocksdict import WriteBatch

STALLED = "Result incomplete: Write stall"


class Stalling:
    """Stands before a real RocksDB; refuses the first writes that must not wait, and says what it is told of itself."""

    def __init__(self, rocks: Any, refusals: int, **properties: int) -> None:
        self._rocks = rocks
        self._refusals = refusals
        self._properties = properties
        self.waited = 0

    def write(self, batch: WriteBatch, options: Any = None) -> None:
        if options is not None:
            self.waited += 1
        elif self._refusals:
            self._refusals -= 1
            raise Exception(STALLED)  # noqa: TRY002  as RocksDB's Python does
        self._rocks.write(batch, options)

    def property_int_value(self, name: str) -> int:
        return self._properties.get(name.removeprefix("rocksdb.").replace("-", "_"), 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rocks, name)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "db", open_options(), logged=False)
    yield database
    database.close()


def put(batch: WriteBatch) -> None:
    batch.put(b"key", b"value")


def test_while_files_are_written_it_waits_for_room_and_writes(database: Database):
    database._rocks = Stalling(database._rocks, 3, is_write_stopped=1)
    database.write(put)
    assert database.get(b"key") == b"value"


def test_where_they_cannot_be_written_it_does_not_wait(database: Database):
    database._rocks = Stalling(database._rocks, 1_000_000, is_write_stopped=1, background_errors=1)
    with pytest.raises(StoreError, match="files cannot be written") as failed:
        database.write(put)
    assert not failed.value.damaged
    assert database.get(b"key") is None


def test_where_it_is_only_to_be_slowed_down_it_is(database: Database):
    database._rocks = stalling = Stalling(database._rocks, 1)
    database.write(put)
    assert (stalling.waited, database.get(b"key")) == (1, b"value")
