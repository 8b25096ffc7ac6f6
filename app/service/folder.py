"""The state folder, held by one worker at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.domain.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Make the folder if need be, and hold its lock until the end; the system frees the lock of a killed worker.

    Raises UserError `data-folder-in-use` when another worker holds it, `data-folder` when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "worker.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        hint = "set REENGAGE_DATA to a folder this user may write"
        raise UserError("data-folder", str(folder), error.strerror or str(error), hint) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            hint = "give each worker on one machine a REENGAGE_DATA of its own"
            raise UserError("data-folder-in-use", str(folder), "another worker holds it", hint) from error
        yield folder
    finally:
        os.close(lock)
