"""Records to bytes and back, in the three encodings of contract 2 (Wire), told apart by their first bytes.

| first bytes | encoding | schema |
|---|---|---|
| C3 01 | Avro single-object | by CRC-64-AVRO fingerprint, any released version |
| 00 | Confluent | by id, from the registry |
| `{`, after white space | JSON | the current one |
"""

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from app.domain.crossings import INTERNALS, AnyInternal
from app.domain.events import INPUTS, Input
from app.domain.outputs import OUTPUTS, AnyOutput, MemberSnapshot
from app.wire import confluent, single_object
from app.wire.avro_body import read_body
from app.wire.avro_decoder import UNUSUAL, Unusual, make_decoder
from app.wire.avro_encoder import make_encoder
from app.wire.bad_record import BadRecord
from app.wire.checks import CHECKS, FUTURE_MS, LAST_OCCURRED_MS, OLDEST_MS, check_key, check_time
from app.wire.json_record import JsonForm, parse_object
from app.wire.pages import PageEncoder
from app.wire.schemas import SchemaStore, WireSchema, shipped_schemas

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.wire.registry import Registry

__all__ = ["AnyRecord", "BadRecord", "Codec", "Encoding", "encode_key", "shipped_codec"]

AnyRecord = Input | AnyOutput | AnyInternal
Encoding = Literal["avro", "json"]

RECORDS: dict[str, type[AnyRecord]] = {**INPUTS, **OUTPUTS, **INTERNALS}
"""The record each topic carries, by topic without prefix."""

_WHITE = b" \t\r\n"


class _Route:
    """What the codec needs to know of one topic."""

    def __init__(self, topic: str, store: SchemaStore) -> None:
        self.topic = topic
        self.record = RECORDS[topic]
        self.schema: WireSchema = store.current(self.record.__name__)
        self.header = single_object.header(self.schema)
        self.json_form = JsonForm(self.schema.source)
        self.check = CHECKS.get(topic)
        self.read_usual = (
            make_decoder(self.schema.source, self.record, single_object.HEADER_BYTES) or _unusual
        )
        self.nested = any(_holds_records(field["type"]) for field in self.schema.source["fields"])

    def read(self, value: bytes) -> Any:
        """The record in bytes of this version's own schema, single-object encoded, which `read_usual` has given up on."""
        return self.make(read_body(value, single_object.HEADER_BYTES, self.schema, self.schema))

    def make(self, fields: dict[str, Any]) -> Any:
        if self.nested:
            return msgspec.convert(fields, self.record)
        return self.record(**fields)


def _unusual(_value: bytes) -> Any:
    """For a schema no fast reader serves."""
    raise Unusual


def _holds_records(node: Any) -> bool:
    if isinstance(node, dict):
        return node.get("type") == "record" or any(_holds_records(value) for value in node.values())
    return isinstance(node, list) and any(_holds_records(each) for each in node)


