"""On which line of a TOML document each of its keys stands.

The parser of the standard library does not say, so a scanner goes over the document once more. It is only given what
that parser has found to be right, and therefore checks nothing.
"""

from __future__ import annotations

import re
import tomllib

Path = tuple[int | str, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]+")
_STRINGS = (
    re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)


def key_lines(document: str) -> dict[Path, int]:
    """The line, from 1, of each key, table and element of a list, by path: `("rules", 0, "at_most")`.

    Of a table that has no line of its own, the first line that speaks of it. `document` is valid TOML.
    """
    scanner = _Scanner(document)
    scanner.run()
    return scanner.lines


class _Scanner:
    """One pass over a document; `_at` is where it stands."""

    def __init__(self, document: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = document
        self._at = 0
        self._elements: dict[Path, int] = {}

    def run(self) -> None:
        table: Path = ()
        self._skip()
        while self._at < len(self._text):
            if self._takes("[["):
                table = self._header(is_element=True)
            elif self._takes("["):
                table = self._header(is_element=False)
            else:
                self._pair(table)
            self._skip()

    def _header(self, *, is_element: bool) -> Path:
        line = self._line()
        keys = self._keys()
        self._takes("]]" if is_element else "]")
        path: Path = ()
        for place, key in enumerate(keys):
            path = (*path, key)
            self.lines.setdefault(path, line)
            if is_element and place == len(keys) - 1:
                self._elements[path] = self._elements.get(path, -1) + 1
            if path in self._elements:
                path = (*path, self._elements[path])
                self.lines.setdefault(path, line)
        return path

    def _pair(self, table: Path) -> None:
        line, path = self._line(), table
        for key in self._keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self._takes("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip()
        if self._takes("["):
            place = 0
            while not self._takes("]"):
                self.lines[*path, place] = self._line()
                self._value((*path, place))
                self._takes(",")
                place += 1
        elif self._takes("{"):
            while not self._takes("}"):
                self._pair(path)
                self._takes(",")
        elif self._string() is None:
            self._match(_BARE_VALUE)

    def _keys(self) -> list[str]:
        """A dotted key's parts."""
        keys = [self._key()]
        while self._takes("."):
            self._skip()
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        quoted = self._string()
        if quoted is not None:
            return str(tomllib.loads(f"key = {quoted}")["key"])
        return self._match(_BARE_KEY) or ""

    def _string(self) -> str | None:
        for pattern in _STRINGS:
            found = self._match(pattern)
            if found is not None:
                return found
        return None

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    def _takes(self, mark: str) -> bool:
        """Whether a mark stands here, blanks and comments aside; if so it is passed, and what is blank behind it."""
        self._skip()
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        self._skip()
        return True

    def _skip(self) -> None:
        self._match(_BLANK)

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1
