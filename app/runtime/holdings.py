"""The states in a worker's folder, looked at before it joins its group: what it can go on with need not be restored."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from typing import TYPE_CHECKING

import msgspec
from rocksdict import AccessType, Rdict

from app.runtime.database import open_options
from app.runtime.layout import CHANGELOG_KEY
from app.runtime.restore import STALE_AFTER_MS
from app.runtime.store import ChangelogMark

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.runtime.shares import Unit

log = logging.getLogger(__name__)


def unit_folder(folder: Path, unit: Unit) -> Path:
    """Where the state of a unit lies, be it owned or stood by for; the folder need not exist."""
    name, number = unit
    return folder / name / str(number)


class Holdings:
    """What a worker's folder holds, for it to claim: how far each state is, and which are in doubt.

    Attributes:
        offsets: by unit, the next changelog offset that its state lacks; kept current by whoever has it open.
    """

    def __init__(self, folder: Path) -> None:
        self.offsets: dict[Unit, int] = {}
        self._folder = folder
        self._doubted: set[Unit] = set()

    async def find(self, processors: Iterable[str]) -> None:
        """Look at what is there, before anything is opened."""
        self.offsets |= await asyncio.to_thread(find_held, self._folder, list(processors))

    def note(self, unit: Unit, offset: int | None) -> None:
        """A state is so far, None: that is not known; one in doubt is claimed by nobody."""
        if offset is not None and unit not in self._doubted:
            self.offsets[unit] = offset

    def doubt(self, unit: Unit) -> None:
        """What is on disk may be wrong: it is to be rebuilt."""
        self._doubted.add(unit)
        self.offsets.pop(unit, None)

    def doubted(self, unit: Unit) -> bool:
        """Whether `doubt` was told of it, and neither `trust` nor `clear_doubted` since."""
        return unit in self._doubted

    def trust(self, unit: Unit) -> None:
        """It has been rebuilt, or found sound."""
        self._doubted.discard(unit)

    def clear_doubted(self, units: Iterable[Unit]) -> None:
        """Throw away those of the states that are in doubt; none of them is open."""
        for unit in self._doubted.intersection(units):
            shutil.rmtree(unit_folder(self._folder, unit), ignore_errors=True)
            self._doubted.discard(unit)


def find_held(folder: Path, processors: Iterable[str]) -> dict[Unit, int]:
    """The next changelog offset of every state in the folder; those too old to be caught up are left out.

    Reads the disk, a few milliseconds a state. What cannot be read is left out too: whoever opens it drops it.
    """
    oldest_ms = time.time_ns() // 1_000_000 - STALE_AFTER_MS
    held: dict[Unit, int] = {}
    for name in processors:
        for path in (folder / name).glob("[0-9]*"):
            if (
                path.name.isdecimal()
                and (mark := _read_mark(path)) is not None
                and mark.written_ms >= oldest_ms
            ):
                held[name, int(path.name)] = mark.next_offset
    return held


def _read_mark(path: Path) -> ChangelogMark | None:
    # RocksDB's errors have no type of their own; a damaged block is met only when it is read.
    try:
        found = Rdict(str(path), options=open_options(), access_type=AccessType.read_only())
        try:
            stored = found.get(CHANGELOG_KEY)
        finally:
            found.close()
        return None if stored is None else msgspec.msgpack.decode(stored, type=ChangelogMark)
    except Exception as error:  # noqa: BLE001  as above
        log.debug("%s cannot be read: %s", path, error)
        return None
