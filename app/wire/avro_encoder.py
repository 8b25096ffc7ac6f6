"""Writing records as Avro, by functions made from the schemas.

fastavro takes dictionaries and tries the branches of every union; a record of ours is an object whose schema is known
beforehand. A function written out for it, field by field, takes a fourth of the time, and encoding is the largest
share of what an event costs.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_TABLE_BITS = 14
_MASK = (1 << _TABLE_BITS) - 1
_DOUBLE = Struct("<d")


def _slow_varint(number: int) -> bytes:
    """A non-negative number, seven bits a byte, lowest first."""
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004  seven bits
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


_LAST = tuple(_slow_varint(number) for number in range(1 << _TABLE_BITS))
_FOLLOWED = tuple(bytes([number & 0x7F | 0x80, number >> 7 | 0x80]) for number in range(1 << _TABLE_BITS))


def encode_long(number: int) -> bytes:
    """An Avro long: zigzag, then varint. Raises OverflowError beyond 64 bits, which no reader could take."""
    left = (number << 1) ^ (number >> 63)
    if left < 1 << _TABLE_BITS:
        return _LAST[left]
    if left < 1 << 3 * _TABLE_BITS:  # every instant until 2039, hence worth a line of its own
        if left < 1 << 2 * _TABLE_BITS:
            return _FOLLOWED[left & _MASK] + _LAST[left >> _TABLE_BITS]
        return (
            _FOLLOWED[left & _MASK] + _FOLLOWED[left >> _TABLE_BITS & _MASK] + _LAST[left >> 2 * _TABLE_BITS]
        )
    if left >= 1 << 64:
        raise OverflowError(f"{number} is out of the range of a long")
    return _slow_varint(left)


def make_encoder(schema: dict[str, Any], header: bytes) -> Callable[[Any], bytes]:
    """A function that gives `header` and the Avro body of an object with the schema's fields as attributes.

    The schema holds no named type but where it is defined. What does not fit raises AttributeError, TypeError,
    KeyError (an unknown symbol), OverflowError (a long of more than 64 bits) or ValueError (no branch of a union), all
    of them bugs of the caller.
    """
    return _Source().function(schema, header)


class _Source:
    """The text of one encoder, line by line, and the objects its names stand for."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: dict[str, Any] = {
            "long": encode_long,
            "small": _LAST,
            "double": _DOUBLE.pack,
            "no_branch": _no_branch,
        }
        self._count = 0

    def function(self, schema: dict[str, Any], header: bytes) -> Callable[[Any], bytes]:
        self._write(schema, "record", "    ")
        self._names["header"] = header
        text = "\n".join(
            [
                "def encode(record):",
                "    parts = [header]",
                "    add = parts.append",
                *self._lines,
                "    return b''.join(parts)",
            ]
        )
        exec(compile(text, f"<encoder of {schema['name']}>", "exec"), self._names)  # noqa: S102  text made here alone
        encode: Callable[[Any], bytes] = self._names["encode"]
        return encode

    def _name(self, value: Any = None) -> str:
        self._count += 1
        name = f"v{self._count}"
        if value is not None:
            self._names[name] = value
        return name

    def _line(self, indent: str, text: str) -> None:
        self._lines.append(indent + text)

    def _write(self, schema: Any, value: str, indent: str) -> None:
        """Append the lines that write the value of an expression, by its schema."""
        if isinstance(schema, list):
            self._union(schema, value, indent)
            return
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(kind, dict | list):
            self._write(kind, value, indent)
        elif kind == "record":
            for field in schema["fields"]:
                self._write(field["type"], f"{value}.{field['name']}", indent)
        elif kind == "enum":
            symbols = self._name(
                {symbol: encode_long(index) for index, symbol in enumerate(schema["symbols"])}
            )
            self._line(indent, f"add({symbols}[{value}])")
        elif kind == "array":
            self._blocks(value, indent, lambda item, inner: self._write(schema["items"], item, inner))
        elif kind == "map":
            self._map(schema["values"], value, indent)
        else:
            self._primitive(kind, value, indent)

    def _primitive(self, kind: str, value: str, indent: str) -> None:
        if kind in ("string", "bytes"):
            text = self._name()
            self._line(indent, f"{text} = {value}.encode()" if kind == "string" else f"{text} = {value}")
            self._line(indent, f"size = len({text})")
            self._line(indent, "add(small[size << 1] if size < 8192 else long(size))")
            self._line(indent, f"add({text})")
        elif kind in ("long", "int"):
            self._line(indent, f"add(long({value}))")
        elif kind == "double":
            self._line(indent, f"add(double({value}))")
        elif kind == "boolean":
            self._line(indent, f"add(b'\\x01' if {value} else b'\\x00')")
        elif kind != "null":
            raise ValueError(f"no encoder for {kind!r}")

    def _blocks(
        self, value: str, indent: str, write_item: Callable[[str, str], None], items: str = ""
    ) -> None:
        """An array or map: one block of all its items, then an empty one."""
        held, item = self._name(), self._name()
        self._line(indent, f"{held} = {value}")
        self._line(indent, f"if {held}:")
        self._line(indent, f"    add(long(len({held})))")
        self._line(indent, f"    for {item} in {held}{items}:")
        write_item(item, indent + "        ")
        self._line(indent, "add(b'\\x00')")

    def _map(self, values: Any, value: str, indent: str) -> None:
        def write_pair(item: str, inner: str) -> None:
            self._primitive("string", f"{item}[0]", inner)
            self._write(values, f"{item}[1]", inner)

        self._blocks(value, indent, write_pair, ".items()")

    def _union(self, branches: list[Any], value: str, indent: str) -> None:
        """The branch is chosen by the value's type; of two that fit, the narrower stands first here."""
        held = self._name()
        self._line(indent, f"{held} = {value}")
        keyword = "if"
        for branch in sorted(branches, key=_narrowness):
            index = encode_long(branches.index(branch))
            others = len(branches) - 1
            test = _TESTS.get(_kind(branch), "True")
            condition = f"{held} is None" if _kind(branch) == "null" else test.format(held)
            if others == 1 and _kind(branch) != "null" and "null" in branches:
                condition = "True"
            self._line(indent, f"{keyword} {condition}:")
            self._line(indent, f"    add({index!r})")
            self._write(branch, held, indent + "    ")
            keyword = "elif"
        self._line(indent, "else:")
        self._line(indent, f"    no_branch({held})")


_TESTS = {
    "boolean": "{0} is True or {0} is False",
    "long": "type({0}) is int",
    "int": "type({0}) is int",
    "double": "isinstance({0}, (int, float))",
    "string": "isinstance({0}, str)",
    "bytes": "isinstance({0}, bytes)",
    "map": "isinstance({0}, dict)",
    "array": "isinstance({0}, list)",
}
_NARROW_FIRST = ("null", "boolean", "int", "long", "double")


def _kind(schema: Any) -> str:
    kind = schema["type"] if isinstance(schema, dict) else schema
    return _kind(kind) if isinstance(kind, dict) else kind


def _narrowness(schema: Any) -> int:
    kind = _kind(schema)
    return _NARROW_FIRST.index(kind) if kind in _NARROW_FIRST else len(_NARROW_FIRST)


def _no_branch(value: object) -> None:
    raise ValueError(f"no branch of the union takes {value!r}")
