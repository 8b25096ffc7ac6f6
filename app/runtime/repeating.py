"""Entities for whom records repeat: settled in their stored form, and moved on there without the rules (decision 16).

Which records repeat, and what one more of them changes, the rules say (`domain/repeats.py`). Whatever else comes for a settled
entity wakes it: it is then as the rules know it, until it settles again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from app.domain.entity import Entity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from app.runtime.merge import InputRecord
    from app.runtime.native import Settled
    from app.runtime.remembered import Remembered

E = TypeVar("E", bound=Entity)


class Repeating(Protocol[E]):
    """Applies the repeats of one partition. What it makes of a record is what the rules would, byte for byte."""

    @property
    def types(self) -> frozenset[str]:
        """Types of activities that may repeat."""

    @property
    def time_ms(self) -> int:
        """The partition's time after the last call of `run`."""

    @property
    def next_offset(self) -> int:
        """The offset after the last activity `run` has applied."""

    @property
    def history_seen(self) -> bool:
        """Whether the last call of `run` has applied one that was history when it was appended."""

    def run(
        self,
        records: Sequence[InputRecord],
        at: int,
        memory: Remembered[E],
        pages: dict[str, Any],
        time_ms: int,
        mark_ms: int,
        first_due_ms: int,
    ) -> int:
        """Apply records from `at` on, up to the first that is for the rules; returns its place, or the end.

        `time_ms` and `mark_ms` are the partition's, `first_due_ms` is when its first silent entity is due, NEVER_MS if none.
        Pages that are written are put among `pages`, encoded.
        """

    def settle(self, entity: E, part: bytes) -> Settled | None:
        """The entity, just dumped, settled; `part` is its part 0. None for one that cannot be."""

    def wake(self, settled: Settled, read: Callable[[int], bytes | None]) -> E:
        """The entity as the rules know it; `read` reads its stored parts."""

    def encode(
        self, settled: Settled, parts: dict[bytes, bytes | None], applied: dict[str, int] | None, seen: bytes
    ) -> None:
        """Put what is changed of the entity among parts, as `Store.encode` does; `seen` is `applied` in bytes."""


class NoRepeats:
    """Satisfies `Repeating` for any entity: the rules apply every record."""

    types: frozenset[str] = frozenset()
    time_ms = 0
    next_offset = 0
    history_seen = False

    def run(self, _records: object, at: int, *_: object) -> int:
        """Every record is for the rules."""
        return at

    def settle(self, _entity: Any, _part: bytes) -> None:
        """No entity can be."""

    def wake(self, _settled: Settled, _read: object) -> Any:
        """None ever settled."""
        raise LookupError("no entity settles here")

    def encode(self, _settled: Settled, *_: object) -> None:
        """None ever settled."""
        raise LookupError("no entity settles here")
