"""Applying activities that repeat to members in their stored form (`settled.pyi`), without the rules.

Compiled; `member_repeats.py` is where it is used, and where it is decided whether it can be.
"""

from collections.abc import Sequence
from typing import Any

from app.runtime.member_repeats import Layout, Times, Wire
from app.runtime.native.settled import Settled

class Repeats:
    """Applies activities that repeat. One partition's only.

    Args:
        layout, wire, times: see there.
        moves: each type of activity that may repeat, in UTF-8, with what re-engagers do about it: (number of the re-engager, its
            channels as bits, its `after` in ms).
        once: exactly once; otherwise states say what they have seen.

    Attributes:
        time_ms: the partition's time after the last call of `run`.
        next_offset: the offset after the last record applied by it.
        history_seen: whether one of these was history when it was appended.

    Raises ValueError for more re-engagers, types or channels than it can serve, for a longer span, and for another kind of header.
    """

    time_ms: int
    next_offset: int
    history_seen: bool
    def __init__(
        self,
        layout: Layout,
        moves: Sequence[tuple[bytes, Sequence[tuple[int, int, int]]]],
        wire: Wire,
        times: Times,
        once: bool,
    ) -> None: ...
    def settle(
        self, key: str, part: bytes, moved: int, page_rest: bytes | None, older: bytes | None
    ) -> Settled | None:
        """The member of this part 0 and these things at hand; `moved`: by which re-engagers, as bits.

        None for one who has not the form that is needed.
        """
    def encode(
        self, settled: Settled, parts: dict[bytes, bytes | None], applied: dict[str, int] | None, seen: bytes
    ) -> None:
        """Put the member's parts among others, as `Store.encode` does; `seen` is `applied` in bytes.

        Raises ValueError where these are too many for their size to be stored.
        """
    def run(
        self,
        records: Sequence[Any],
        at: int,
        end: int,
        young: dict[str, Any],
        kept: dict[str, Any],
        changed: dict[str, Any],
        pages: dict[str, Any],
        time_ms: int,
        mark_ms: int,
        first_due_ms: int,
    ) -> int:
        """Apply records from `at` on, up to the first that is to be left to the rules, or `end`; returns its place.

        Members are looked for in `young`, and those changed put into `kept` and `changed`; pages, encoded, into `pages`. `time_ms` and
        `mark_ms` are the partition's, `first_due_ms` when the first silent entity is due, NEVER_MS if none.
        """

def hash_id(text: bytes) -> bytes:
    """As `recent_ids.hash_id`, of up to 128 bytes of UTF-8."""
