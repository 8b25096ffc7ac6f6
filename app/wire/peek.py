"""The instant of an input record, from its first fields alone: for whoever sorts records before anybody reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.events import INPUTS
from app.wire import single_object
from app.wire.checks import FUTURE_MS, OLDEST_MS
from app.wire.schemas import shipped_schemas

if TYPE_CHECKING:
    from collections.abc import Callable

_MORE = 0x8080808080
"""Of six bytes of a long: the bits that say that another follows, set in all but the last."""

_BEGINNING = (("event_id", "string"), (None, "string"), ("occurred_at", "timestamp-millis"))
"""Names and types of the fields an input's schema begins with; the second is the key's, which has its own name."""


def peeker(topic: str) -> Callable[[bytes | None, int], int | None]:
    """A function of a record's value and append time that gives its occurred_at; None where it takes a reading to say.

    It knows the ordinary case only: the current schema, single-object encoded, texts below 64 bytes, an instant
    neither absurd nor ahead of the append time. An instant it gives is the one `Codec.decode` gives, if that finds the
    rest of the record valid.
    """
    schema = shipped_schemas().current(INPUTS[topic].__name__)
    if not _begins_as_inputs_do(schema.source):
        return _cannot_say
    header, header_bytes, from_bytes = (
        single_object.header(schema),
        single_object.HEADER_BYTES,
        int.from_bytes,
    )

    def peek(value: bytes | None, appended_ms: int) -> int | None:
        if value is None or value[:header_bytes] != header:
            return None
        try:
            size = value[header_bytes]
            at = header_bytes + 1 + (size >> 1)
            more = value[at]
        except IndexError:
            return None
        # Lengths are zigzag: odd is negative, 128 and above goes on in a second byte.
        if (size | more) & 129:
            return None
        at += 1 + (more >> 1)
        # Every instant from 2004 to 2039, read as `avro_decoder` does.
        x = from_bytes(value[at : at + 6], "little")
        if x & 0x808080808081 != _MORE:
            return None
        instant_ms = (
            x & 0x7F
            | x >> 1 & 0x3F80
            | x >> 2 & 0x1FC000
            | x >> 3 & 0xFE00000
            | x >> 4 & 0x7F0000000
            | x >> 5 & 0x3F800000000
        ) >> 1
        return instant_ms if OLDEST_MS <= instant_ms <= appended_ms + FUTURE_MS else None

    return peek


def _begins_as_inputs_do(schema: dict[str, Any]) -> bool:
    fields = schema["fields"][: len(_BEGINNING)]
    return len(fields) == len(_BEGINNING) and all(
        name in (None, field["name"]) and kind == _kind(field["type"])
        for field, (name, kind) in zip(fields, _BEGINNING, strict=True)
    )


def _kind(node: Any) -> Any:
    return node.get("logicalType") if isinstance(node, dict) else node


def _cannot_say(_value: bytes | None, _appended_ms: int) -> int | None:
    return None
