"""JSON lines: what `simulate` and `produce` read, and what `simulate` and `tail` print (contract 7, and 8, Lines).

A line is a record's fields and, beside them, an envelope: `topic`, `key`, `arrived_at`, `partition`, `offset`, `raw`.
A `clock` line has no record; it carries `occurred_at` and may carry `partition`, and of a mark of the journal the
`processor`, `mark_due` and `mark_entity`.
"""

import base64
from dataclasses import dataclass
from typing import Any

import msgspec

from app.domain.events import Input
from app.domain.outputs import DeadLetter
from app.wire.bad_record import BadRecord, key_text, nearest_hint, shown
from app.wire.checks import CHECKS, check_key, check_time
from app.wire.codec import AnyRecord, Codec, encode_key, shipped_codec
from app.wire.envelope import CLOCK, Envelope, read_count, read_instant, read_text, write_key
from app.wire.instants import check_calendar, format_instant, parse_calendar_instant
from app.wire.json_record import parse_object, readable_instant
from app.wire.topics import PROCESSORS

_CLOCK_FIELDS = (
    "topic",
    "event_id",
    "occurred_at",
    "arrived_at",
    "partition",
    "processor",
    "mark_due",
    "mark_entity",
)
_AT_ANY_TIME = 2**63
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that holds a valid record.

    Attributes:
        number: of the line, from 1, blank lines counted.
        topic: an input topic, without prefix; in a line of `tail --inputs` also an internal one.
        record: the record, checked as the worker checks it.
        arrived_at: stands for the append time, epoch ms; the record's occurred_at where the line gives none.
        partition: where it lay in Kafka, None where the line does not say.
        offset: likewise.
        value: for a dead letter: the bytes of its `raw`, else the line as it came.
    """

    number: int
    topic: str
    record: Input
    arrived_at: int
    partition: int | None
    offset: int | None
    value: bytes

    @property
    def occurred_at(self) -> int:
        """The record's instant, epoch ms."""
        return self.record.occurred_at

    @property
    def key(self) -> bytes:
        """The record's key: its id."""
        return encode_key(getattr(self.record, self.record.key_field))

    def dead_letter(self, error: str, message: str) -> DeadLetter:
        """The dead letter of a record that the core refused with this code."""
        bad = BadRecord(error, message, self.occurred_at)
        return _dead_letter(bad, self.number, self.topic, self.partition, self.offset, self.key, self.value)


@dataclass(frozen=True, slots=True)
class Clock:
    """One `clock` line: time reaches `occurred_at`, for everyone or for one partition.

    Attributes:
        number: of the line, from 1.
        occurred_at: epoch ms.
        arrived_at: where the line stands among the others, epoch ms; occurred_at where the line gives none.
        partition: whose time moves; None: everyone's.
        processor: with a mark, the processor it is of; else None.
        mark_due: with `mark_entity`, how far silent entities' timers fire, exclusive, epoch ms; None: all due by then.
        mark_entity: likewise.
    """

    number: int
    occurred_at: int
    arrived_at: int
    partition: int | None = None
    processor: str | None = None
    mark_due: int | None = None
    mark_entity: str | None = None


class BadLine(BadRecord):
    """A line that holds no valid record; only `parse_line` raises it.

    Attributes:
        number: of the line, from 1.
        arrived_at: where the line stands among the others, epoch ms; occurred_at where the line gives none that can be read.
        letter: the dead letter `simulate` gives for it.
    """

    def __init__(self, bad: BadRecord, number: int, envelope: Envelope, text: bytes) -> None:
        super().__init__(bad.error, bad.message, bad.occurred_at)
        self.number = number
        self.arrived_at = bad.occurred_at if envelope.arrived_at is None else envelope.arrived_at
        value = envelope.raw if envelope.raw_given else text
        self.letter = _dead_letter(
            bad, number, envelope.topic, envelope.partition, envelope.offset, envelope.key, value
        )

    def __str__(self) -> str:
        return f"line {self.number}: {super().__str__()}"


def _dead_letter(
    bad: BadRecord,
    number: int,
    topic: str,
    partition: int | None,
    offset: int | None,
    key: bytes | None,
    value: bytes | None,
) -> DeadLetter:
    return DeadLetter(
        source_topic=topic,
        source_partition=partition,
        source_offset=offset,
        source_line=number,
        key=key_text(key),
        occurred_at=bad.occurred_at,
        error=bad.error,
        message=bad.message,
        raw=value,
    )


