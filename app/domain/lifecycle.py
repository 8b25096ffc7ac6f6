"""What the tables of legal moves are made of, for whatever has a lifecycle of states."""

from __future__ import annotations

from typing import NamedTuple


class Move(NamedTuple):
    """One legal move: in state `before`, `name` leads to `after`; `when` says it in words, for the documents' diagram."""

    before: str
    name: str
    after: str
    when: str
