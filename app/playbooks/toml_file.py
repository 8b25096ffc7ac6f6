"""TOML files as people write them: whatever stands in one, what is wrong with it can be told."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from app.domain.errors import UserError
from app.playbooks.unreadable import unreadable

if TYPE_CHECKING:
    from pathlib import Path


class _TooMuch(tomllib.TOMLDecodeError):
    """What no file of ours could hold."""


_DEEPEST = 50
_MOST_BITS = 4096


def load_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML file in UTF-8, a byte order mark forgiven. Any value in it can be shown and walked through.

    Raises:
        OSError, UnicodeDecodeError: it cannot be read, or is no such text.
        TOMLDecodeError: it is no TOML, or holds what no file of ours could: numbers of a thousand digits, a table or
            list that lies too deep.
    """
    document = file.read_text("utf-8-sig")
    try:
        content = tomllib.loads(document)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        # Python reads no decimal number beyond some thousands of digits.
        raise _too_long() from None
    _check(content)
    return content


def unusable(place: str, error: OSError | UnicodeDecodeError | tomllib.TOMLDecodeError) -> UserError:
    """What is said of a file of which `load_toml` raises that; `place` names it."""
    if isinstance(error, OSError):
        return unreadable(place, error)
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return UserError("not-toml", place, f"is no UTF-8 text (at line {line})", "save it as UTF-8")
    hint = 'a key and its value stand on one line, texts in quotes: key = "text"'
    if isinstance(error, _TooMuch):
        hint = "leave it out: no key of ours takes so much"
    return UserError("not-toml", place, f"is no TOML: {error}", hint)


def _check(content: dict[str, Any]) -> None:
    level: list[Any] = [content]
    for _ in range(_DEEPEST):
        if any(isinstance(value, int) and value.bit_length() > _MOST_BITS for value in level):
            raise _too_long()
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise _too_deep()


def _inside(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _too_deep() -> _TooMuch:
    return _TooMuch(f"tables and lists lie in each other more than {_DEEPEST} deep")


def _too_long() -> _TooMuch:
    return _TooMuch("a number has more than a thousand digits")
