"""Reading a record's Avro body, written with its own or another version of the schema, from bytes of any kind."""

from io import BytesIO
from typing import Any

from fastavro import schemaless_reader
from fastavro.read import SchemaResolutionError

from app.wire.bad_record import BadRecord
from app.wire.schemas import WireSchema


def read_body(value: bytes, start: int, writer: WireSchema, reader: WireSchema) -> dict[str, Any]:
    """The fields of the record whose body begins at `start`, as `reader` has them.

    Any bytes at all are safe to give: a length or count beyond the end of the value ends the reading there, and
    `app.wire.bounds` keeps out the schemas by which a few bytes could make a large record.

    Raises:
        BadRecord: `undecodable`, `unknown_enum`, `missing_field` or `unknown_schema`.
    """
    body = BytesIO(value)
    body.seek(start)
    other = None if writer.fingerprint == reader.fingerprint else reader.parsed
    try:
        fields: dict[str, Any] = schemaless_reader(body, writer.parsed, other)
    except SchemaResolutionError as error:
        raise _unresolvable(str(error), writer, reader) from None
    except (EOFError, IndexError):
        if body.tell() == len(value):
            problem = f"the bytes end inside the record: {len(value)} are too few for {writer.name}"
        else:
            problem = f"the bytes are no {writer.name}: a symbol or branch of a number that is not there"
        raise BadRecord("undecodable", problem) from None
    except UnicodeDecodeError as error:
        raise BadRecord("undecodable", f"a string is no UTF-8: {error.reason}") from None
    except Exception as error:  # noqa: BLE001  fastavro names no closed set of errors for hostile bytes
        raise BadRecord(
            "undecodable", f"the bytes are no {writer.name}: {type(error).__name__}: {error}"
        ) from None
    if body.tell() != len(value):
        raise BadRecord(
            "undecodable",
            f"{len(value) - body.tell()} bytes are left over behind the {writer.name} they begin with",
        )
    return fields


def _unresolvable(reason: str, writer: WireSchema, reader: WireSchema) -> BadRecord:
    """Why a record that is right by its own schema is none by ours; fastavro says it in words only."""
    symbol, found, known = reason.partition(" not found in reader symbol list ")
    if found:
        name, _, symbols = known.partition(", known symbols: ")
        return BadRecord("unknown_enum", f"{symbol!r} is no {name.rpartition('.')[2]}; known are {symbols}")
    _, found, field = reason.partition("No default value for field ")
    if found:
        return BadRecord(
            "missing_field", f"{field.partition(' in ')[0]}: missing in the schema it was written with"
        )
    return BadRecord(
        "unknown_schema", f"written as {writer.name}, which cannot be read as {reader.name}: {reason[:200]}"
    )
