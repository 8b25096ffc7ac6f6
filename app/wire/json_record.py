"""Records as JSON: objects checked against the record's Avro schema on the way in, and made from records on the way out.

Plain JSON, not Avro's own JSON encoding: a nullable field is null or the value itself, an enum its symbol, an instant
ISO 8601, bytes are base64. Both directions are compiled once per schema into one function per type.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec

from app.wire.bad_record import BadRecord, nearest_hint, shown
from app.wire.instants import format_instant, parse_instant

Reader = Callable[[Any, str], Any]
"""Takes a JSON value and its place (the path of its field), gives the Avro value, or raises BadRecord."""

Writer = Callable[[Any], Any] | None
"""Gives the JSON value of an Avro value; None where they are the same."""

_LONG = 2**63


def parse_object(text: bytes | str) -> dict[str, Any]:
    """The JSON object `text` holds.

    Raises:
        BadRecord: `undecodable`, when it is no UTF-8 text, no JSON or no object.
    """
    try:
        parsed = msgspec.json.decode(text)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise BadRecord(
            "undecodable", f"it is no UTF-8 text: it holds a byte 0x{byte:02x}; write it as UTF-8"
        ) from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadRecord("undecodable", f"it is no JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise BadRecord("undecodable", f"it is no JSON object but {shown(parsed)}")
    return parsed


class JsonForm:
    """The JSON form of one record.

    Args:
        schema: the record's schema as its file has it, logical types included.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self._read, self._write = _Shapes().record(schema)

    def read(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The record's fields, defaults filled in, from a JSON object of them.

        Raises:
            BadRecord: `unknown_field`, `missing_field`, `unknown_enum` or `bad_value`, with the record's occurred_at
                where that much is right. An unknown field is named before a missing one: it mostly is the same.
        """
        try:
            record: dict[str, Any] = self._read(fields, "")
        except BadRecord as bad:
            bad.occurred_at = readable_instant(fields.get("occurred_at"))
            raise
        return record

    def write(self, record: msgspec.Struct) -> dict[str, Any]:
        """A JSON object of all the record's fields, in the schema's order."""
        return self._write(record)


def readable_instant(value: Any) -> int | None:
    """Epoch ms of what stands where an instant belongs; None where it is none."""
    try:
        return parse_instant(value, "")
    except BadRecord:
        return None


class _Shapes:
    """Compiles a schema, type by type; named types are compiled once and then known by name."""

    def __init__(self) -> None:
        self._named: dict[str, tuple[Reader, Writer]] = {}

    def of(self, schema: Any) -> tuple[Reader, Writer]:
        """Reader and writer of one type."""
        if isinstance(schema, list):
            return self._union(schema)
        if isinstance(schema, dict):
            return self._written_out(schema)
        return self._named.get(schema) or (_PRIMITIVES[schema], _to_base64 if schema == "bytes" else None)

    def _written_out(self, schema: dict[str, Any]) -> tuple[Reader, Writer]:
        match schema["type"]:
            case "record":
                shape: tuple[Reader, Writer] = self.record(schema)
            case "enum":
                shape = _enum(schema["symbols"]), None
            case "array":
                return self._array(schema["items"])
            case "map":
                return self._map(schema["values"])
            case "long" if schema.get("logicalType") == "timestamp-millis":
                return parse_instant, format_instant
            case inner:
                return self.of(inner)
        self._named[schema["name"]] = shape
        return shape

    def record(self, schema: dict[str, Any]) -> tuple[Reader, Callable[[Any], dict[str, Any]]]:
        """Reader and writer of a record."""
        shapes = {field["name"]: self.of(field["type"]) for field in schema["fields"]}
        readers = {name: shape[0] for name, shape in shapes.items()}
        writers = [(name, shape[1]) for name, shape in shapes.items()]
        # A default is given as JSON has it, so it is read like any other value, anew for each record.
        defaults = {field["name"]: field["default"] for field in schema["fields"] if "default" in field}

        def read(value: Any, place: str) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise BadRecord("bad_value", f"{place}: {shown(value)} is no object")
            prefix = f"{place}." if place else ""
            for name in value:
                if name not in readers:
                    raise BadRecord(
                        "unknown_field", f"{prefix}{name}: no such field{nearest_hint(name, readers)}"
                    )
            record = {}
            for name, reader in readers.items():
                if name in value:
                    record[name] = reader(value[name], prefix + name)
                elif name in defaults:
                    record[name] = reader(defaults[name], prefix + name)
                else:
                    raise BadRecord("missing_field", f"{prefix}{name}: the field is missing")
            return record

        def write(record: Any) -> dict[str, Any]:
            return {
                name: getattr(record, name) if writer is None else writer(getattr(record, name))
                for name, writer in writers
            }

        return read, write

    def _union(self, branches: list[Any]) -> tuple[Reader, Writer]:
        others = [branch for branch in branches if branch != "null"]
        if len(others) > 1:
            return _scalar(branches), None
        reader, writer = self.of(others[0])

        def read(value: Any, place: str) -> Any:
            return None if value is None else reader(value, place)

        def write(value: Any) -> Any:
            return None if value is None or writer is None else writer(value)

        return read, write if writer else None

    def _array(self, items: Any) -> tuple[Reader, Writer]:
        reader, writer = self.of(items)

        def read(value: Any, place: str) -> list[Any]:
            if not isinstance(value, list):
                raise BadRecord("bad_value", f"{place}: {shown(value)} is no list")
            return [reader(item, f"{place}[{index}]") for index, item in enumerate(value)]

        def write(value: Any) -> list[Any]:
            return [writer(item) for item in value] if writer else value

        return read, write if writer else None

    def _map(self, values: Any) -> tuple[Reader, Writer]:
        reader, writer = self.of(values)

        def read(value: Any, place: str) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise BadRecord("bad_value", f"{place}: {shown(value)} is no object")
            return {name: reader(item, f"{place}.{name}") for name, item in value.items()}

        def write(value: Any) -> dict[str, Any]:
            return {name: writer(item) for name, item in value.items()} if writer else value

        return read, write if writer else None


def _string(value: Any, place: str) -> str:
    if isinstance(value, str):
        return value
    raise BadRecord("bad_value", f"{place}: {shown(value)} is no text")


def _boolean(value: Any, place: str) -> bool:
    if isinstance(value, bool):
        return value
    raise BadRecord("bad_value", f"{place}: {shown(value)} is neither true nor false")


def _long(value: Any, place: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRecord("bad_value", f"{place}: {shown(value)} is no whole number")
    if -_LONG <= value < _LONG:
        return value
    raise BadRecord("bad_value", f"{place}: {shown(value)} is out of the range of a long")


def _bytes(value: Any, place: str) -> bytes:
    try:
        return base64.b64decode(_string(value, place), validate=True)
    except (binascii.Error, ValueError):
        raise BadRecord("bad_value", f"{place}: {shown(value)} is no base64") from None


def _to_base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _enum(symbols: list[str]) -> Reader:
    known = frozenset(symbols)

    def read(value: Any, place: str) -> str:
        if isinstance(value, str):
            if value in known:
                return value
            raise BadRecord(
                "unknown_enum",
                f"{place}: {shown(value)} is none of {', '.join(symbols)}{nearest_hint(value, symbols)}",
            )
        raise BadRecord("bad_value", f"{place}: {shown(value)} is no text")

    return read


def _scalar(branches: list[Any]) -> Reader:
    """A union of several plain types, told apart by the JSON value itself."""
    wanted = ", ".join(branches)

    def read(value: Any, place: str) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return _long(value, place)
        if value is None or isinstance(value, (str, bool, float)):
            return value
        raise BadRecord("bad_value", f"{place}: {shown(value)} is none of {wanted}")

    return read


_PRIMITIVES: dict[str, Reader] = {
    "string": _string,
    "boolean": _boolean,
    "long": _long,
    "bytes": _bytes,
}