class Codec:
    """Reads the records of every topic, writes those of any. Not safe for threads: each thread has its own.

    Topics are named without prefix throughout.

    Args:
        store: the schemas; None takes those shipped.
        registry: a schema registry. With one, inputs and outputs are written in the Confluent format and such
            records can be read; without, single-object encoding is written. Internal topics have single-object
            encoding in either case, so that they do not depend on the registry.
        encoding: `json` writes JSON instead, whatever the registry.
        topic_prefix: what precedes the topics' names in the registry's subjects.
    """

    def __init__(
        self,
        store: SchemaStore | None = None,
        registry: "Registry | None" = None,
        *,
        encoding: Encoding = "avro",
        topic_prefix: str = "",
    ) -> None:
        self._store = store or shipped_schemas()
        self._registry = registry
        self._encoding = encoding
        self._topic_prefix = topic_prefix
        self._routes: dict[str, _Route] = {}
        self._headers: dict[str, bytes] = {}
        self._encoders: dict[str, Callable[[Any], bytes]] = {}
        self._pages: PageEncoder | None = None

    def prepare(self) -> None:
        """Make ready whatever `encode` and `decode` would else make ready on a topic's first record.

        Called once at start, before the first record. Blocks: reads the schema files and, with a registry, asks it
        once per input and output.

        Raises:
            UserError: a schema file is damaged, or the registry does not answer or refuses a schema.
        """
        for topic in RECORDS:
            self._header(self._route(topic))

    def decode(self, topic: str, key: bytes | None, value: bytes | None, append_ms: int) -> Any:
        """The record in `value`, checked; its type is `RECORDS[topic]`.

        Called for every record read, so it never blocks, but for a Confluent schema id seen for the first time,
        which is asked of the registry.

        Args:
            topic: an input, internal or output topic.
            key: as it came. Checked on inputs only.
            value: as it came; any bytes whatever.
            append_ms: the record's append time, epoch ms; how far ahead an input may lie counts from it.

        Raises:
            BadRecord: it is no valid record of this topic, and no later attempt will find it one.
            UserError: the schema registry is needed and does not answer; the record may be right.
        """
        route = self._routes.get(topic) or self._route(topic)
        if value is None:
            raise BadRecord("undecodable", f"the value is null; deletions mean nothing on {topic}")
        if value[:10] == route.header:
            try:
                record = route.read_usual(value)
            except UNUSUAL:
                record = route.read(value)
        else:
            record = route.make(self._read_fields(route, value))
        if route.check is not None:
            if key is None or key != getattr(record, record.key_field).encode():
                check_key(record, key)
            occurred_at = record.occurred_at
            if not OLDEST_MS <= occurred_at <= append_ms + FUTURE_MS or occurred_at > LAST_OCCURRED_MS:
                check_time(occurred_at, append_ms)
            route.check(record)
        return record

    def from_json(self, topic: str, fields: dict[str, Any]) -> Any:
        """The record of a JSON object already parsed, unchecked beyond its schema.

        Raises:
            BadRecord: `unknown_field`, `missing_field`, `unknown_enum` or `bad_value`.
        """
        route = self._route(topic)
        return route.make(route.json_form.read(fields))

    def to_json(self, record: AnyRecord) -> dict[str, Any]:
        """The JSON object of a record: every field, in the schema's order, instants and bytes as text."""
        return self._route(record.topic).json_form.write(record)

    def encode(self, record: AnyRecord) -> bytes:
        """The bytes of a record of ours. Blocks only where `prepare` was not called and a registry is used.

        Raises:
            ValueError, TypeError, AttributeError, KeyError, OverflowError: the record does not fit its schema, which is
                a bug.
        """
        encode = self._encoders.get(record.topic)
        if encode is not None:
            return encode(record)
        route = self._route(record.topic)
        if self._encoding == "json":
            return msgspec.json.encode(route.json_form.write(record))
        encode = self._encoders[record.topic] = make_encoder(route.schema.source, self._header(route))
        return encode(record)

    def schema(self, topic: str) -> WireSchema:
        """The current schema of a topic's records."""
        return self._route(topic).schema

    def usual_header(self, topic: str) -> bytes:
        """What stands before the fields in records read of a topic, as they usually come: in its current schema, single-object encoded."""
        return self._route(topic).header

    def page_encoder(self) -> PageEncoder:
        """For whoever writes many members' pages; always in Avro. Blocks as `encode` does."""
        if self._pages is None:
            route = self._route(MemberSnapshot.topic)
            self._pages = PageEncoder(route.schema.source, self._header(route))
        return self._pages

    def encode_key(self, key: str) -> bytes:
        """A record's key: the id in UTF-8."""
        return encode_key(key)

    def _read_fields(self, route: _Route, value: bytes) -> dict[str, Any]:
        """The fields of a record in any encoding but the one expected."""
        if value[:2] == single_object.MARKER:
            writer = single_object.writer_schema(value, route.schema.name, self._store)
            return read_body(value, single_object.HEADER_BYTES, writer, route.schema)
        if value[:1] == confluent.MAGIC:
            writer = self._confluent_schema(value)
            return read_body(value, confluent.HEADER_BYTES, writer, route.schema)
        if value.lstrip(_WHITE)[:1] == b"{":
            return route.json_form.read(parse_object(value))
        raise BadRecord(
            "undecodable",
            f"the value begins with {value[:4].hex(' ')}; Avro single-object encoding begins with c3 01, Confluent's"
            " with 00, JSON with 7b"
            if value
            else "the value is empty",
        )

    def _confluent_schema(self, value: bytes) -> WireSchema:
        number = confluent.schema_id(value)
        if self._registry is None:
            raise BadRecord(
                "unknown_schema",
                f"schema id {number} is of a schema registry, and none is set (REENGAGE_SCHEMA_REGISTRY)",
            )
        return self._registry.writer_schema(number)

    def _route(self, topic: str) -> _Route:
        route = self._routes.get(topic)
        if route is None:
            route = self._routes[topic] = _Route(topic, self._store)
        return route

    def _header(self, route: _Route) -> bytes:
        found = self._headers.get(route.topic)
        if found is None:
            found = route.header
            if self._registry is not None and self._encoding == "avro" and route.topic not in INTERNALS:
                subject = f"{self._topic_prefix}{route.topic}-value"
                found = confluent.header(self._registry.register(subject, route.schema))
            self._headers[route.topic] = found
        return found


def encode_key(key: str) -> bytes:
    """A record's key: the id in UTF-8."""
    return key.encode()


@cache
def shipped_codec() -> Codec:
    """A codec without registry, for whoever reads or prints JSON lines only."""
    return Codec()
