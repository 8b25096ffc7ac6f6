"""What a worker lets others see of its work, for metrics: told once a batch or answer at most, never once a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.runtime.deciding import Decided
    from app.runtime.partition import Partition


class Observer:
    """Sees nothing; a subclass takes what it wants. Called on the event loop: it neither blocks nor raises."""

    def committed(self, partition: Partition, decided: Decided, seconds: float) -> None:
        """A batch is committed and written; `seconds` from the begin of its transaction to the end of the write."""

    def broken(self, partition: Partition) -> None:
        """A partition has failed and will be opened again from its position."""

    def bug(self, processor: str) -> None:
        """The rules raised: the record became a dead letter, or the entity's timers are left alone."""

    def held_back(self, what: str, seconds: float) -> None:
        """The cluster has the worker wait so long before it goes on "reading" or "writing": a quota is used up."""
