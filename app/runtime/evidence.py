"""What is known of an input of which nothing is buffered: since when nothing more had been appended to it."""

from __future__ import annotations


class Evidence:
    """How late it was when a broker last had nothing beyond what it had told us. Moves on with each of its answers.

    All inputs that are read from one broker and are at their ends share one of it, so that an answer in which nothing is
    new is noted once, and not at every input.

    Attributes:
        number: of the fetch that was answered so; fetches are numbered as they are sent. -1 before the first.
        sent_ms: wall time at which that fetch was sent; -1 before the first.
    """

    __slots__ = ("number", "sent_ms")

    def __init__(self, number: int = -1, sent_ms: int = -1) -> None:
        self.number = number
        self.sent_ms = sent_ms

    def __repr__(self) -> str:
        return f"Evidence({self.number}, {self.sent_ms})"


NONE = Evidence()
"""Of an input that may hold more than has come."""
