"""Schemas from a registry by which a few bytes could take all memory or time are refused."""

import pytest

from app.wire.bounds import check_bounded
from app.wire.schemas import shipped_schemas, wire_schema


def record(*types, name="R"):
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": f"f{i}", "type": t} for i, t in enumerate(types)],
    }


def check(schema):
    check_bounded(wire_schema(schema).parsed)


@pytest.mark.parametrize("name", shipped_schemas().names())
def test_our_own_schemas_are_bounded(name):
    check_bounded(shipped_schemas().current(name).parsed)


@pytest.mark.parametrize(
    "nothing",
    [
        "null",
        record(name="E"),
        record("null", name="E"),
        {"type": "fixed", "name": "F", "size": 0},
        {"type": "null"},
    ],
)
def test_an_array_of_items_that_take_no_bytes_is_refused(nothing):
    with pytest.raises(ValueError, match="array of items that take no bytes"):
        check(record({"type": "array", "items": nothing}))


@pytest.mark.parametrize(
    "link",
    [
        ["null", "R"],
        {"type": "array", "items": "R"},
        {"type": "map", "values": ["null", "R"]},
        record("R", name="I"),
    ],
)
def test_a_type_that_contains_itself_is_refused(link):
    with pytest.raises(ValueError, match="R contains itself"):
        check(record("string", link))


def test_an_error_type_is_a_record_by_another_name():
    with pytest.raises(ValueError, match="E contains itself"):
        check(record({**record("E", name="E"), "type": "error"}))


def test_a_type_that_doubles_with_every_level_is_refused():
    inner = record("null", "null", name="R0")
    for level in range(1, 40):
        inner = record(inner, f"R{level - 1}", name=f"R{level}")
    with pytest.raises(ValueError, match="more than 10000 parts"):
        check(inner)


@pytest.mark.parametrize(
    "fine",
    [
        record(),
        record({"type": "array", "items": ["null", "string"]}),
        record({"type": "map", "values": "null"}),
        record({"type": "fixed", "name": "F", "size": 4}, "F", {"type": "array", "items": "F"}),
        record({"type": "enum", "name": "E", "symbols": ["A"]}, "E"),
        record(record("string", name="I"), "I", {"type": "long"}),
    ],
)
def test_anything_paid_for_in_bytes_is_let_through(fine):
    check(fine)
