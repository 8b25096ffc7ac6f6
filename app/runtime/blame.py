"""Which record, or whose timers, a batch cannot be written for, so that it is decided again without them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from app.domain.engine import TimerFailed
from app.runtime.layout import split_part_key
from app.wire.bad_record import BadRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.runtime.merge import InputRecord

MAX_VALUE_BYTES = 900_000
"""Of one record; a larger one might not fit a batch of its own, with its key and the batch's frame."""


class Fault(NamedTuple):
    """Why a record becomes a dead letter: the contract's code, the message, and its instant where known."""

    error: str
    message: str
    occurred_ms: int | None


class Spoilt(Exception):  # noqa: N818  it says what became of the batch
    """The batch being decided has to be decided again, with one of its records a dead letter."""

    def __init__(self, record: InputRecord, error: str, message: str, occurred_ms: int | None) -> None:
        super().__init__(error)
        self.record = record
        self.fault = Fault(error, message, occurred_ms)


class TooLarge(Exception):  # noqa: N818  it says what is wrong
    """What an entity has put out, or grown to, cannot be written."""

    def __init__(self, entity: str, what: str, size_bytes: int) -> None:
        super().__init__(
            f"the {what} of {entity} would take {size_bytes} bytes, {MAX_VALUE_BYTES} are the most"
        )
        self.entity = entity


class InDoubt(Exception):  # noqa: N818  it says what is not known
    """An entity has grown too large, and several records of the batch may have made it so; `middle` is the one in their middle."""

    def __init__(self, middle: InputRecord) -> None:
        super().__init__(middle.offset)
        self.middle = middle


def whose_fault(
    large: TooLarge, applied: list[InputRecord], occurred_ms_of: Callable[[InputRecord], int]
) -> Spoilt | TimerFailed | InDoubt:
    """Who made an entity grow beyond what Kafka takes: its record, if it has one among those applied, else its timers.

    Of several it is not the largest that need have made it so: one that is not kept, or little of it, does not.
    """
    own: list[tuple[InputRecord, int]] = []
    for record in applied:
        if record.key == large.entity.encode():
            with contextlib.suppress(BadRecord):
                own.append((record, occurred_ms_of(record)))
    if not own:
        return TimerFailed(large.entity)
    record, occurred_ms = own[(len(own) - 1) // 2]
    return InDoubt(record) if len(own) > 1 else Spoilt(record, "too_large", str(large), occurred_ms)


def refuse_too_large(parts: dict[bytes, bytes | None]) -> None:
    """Raises TooLarge for the first state that cannot be written."""
    for key, value in parts.items():
        if value is not None and len(value) > MAX_VALUE_BYTES:
            raise TooLarge(split_part_key(key)[1], "state", len(value))
