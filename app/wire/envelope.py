"""What a JSON line says beside its record: where the record came from, or is to go (contract 8, Lines)."""

import base64
import binascii
from typing import Any

from app.domain.crossings import INTERNALS
from app.domain.events import INPUTS
from app.wire.bad_record import BadRecord, nearest_hint, shown
from app.wire.instants import parse_calendar_instant
from app.wire.topics import CROSSINGS, REROUTES

CLOCK = "clock"
"""The topic of lines that move time and carry no record."""

UNNAMED = "?"
"""What stands for the topic of a line that names none."""


RECORDED: dict[str, type[Any]] = {
    **INPUTS,
    **{topic: INTERNALS[topic] for topic in CROSSINGS if topic not in REROUTES},
}
"""By topic: every record that may stand among the inputs as the worker took them. What was rerouted is an input again."""


class Envelope:
    """The envelope of one line, filled field by field, so that of a bad line all is known that came before.

    Attributes:
        topic: an input topic without prefix, an internal one where that may be, or `clock`; what a bad line calls its
            topic; `?` without any.
        key: the record's key; where the line gives none, that of the record's own id.
        key_given: whether the line gives one.
        arrived_at: stands for the append time, epoch ms; None where the line gives none.
        partition: None where the line gives none.
        offset: None where the line gives none.
        raw: the bytes in place of fields; None where the line has fields, or for a null value.
        raw_given: whether the line has `raw`.
    """

    def __init__(self) -> None:
        self.topic = UNNAMED
        self.key: bytes | None = None
        self.key_given = False
        self.arrived_at: int | None = None
        self.partition: int | None = None
        self.offset: int | None = None
        self.raw: bytes | None = None
        self.raw_given = False

    def take(self, fields: dict[str, Any], *, internal: bool = False) -> None:
        """Move the envelope out of `fields`, which keep the record's own. `internal`: internal topics are known too.

        Raises:
            BadRecord: `missing_field` without topic, `bad_value` for anything that is not what it should be.
        """
        known: dict[str, type[Any]] = RECORDED if internal else INPUTS
        self._take_topic(fields, known)
        self._take_key(fields, known)
        if "raw" in fields:
            self.raw_given = True
            self.raw = read_base64(fields.pop("raw"), "raw")
        self.arrived_at = read_instant(fields.pop("arrived_at", None), "arrived_at")
        self.partition = read_count(fields.pop("partition", None), "partition")
        self.offset = read_count(fields.pop("offset", None), "offset")
        if self.partition is None and self.topic in INTERNALS:
            raise BadRecord("missing_field", f"partition: a record of {self.topic} is one of a partition")

    def _take_topic(self, fields: dict[str, Any], known: dict[str, type[Any]]) -> None:
        if "topic" not in fields:
            raise BadRecord("missing_field", "topic: the field is missing")
        topic = fields.pop("topic")
        if not isinstance(topic, str):
            raise BadRecord("bad_value", f"topic: {shown(topic)} is no text")
        self.topic = topic
        if topic != CLOCK and topic not in known:
            raise BadRecord(
                "bad_value", f"topic: {shown(topic)} is no input topic{nearest_hint(topic, (*INPUTS, CLOCK))}"
            )

    def _take_key(self, fields: dict[str, Any], known: dict[str, type[Any]]) -> None:
        if "key" in fields:
            self.key_given = True
            self.key = _read_key(fields.pop("key"))
        elif self.topic in known and isinstance(own_id := fields.get(known[self.topic].key_field), str):
            self.key = own_id.encode()


def read_instant(value: Any, place: str) -> int | None:
    """Epoch ms; None for null or a field left out."""
    return None if value is None else parse_calendar_instant(value, place)


def read_count(value: Any, place: str) -> int | None:
    """A whole number from 0; None for null or a field left out."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63):
        return value
    raise BadRecord("bad_value", f"{place}: {shown(value)} is no whole number from 0")


def read_text(value: Any, place: str) -> str | None:
    """A text; None for null or a field left out."""
    if value is None or isinstance(value, str):
        return value
    raise BadRecord("bad_value", f"{place}: {shown(value)} is no text")


def read_base64(value: Any, place: str) -> bytes | None:
    """The bytes base64 stands for; None for null."""
    if value is None:
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise BadRecord("bad_value", f"{place}: {shown(value)} is no base64") from None


def _read_key(value: Any) -> bytes | None:
    if isinstance(value, dict) and list(value) == ["base64"]:
        return read_base64(value["base64"], "key.base64")
    text = read_text(value, "key")
    return None if text is None else text.encode()


def write_key(key: bytes | None) -> Any:
    """A key as a line has it: its text, null, or for bytes that are no UTF-8 `{"base64": ".."}`."""
    if key is None:
        return None
    try:
        return key.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(key).decode("ascii")}
