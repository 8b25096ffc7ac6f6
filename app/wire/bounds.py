"""Which writers' schemas are safe to read with: those whose every value is paid for in bytes.

Our own schemas are; a schema from a registry may come from anyone who can register one.
"""

from typing import Any, NamedTuple

_LARGEST = 10_000
_PLAIN = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


class _Extent(NamedTuple):
    """How many nodes a type has with all its parts, and whether a value of it can take no bytes."""

    nodes: int
    empty: bool


def check_bounded(schema: dict[str, Any]) -> None:
    """Refuse a parsed schema that lets a few bytes stand for any amount of data.

    Three things do: arrays of items that take no bytes, of which 2^60 cost nothing to write; types that contain
    themselves, which fastavro reads by recursion in C, where Python's limit does not hold; and records that
    double with every level.

    Raises:
        ValueError: saying which it is.
    """
    _extent(schema, {})


def _extent(node: Any, named: dict[str, _Extent | None]) -> _Extent:
    if isinstance(node, str):
        return _named(node, named)
    if isinstance(node, list):
        return _Extent(1 + max((_extent(each, named).nodes for each in node), default=0), empty=False)
    match node["type"]:
        case "record" | "error":
            return _record(node, named)
        case "array" | "map" as kind:
            part = _extent(node["items" if kind == "array" else "values"], named)
            if kind == "array" and part.empty:
                raise ValueError("it has an array of items that take no bytes")
            extent = _Extent(1 + part.nodes, empty=False)
        case "enum" | "fixed" as kind:
            extent = named[node["name"]] = _Extent(1, empty=kind == "fixed" and node["size"] == 0)
        case inner:
            extent = _extent(inner, named)
    return extent


def _named(name: str, named: dict[str, _Extent | None]) -> _Extent:
    if name in _PLAIN:
        return _Extent(1, empty=name == "null")
    found = named.get(name)
    if found is None:
        raise ValueError(f"{name} contains itself" if name in named else f"{name} is no type of data")
    return found


def _record(node: dict[str, Any], named: dict[str, _Extent | None]) -> _Extent:
    named[node["name"]] = None
    parts = [_extent(field["type"], named) for field in node["fields"]]
    whole = _Extent(1 + sum(part.nodes for part in parts), empty=all(part.empty for part in parts))
    if whole.nodes > _LARGEST:
        raise ValueError(f"{node['name']} has more than {_LARGEST} parts")
    named[node["name"]] = whole
    return whole
