"""The line of every key of a TOML document."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from app.playbooks.key_lines import key_lines
from app.playbooks.loader import DEFAULTS

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = '''# a comment with [brackets] and "quotes"
name = "p"
inactivity = { after = "7d", channels = ["APP", "PHONE"] }
quoted."a.b" = 1   # kind = 3

[transfer]
text = """
not.a.key = 1
[nor.a.table]
"""
when = [
    "> 3", # one
    '< "9"',
]

[[rules]]
on = "x"
[rules.more]
deep = true

[[rules]]
on = 'y'
[a.b.c]
d = 2026-01-05T10:00:00Z
'''

EXPECTED = {
    ("name",): 2,
    ("inactivity",): 3,
    ("inactivity", "after"): 3,
    ("inactivity", "channels"): 3,
    ("inactivity", "channels", 1): 3,
    ("quoted", "a.b"): 4,
    ("transfer",): 6,
    ("transfer", "text"): 7,
    ("transfer", "when"): 11,
    ("transfer", "when", 0): 12,
    ("transfer", "when", 1): 13,
    ("rules", 0): 16,
    ("rules", 0, "on"): 17,
    ("rules", 0, "more"): 18,
    ("rules", 0, "more", "deep"): 19,
    ("rules", 1): 21,
    ("rules", 1, "on"): 22,
    ("a", "b", "c"): 23,
    ("a", "b", "c", "d"): 24,
}


@pytest.mark.parametrize(("path", "line"), EXPECTED.items())
def test_each_key_stands_on_its_line(path, line):
    assert key_lines(DOCUMENT)[path] == line


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> set[tuple[Any, ...]]:
    found = {path} if path else set()
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        found |= paths_of(each, (*path, key))
    return found


@pytest.mark.parametrize("file", sorted(DEFAULTS.glob("**/*.toml")), ids=lambda file: file.name)
def test_the_shipped_playbooks_keys_are_those_the_parser_finds(file: Path):
    document = file.read_text("utf-8")
    assert set(key_lines(document)) == paths_of(tomllib.loads(document))


scalars = st.one_of(st.text(), st.integers(-9, 9), st.booleans(), st.floats(allow_nan=False))
keys = st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(keys, values, max_size=5), st.booleans())
def test_of_any_document_exactly_the_parsers_keys_are_found(content, multiline):
    document = tomli_w.dumps(content, multiline_strings=multiline)
    lines = key_lines(document)
    assert set(lines) == paths_of(tomllib.loads(document))
    assert all(1 <= line <= document.count("\n") + 1 for line in lines.values())
