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
_MOST_KEYS = 1_000
_MOST_HIGH = 10_000
_LONGEST_KEY = 64


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


class _HighBytes(dict[int, bytes]):
    """Varints of up to 28 bits by number: the high part of an instant, which it shares with all of the same 8 seconds."""

    def __missing__(self, number: int) -> bytes:
        if number < 1 << _TABLE_BITS:
            encoded = _LAST[number]
        else:
            encoded = _FOLLOWED[number & _MASK] + _LAST[number >> _TABLE_BITS]
        if len(self) >= _MOST_HIGH:
            self.clear()
        self[number] = encoded
        return encoded


_HIGH = _HighBytes()


def encode_long(number: int) -> bytes:
    """An Avro long: zigzag, then varint. Raises OverflowError beyond 64 bits, which no reader could take."""
    left = (number << 1) ^ (number >> 63)
    if left < 1 << _TABLE_BITS:
        return _LAST[left]
    if left < 1 << 3 * _TABLE_BITS:  # every instant until 2039, hence worth lines of its own
        return _FOLLOWED[left & _MASK] + _HIGH[left >> _TABLE_BITS]
    if left >= 1 << 64:
        raise OverflowError(f"{number} is out of the range of a long")
    return _slow_varint(left)


def make_encoder(schema: dict[str, Any], header: bytes) -> Callable[[Any], bytes]:
    """A function that gives `header` and the Avro body of an object with the schema's fields as attributes.

    The schema holds no named type but where it is defined. What does not fit raises AttributeError, TypeError,
    KeyError (an unknown symbol), OverflowError (a long of more than 64 bits) or ValueError (no branch of a union), all
    of them bugs of the caller.
    """
    source = _Source()
    source.short_texts = False
    source.function("encode_long_texts", schema, [repr(header)])
    source.short_texts = True
    # IndexError: a text is longer than the table of lengths.
    return source.function(
        "encode", schema, [repr(header)], "except IndexError: return encode_long_texts(value)"
    )


class _Source:
    """Makes the text of encoders: for each value an expression, or several, whose bytes stand side by side.

    `short_texts`: lengths come from a table alone, which raises IndexError for a longer text.
    """

    def __init__(self) -> None:
        self.short_texts = True
        self._names: dict[str, Any] = {
            "long": encode_long,
            "followed": _FOLLOWED,
            "high": _HIGH,
            "text": _encode_text,
            "lengths": _LAST[::2],
            "double": _DOUBLE.pack,
            "no_branch": _no_branch,
            "join": b"".join,
            "keys": _KeyBytes(),
        }
        self._count = 0

    def function(
        self, name: str, schema: Any, first: list[str], otherwise: str = ""
    ) -> Callable[[Any], bytes]:
        """A function of one value, named in the errors it raises; `otherwise` is a clause to take some of them."""
        body = f"return join(({', '.join([*first, *self._parts(schema, 'value')])},))"
        lines = [f"try: {body}", otherwise] if otherwise else [body]
        made: Callable[[Any], bytes] = self._define(name, *lines)
        return made

    def _define(self, name: str, *lines: str) -> Any:
        text = "\n    ".join([f"def {name}(value):", *lines])
        exec(compile(text, f"<Avro {name}>", "exec"), self._names)  # noqa: S102  the text is made here, of schemas of ours
        return self._names[name]

    def _name(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def _parts(self, schema: Any, value: str) -> list[str]:
        """Expressions of the bytes of a value, itself an expression that is evaluated once."""
        if isinstance(schema, list):
            return [self._union(schema, value)]
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(kind, dict | list):
            return self._parts(kind, value)
        if kind == "record":
            return [
                part
                for field in schema["fields"]
                for part in self._parts(field["type"], f"{value}.{field['name']}")
            ]
        if kind == "enum":
            symbols = self._name()
            self._names[symbols] = {
                symbol: encode_long(index) for index, symbol in enumerate(schema["symbols"])
            }
            return [f"{symbols}[{value}]"]
        if kind in ("array", "map"):
            return [self._items(schema, kind, value)]
        return self._primitive(kind, value)

    def _primitive(self, kind: str, value: str) -> list[str]:
        if kind in ("string", "bytes"):
            encoded = f"{value}.encode()" if kind == "string" else value
            if not self.short_texts:
                return [f"text({encoded})"]
            held = self._name()
            return [f"lengths[len({held} := {encoded})]", held]
        if kind in ("long", "int"):
            held = self._name()
            # An instant, mostly, which is spared the call: not negative, and its zigzag between 28 and 42 bits.
            usual = f"followed[{held} << 1 & {_MASK}] + high[{held} >> {_TABLE_BITS - 1}]"
            return [f"({usual} if 0x8000000 <= ({held} := {value}) < 0x20000000000 else long({held}))"]
        if kind == "double":
            return [f"double({value})"]
        if kind == "boolean":
            return [f"(b'\\x01' if {value} else b'\\x00')"]
        if kind == "null":
            return ["b''"]
        raise ValueError(f"no encoder for {kind!r}")

    def _items(self, schema: dict[str, Any], kind: str, value: str) -> str:
        """An array or map: one block of all its items, then an empty one."""
        if kind == "array":
            parts, items = self._parts(schema["items"], "item"), "item in value"
        else:
            parts, items = ["keys[key]", *self._parts(schema["values"], "item")], "key, item in value.items()"
        name = self._name()
        each = " + ".join(parts)
        only = "item = value[0]" if kind == "array" else "((key, item),) = value.items()"
        self._define(
            name,
            # Most hold one item, which needs no list and no join.
            f"if len(value) == 1: {only}; return {encode_long(1)!r} + {each} + b'\\x00'",
            f"return long(len(value)) + join([{each} for {items}]) + b'\\x00'",
        )
        held = self._name()
        return f"({name}({held}) if ({held} := {value}) else b'\\x00')"

    def _union(self, branches: list[Any], value: str) -> str:
        """The branch is chosen by the value's type; of two that fit, the narrower one."""
        null = encode_long(branches.index("null")) if "null" in branches else None
        others = [branch for branch in branches if branch != "null"]
        held = self._name()
        if null is not None and len(others) == 1:
            index = encode_long(branches.index(others[0]))
            parts = " + ".join(self._parts(others[0], held))
            return f"({null!r} if ({held} := {value}) is None else {index!r} + {parts})"
        name = self._name()
        lines = [f"if value is None: return {null!r}"] if null is not None else []
        for branch in sorted(others, key=_narrowness):
            index = encode_long(branches.index(branch))
            lines.append(
                f"if {_TESTS[_kind(branch)]}: return {index!r} + {' + '.join(self._parts(branch, 'value'))}"
            )
        self._define(name, *lines, "no_branch(value)")
        return f"{name}({value})"


class _KeyBytes(dict[str, bytes]):
    """Keys of maps as they are written. They are names, the same few in every record, so the first ones are kept."""

    def __missing__(self, key: str) -> bytes:
        encoded = _encode_text(key.encode())
        if len(self) < _MOST_KEYS and len(key) <= _LONGEST_KEY:
            self[key] = encoded
        return encoded


def _encode_text(encoded: bytes) -> bytes:
    return encode_long(len(encoded)) + encoded


_TESTS = {
    "boolean": "value is True or value is False",
    "long": "type(value) is int",
    "int": "type(value) is int",
    "double": "isinstance(value, (int, float))",
    "string": "isinstance(value, str)",
    "bytes": "isinstance(value, bytes)",
    "map": "isinstance(value, dict)",
    "array": "isinstance(value, list)",
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