def parse_line(
    text: str | bytes,
    number: int,
    *,
    codec: Codec | None = None,
    run: str = "line",
    append_ms: int | None = None,
    internal: bool = False,
) -> Line | Clock | None:
    """What a line holds; None for a blank one.

    Args:
        text: the line, with or without its end; the first may begin with a byte order mark.
        number: of the line, from 1.
        codec: for `raw` records that need a schema registry; None: one without.
        run: a record without `event_id` gets `{run}-{number}`.
        append_ms: how far ahead a record may lie counts from this instant; None: from the line's arrived_at.
        internal: whether the line may hold a record of an internal topic, with the partition it lay in.

    Raises:
        BadLine: with the dead-letter code the worker gives the same record; `undecodable` for a line that is no
            JSON object; for the envelope `missing_field`, `bad_value` or, in a `clock` line, `unknown_field`.
        UserError: a `raw` record needs the schema registry, which does not answer.
    """
    line = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    line = (line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line).strip()
    if not line:
        return None
    envelope = Envelope()
    fields: dict[str, Any] = {}
    try:
        fields = parse_object(line)
        if fields.get("topic") == CLOCK:
            envelope.topic = CLOCK
            return _clock(fields, number)
        envelope.take(fields, internal=internal)
        record = _record(fields, envelope, codec or shipped_codec(), f"{run}-{number}", append_ms)
    except BadRecord as bad:
        if bad.occurred_at is None:
            bad.occurred_at = readable_instant(fields.get("occurred_at"))
        if envelope.arrived_at is None:
            envelope.arrived_at = readable_instant(fields.get("arrived_at"))
        raise BadLine(bad, number, envelope, line) from None
    return Line(
        number=number,
        topic=envelope.topic,
        record=record,
        arrived_at=record.occurred_at if envelope.arrived_at is None else envelope.arrived_at,
        partition=envelope.partition,
        offset=envelope.offset,
        value=envelope.raw or line,
    )


def _record(
    fields: dict[str, Any], envelope: Envelope, codec: Codec, event_id: str, append_ms: int | None
) -> Input:
    """The line's record, checked in the order in which the codec checks one from Kafka."""
    limit_ms = envelope.arrived_at if append_ms is None else append_ms
    if limit_ms is None:
        limit_ms = _AT_ANY_TIME
    record: Input
    if envelope.raw_given:
        if fields:
            raise BadRecord("unknown_field", f"{next(iter(fields))}: a line with raw has no other fields")
        record = codec.decode(envelope.topic, envelope.key, envelope.raw, limit_ms)
    else:
        fields.setdefault("event_id", event_id)
        record = codec.from_json(envelope.topic, fields)
        if envelope.key_given:
            check_key(record, envelope.key)
        if (check := CHECKS.get(envelope.topic)) is not None:
            check_time(record.occurred_at, limit_ms)
            check(record)
    check_calendar(record.occurred_at, "occurred_at", record.occurred_at)
    return record


def _clock(fields: dict[str, Any], number: int) -> Clock:
    for name in fields:
        if name not in _CLOCK_FIELDS:
            raise BadRecord("unknown_field", f"{name}: no such field{nearest_hint(name, _CLOCK_FIELDS)}")
    if "occurred_at" not in fields:
        raise BadRecord("missing_field", "occurred_at: the field is missing")
    occurred_at = parse_calendar_instant(fields["occurred_at"], "occurred_at")
    arrived_at = read_instant(fields.get("arrived_at"), "arrived_at")
    return Clock(
        number=number,
        occurred_at=occurred_at,
        arrived_at=occurred_at if arrived_at is None else arrived_at,
        partition=read_count(fields.get("partition"), "partition"),
        processor=_processor(fields.get("processor")),
        mark_due=read_instant(fields.get("mark_due"), "mark_due"),
        mark_entity=read_text(fields.get("mark_entity"), "mark_entity"),
    )


def _processor(value: Any) -> str | None:
    name = read_text(value, "processor")
    if name is None or name in PROCESSORS:
        return name
    known = f"none of {', '.join(PROCESSORS)}{nearest_hint(name, PROCESSORS)}"
    raise BadRecord("bad_value", f"processor: {shown(name)} is {known}")


def format_record(topic: str, record: AnyRecord) -> str:
    """The line of an output: `topic`, then every field in the schema's order, nulls too. No line end."""
    return _text({"topic": topic, **shipped_codec().to_json(record)})


def format_input(record: Input, *, arrived_at: int, partition: int, offset: int) -> str:
    """The line of a valid input record as it lay in Kafka, for `simulate --in-order`."""
    place = _place(arrived_at, partition, offset)
    return _text({"topic": record.topic, **place, **shipped_codec().to_json(record)})


def format_raw(
    topic: str, key: bytes | None, value: bytes | None, *, arrived_at: int, partition: int, offset: int
) -> str:
    """The line of a record that is not valid, bytes and all: `simulate` makes the same dead letter of it."""
    raw = None if value is None else base64.b64encode(value).decode("ascii")
    return _text({"topic": topic, "key": write_key(key), **_place(arrived_at, partition, offset), "raw": raw})


def format_clock(clock: Clock) -> str:
    """The line of an instant reached, or of a mark of the journal; what it does not have is left out."""
    fields = {
        "topic": CLOCK,
        "occurred_at": format_instant(clock.occurred_at),
        "partition": clock.partition,
        "processor": clock.processor,
        "mark_due": None if clock.mark_due is None else format_instant(clock.mark_due),
        "mark_entity": clock.mark_entity,
    }
    return _text({name: value for name, value in fields.items() if value is not None})


def _place(arrived_at: int, partition: int, offset: int) -> dict[str, Any]:
    return {"arrived_at": format_instant(arrived_at), "partition": partition, "offset": offset}


def _text(line: dict[str, Any]) -> str:
    return msgspec.json.encode(line).decode()
