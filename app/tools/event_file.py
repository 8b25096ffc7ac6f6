"""The file of JSON lines that `simulate` and `explain` read, and the standard streams they were started with."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app.domain.errors import UserError
from app.playbooks.unreadable import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

_STDIN = "-"


@contextmanager
def open_events(events: Path | str) -> Iterator[Iterator[bytes]]:
    """The lines of the file, or of standard input for `-`; raises UserError `unreadable-file`, also while they are read."""
    with _open(events) as file:
        yield _lines(file, events)


def _open(events: Path | str) -> BinaryIO:
    if str(events) == _STDIN:
        check_input()
        return sys.stdin.buffer
    try:
        return Path(events).open("rb")
    except OSError as error:
        raise unreadable(str(events), error) from None


def _lines(file: BinaryIO, events: Path | str) -> Iterator[bytes]:
    try:
        yield from file
    except OSError as error:
        raise unreadable(str(events), error) from None


def check_input() -> None:
    """Raise UserError `unreadable-file` where standard input was closed before the start."""
    if sys.stdin is None:
        hint = "name a file, or leave standard input open"
        raise UserError("unreadable-file", _STDIN, "standard input is closed", hint)


def check_output() -> None:
    """Raise UserError `closed-output` where standard output was closed before the start: nothing could be printed."""
    if sys.stdout is None:
        raise UserError("closed-output", "standard output", "is closed", "send it to a file, or to /dev/null")
