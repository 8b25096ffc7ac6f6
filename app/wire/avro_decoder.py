"""Reading the ordinary case of a record fast, by functions made from the schemas.

The ordinary case is what nearly every record of a busy topic is: its own schema's bytes, texts below 64 bytes, empty
maps. Such a function gives up on anything else by raising `UNUSUAL`; the general reader (`avro_body`) then takes the
bytes, and says precisely what is wrong with them if something is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Unusual(Exception):  # noqa: N818  no error: the general reader's turn
    """Not the ordinary case."""


UNUSUAL = (Unusual, IndexError, ValueError)
"""What a fast decoder raises for bytes it leaves to the general reader."""

# Six bytes, five of them followed by another: every instant from 2004 to 2039. The seven bits of each are moved together.
_INSTANT = """
    x = from_bytes(b[p:p + 6], "little")
    if x & 0x808080808081 != 0x8080808080:
        raise Unusual
    {field} = (x & 0x7f | x >> 1 & 0x3f80 | x >> 2 & 0x1fc000 | x >> 3 & 0xfe00000
        | x >> 4 & 0x7f0000000 | x >> 5 & 0x3f800000000) >> 1
    p += 6"""
_LONG = """
    n = b[p]
    if n & 128:
        raise Unusual
    {field} = n >> 1 ^ -(n & 1)
    p += 1"""
_TEXT = """
    n = b[p]
    if n & 129:
        raise Unusual
    q = p + 1 + (n >> 1)
    {field} = b[p + 1:q].decode()
    p = q"""
_ENUM = """
    n = b[p]
    if n & 129:
        raise Unusual
    {field} = {symbols}[n >> 1]
    p += 1"""
_EMPTY = """
    if b[p]:
        raise Unusual
    {field} = {empty}
    p += 1"""


def make_decoder(schema: dict[str, Any], record: type, start: int) -> Callable[[bytes], Any] | None:
    """A function that makes a `record` of bytes whose Avro body begins at `start`; None for a schema it cannot serve.

    The function raises `UNUSUAL` for whatever it does not read, and never gives a record the general reader would not
    give.
    """
    names: dict[str, Any] = {"Record": record, "from_bytes": int.from_bytes, "Unusual": Unusual}
    lines = [f"def decode(b):\n    p = {start}"]
    fields = []
    for number, field in enumerate(schema["fields"]):
        local = f"f{number}"
        text = _lines(field["type"], local, names)
        if text is None:
            return None
        lines.append(text)
        fields.append(f"{field['name']}={local}")
    lines.append(f"\n    if p != len(b):\n        raise Unusual\n    return Record({', '.join(fields)})")
    exec(compile("".join(lines), f"<Avro {schema['name']}>", "exec"), names)  # noqa: S102  text made here, of schemas of ours
    decode: Callable[[bytes], Any] = names["decode"]
    return decode


def _lines(schema: Any, field: str, names: dict[str, Any]) -> str | None:
    """The lines that read one field into a local name, None for a type they cannot."""
    if isinstance(schema, list):
        return _nullable(schema, field, names)
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "long":
        instant = isinstance(schema, dict) and schema.get("logicalType") == "timestamp-millis"
        return (_INSTANT if instant else _LONG).format(field=field)
    if kind == "string":
        return _TEXT.format(field=field)
    if kind == "enum":
        names[f"symbols_{field}"] = tuple(schema["symbols"])
        return _ENUM.format(field=field, symbols=f"symbols_{field}")
    if kind in ("map", "array"):
        return _EMPTY.format(field=field, empty="{}" if kind == "map" else "[]")
    return None


def _nullable(branches: list[Any], field: str, names: dict[str, Any]) -> str | None:
    """Of null and one other type, null standing first."""
    if len(branches) != 2 or branches[0] != "null":  # noqa: PLR2004  null and one other
        return None
    inner = _lines(branches[1], field, names)
    if inner is None:
        return None
    indented = inner.replace("\n", "\n    ")
    return (
        f"\n    n = b[p]\n    p += 1\n    if n == 0:\n        {field} = None"
        f"\n    elif n != 2:\n        raise Unusual\n    else:{indented}"
    )
