"""Avro single-object encoding: C3 01, the schema's CRC-64-AVRO fingerprint, the record (contract 2, Wire)."""

from app.wire.bad_record import BadRecord
from app.wire.schemas import SchemaStore, WireSchema

MARKER = b"\xc3\x01"
HEADER_BYTES = 10


def header(schema: WireSchema) -> bytes:
    """The 10 bytes that precede every record written with `schema`."""
    return MARKER + schema.fingerprint


def writer_schema(value: bytes, wanted: str, store: SchemaStore) -> WireSchema:
    """The schema `value` was written with; `wanted` is the record its topic carries.

    Raises:
        BadRecord: `undecodable` when the header is cut short, `unknown_schema` when no version of that record has
            the fingerprint.
    """
    if len(value) < HEADER_BYTES:
        raise BadRecord("undecodable", f"the single-object header is cut short after {len(value)} bytes")
    fingerprint = value[2:HEADER_BYTES]
    found = store.by_fingerprint(fingerprint)
    if found is None:
        raise BadRecord(
            "unknown_schema",
            f"fingerprint {fingerprint.hex()} is of no released version of {wanted}; the record was written by a newer"
            " version or with another schema",
        )
    if found.name != wanted:
        raise BadRecord(
            "unknown_schema",
            f"fingerprint {fingerprint.hex()} is the schema of {found.name}, where {wanted} belongs",
        )
    return found
