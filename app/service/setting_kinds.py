"""The kinds of value a setting may have: how each is read from text, and how it is shown.

A reader takes the text as written and returns the value, or raises `ValueError` saying what is wrong in the words
that follow "REENGAGE_X: ". It never repeats the text where that could hold a secret.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from app.playbooks.listing import NO_FOLDER, NO_FOLDER_HINT
from app.playbooks.problems import did_you_mean
from app.playbooks.values import duration_ms

MASK = "***"

_SIZE = re.compile(r"([1-9][0-9]{0,12})(KiB|MiB|GiB)")
_UNIT_BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_LARGEST_SIZE_BYTES = 1 << 50
_COUNT = re.compile(r"[0-9]{1,9}")
_MILLISECONDS = re.compile(r"([0-9]{1,9})ms")
# What Kafka allows in the name of a topic; groups and transactional ids are held to the same, so that all three
# can be put together from settings without escaping.
_KAFKA_NAME = re.compile(r"[A-Za-z0-9._-]*")
_LONGEST_PREFIX = 150
_LARGEST_PORT = 65_535


class BadText(ValueError):  # noqa: N818  as BadRecord, BadLine
    """What is wrong with a text, where more can be told than that.

    Attributes:
        hint: what would most likely put it right; empty: what the setting is for says it best.
        reference: of the error.
    """

    def __init__(self, problem: str, hint: str = "", reference: str = "bad-setting") -> None:
        super().__init__(problem)
        self.hint = hint
        self.reference = reference


@dataclass(frozen=True)
class Kind:
    """A kind of value: `name` for the documents, `read` from text, `show` for people (masked where needed).

    `write` gives the text that is read as a value; secrets are not written.
    """

    name: str
    read: Callable[[str], Any]
    show: Callable[[str], str] = str
    write: Callable[[Any], str] = str


def one_of(*choices: str) -> Kind:
    """One of a few words, written exactly so."""

    def read(text: str) -> str:
        if text not in choices:
            raise BadText(f"{text!r} is none of {', '.join(choices)}", did_you_mean(text, choices))
        return text

    return Kind(" or ".join(choices), read)


def _read_duration_ms(text: str) -> int:
    """As in playbooks, and milliseconds besides."""
    found = _MILLISECONDS.fullmatch(text)
    return int(found[1]) if found else duration_ms(text)


def _read_size_bytes(text: str) -> int:
    found = _SIZE.fullmatch(text)
    size_bytes = int(found[1]) * _UNIT_BYTES[found[2]] if found else 0
    if not 0 < size_bytes <= _LARGEST_SIZE_BYTES:
        raise ValueError(f"{text!r} is not a size such as 64MiB (KiB, MiB or GiB)")
    return size_bytes


def count(least: int, most: int) -> Kind:
    """A whole number from `least` to `most`."""

    def read(text: str) -> int:
        if not _COUNT.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError(f"{text!r} is not a whole number from {least:,} to {most:,}")
        return int(text)

    return Kind(f"whole number from {least:,} to {most:,}", read)


def _read_servers(text: str) -> str:
    servers = [server.strip() for server in text.split(",")]
    for server in servers:
        host, _, port = server.rpartition(":")
        if "@" in server or "/" in server:
            raise ValueError("a server is host:port, without a scheme, a user or a path")
        if not host or not port.isdigit() or not 0 < int(port) <= _LARGEST_PORT:
            raise ValueError(f"{server!r} is not host:port")
    return ",".join(servers)


def _show_servers(text: str) -> str:
    return re.sub("[^,]*@", f"{MASK}@", text)


def _read_kafka_name(text: str) -> str:
    if not _KAFKA_NAME.fullmatch(text):
        raise ValueError(f"{text!r} has characters other than letters, digits, '.', '_' and '-'")
    if len(text) > _LONGEST_PREFIX:
        raise ValueError(f"longer than {_LONGEST_PREFIX} characters")
    return text


def _read_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("not a URL such as http://127.0.0.1:8081")
    return text.rstrip("/")


def _show_url(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        return MASK
    if "@" not in parts.netloc:
        # Without a scheme, what stands before the host looks like a path.
        return MASK if "@" in text else text
    return urlunsplit(parts._replace(netloc=f"{MASK}@{parts.netloc.rpartition('@')[2]}"))


def _read_file(text: str) -> Path:
    path, mode = _look_at(text)
    if not S_ISREG(mode):
        raise ValueError(f"there is no file {text}")
    return path


def _read_existing_folder(text: str) -> Path:
    path, mode = _look_at(text)
    if not S_ISDIR(mode):
        # As where a command is given the folder itself.
        raise BadText(f"there is no folder {text}", NO_FOLDER_HINT, NO_FOLDER)
    return path


def _read_folder(text: str) -> Path:
    path, mode = _look_at(text)
    if mode and not S_ISDIR(mode):
        raise ValueError(f"{text} is not a folder")
    return path


def _look_at(text: str) -> tuple[Path, int]:
    """The path that is meant, and what the system says it is (`st_mode`); 0 where there is nothing."""
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{text} begins with the home of a user who is not known here") from None
    try:
        return path, path.stat().st_mode
    except FileNotFoundError:
        return path, 0
    except OSError as error:
        raise ValueError(f"{text} cannot be looked at: {error.strerror}") from None


DURATION = Kind("duration", _read_duration_ms, write=lambda ms: f"{ms}ms")
SIZE = Kind("size", _read_size_bytes, write=lambda size_bytes: f"{size_bytes >> 10}KiB")
SERVERS = Kind("host:port, comma-separated", _read_servers, _show_servers)
KAFKA_NAME = Kind("letters, digits, `.`, `_`, `-`", _read_kafka_name)
URL = Kind("URL", _read_url, _show_url)
TEXT = Kind("text", str)
SECRET = Kind("secret text", SecretStr, lambda _: MASK)
FILE = Kind("file", _read_file)
EXISTING_FOLDER = Kind("folder", _read_existing_folder)
FOLDER = Kind("folder, made where missing", _read_folder)
