"""The file of lines, and what is said when it cannot be read."""

from __future__ import annotations

import errno
import io
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from app.domain.errors import UserError
from app.tools.event_file import check_output, open_events

if TYPE_CHECKING:
    from pathlib import Path


class Torn(io.BytesIO):
    """A file of which the first line can be read."""

    def __next__(self) -> bytes:
        if self.tell():
            raise OSError(errno.EIO, "Input/output error")
        return super().__next__()


def test_its_lines_come_as_they_stand(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"a\r\n\nb")
    with open_events(path) as lines:
        assert list(lines) == [b"a\r\n", b"\n", b"b"]


def test_a_file_that_is_not_there_is_named_before_the_first_line_is_asked_for(tmp_path: Path):
    with pytest.raises(UserError) as caught, open_events(tmp_path / "none.jsonl"):
        pytest.fail("it was opened")
    assert (caught.value.reference, caught.value.place) == ("unreadable-file", str(tmp_path / "none.jsonl"))
    assert caught.value.hint.startswith("is the name right")


def test_one_that_cannot_be_read_to_its_end_is_named_too(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=Torn(b"a\nb\n")))
    with open_events("-") as lines:
        assert next(lines) == b"a\n"
        with pytest.raises(UserError) as caught:
            next(lines)
    found = caught.value
    assert (found.reference, found.place, found.problem) == (
        "unreadable-file",
        "-",
        "cannot be read: Input/output error",
    )


def test_so_is_a_standard_input_that_is_closed(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UserError) as caught, open_events("-"):
        pytest.fail("it was opened")
    assert (caught.value.reference, caught.value.problem) == ("unreadable-file", "standard input is closed")


def test_a_standard_output_that_is_closed_is_said_at_once(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(UserError) as caught:
        check_output()
    assert caught.value.reference == "closed-output"
