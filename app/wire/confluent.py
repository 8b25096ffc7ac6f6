"""The framing of the Confluent format: a zero byte, the schema's id as 4 bytes big-endian, the record (contract 2)."""

from app.wire.bad_record import BadRecord

MAGIC = b"\x00"
HEADER_BYTES = 5


def header(schema_id: int) -> bytes:
    """The 5 bytes that precede every record written with the schema of this id."""
    return MAGIC + schema_id.to_bytes(4, "big")


def schema_id(value: bytes) -> int:
    """The schema id in the header of `value`.

    Raises:
        BadRecord: `undecodable` when the header is cut short.
    """
    if len(value) < HEADER_BYTES:
        raise BadRecord("undecodable", f"the Confluent header is cut short after {len(value)} bytes")
    return int.from_bytes(value[1:HEADER_BYTES], "big")
