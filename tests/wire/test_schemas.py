"""The schema files agree with the records of the core, and the store finds every version of them."""

import json
import shutil
from contextlib import suppress

import avro.schema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import UserError
from app.wire.bounds import check_bounded
from app.wire.codec import RECORDS
from app.wire.schemas import SchemaStore, read_schema, schemas_folder, shipped_schemas, wire_schema

EVERY_RECORD = pytest.mark.parametrize("record", RECORDS.values(), ids=lambda record: record.__name__)


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped schemas, to change."""
    return shutil.copytree(schemas_folder(), tmp_path / "schemas")


def own_fields(source):
    """The fields of a schema and of every record inside it."""
    for field in source["fields"]:
        yield field
        inner = field["type"]
        inner = inner.get("items", inner) if isinstance(inner, dict) else inner
        if isinstance(inner, dict) and inner.get("type") == "record":
            yield from own_fields(inner)


class TestFiles:
    @EVERY_RECORD
    def test_the_schema_has_the_records_fields_in_the_same_order(self, record):
        source = shipped_schemas().current(record.__name__).source
        assert source["namespace"] == "reengage"
        assert tuple(field["name"] for field in source["fields"]) == record.__struct_fields__

    @EVERY_RECORD
    def test_the_schemas_defaults_are_the_records_own(self, record):
        source = shipped_schemas().current(record.__name__).source
        defaults = {field["name"]: field["default"] for field in source["fields"] if "default" in field}
        own = {}
        for field in msgspec.structs.fields(record):
            if field.default is not msgspec.NODEFAULT:
                own[field.name] = field.default
            elif field.default_factory is not msgspec.NODEFAULT:
                own[field.name] = msgspec.to_builtins(field.default_factory())
        assert own == defaults

    @EVERY_RECORD
    def test_every_field_says_what_it_means(self, record):
        source = shipped_schemas().current(record.__name__).source
        assert source["doc"]
        assert [field["name"] for field in own_fields(source) if not field.get("doc")] == []

    @EVERY_RECORD
    def test_the_key_is_a_field_of_the_record(self, record):
        assert record.key_field is None or record.key_field in record.__struct_fields__

    def test_every_schema_is_of_a_record(self):
        assert shipped_schemas().names() == sorted({record.__name__ for record in RECORDS.values()})


class TestFingerprints:
    @EVERY_RECORD
    def test_another_implementation_computes_the_same(self, record):
        schema = shipped_schemas().current(record.__name__)
        # avro does not reduce {"type": "long"} to "long" as the specification's rule PRIMITIVES has it.
        text = json.dumps(schema.source).replace(
            '{"type": "long", "logicalType": "timestamp-millis"}', '"long"'
        )
        assert schema.fingerprint == avro.schema.parse(text).fingerprint("CRC-64-AVRO")

    def test_a_logical_type_makes_no_difference(self):
        plain, logical = (
            wire_schema({"type": "record", "name": "R", "fields": [{"name": "a", "type": kind}]})
            for kind in ("long", {"type": "long", "logicalType": "timestamp-millis"})
        )
        assert plain.fingerprint == logical.fingerprint

    def test_no_two_schemas_share_one(self):
        names = shipped_schemas().names()
        assert len({shipped_schemas().current(name).fingerprint for name in names}) == len(names)

    def test_every_released_version_is_found_by_its_own(self):
        store = shipped_schemas()
        for name in store.names():
            for version in store.released(name):
                assert store.by_fingerprint(version.fingerprint).name == name

    def test_an_unknown_one_finds_nothing(self):
        assert shipped_schemas().by_fingerprint(bytes(8)) is None


SCHEMA_LIKE = st.recursive(
    st.none()
    | st.integers()
    | st.sampled_from(["record", "enum", "fixed", "array", "map", "long", "error", "N", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "name", "fields", "symbols", "items", "values", "size", "default", "namespace"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=500)
@given(
    fields=SCHEMA_LIKE,
    more=st.dictionaries(st.sampled_from(["name", "namespace", "aliases", "doc"]), SCHEMA_LIKE),
)
def test_anything_that_json_can_say_is_a_schema_that_can_be_bounded_or_none(fields, more):
    with suppress(ValueError):
        check_bounded(wire_schema({"type": "record", "name": "N", "fields": fields, **more}).parsed)


class TestStore:
    def test_instants_are_read_as_plain_longs(self):
        assert "logicalType" in json.dumps(shipped_schemas().current("Activity").source)
        assert "logicalType" not in json.dumps(shipped_schemas().current("Activity").parsed, default=str)

    def test_released_versions_come_oldest_first(self, folder):
        released = folder / "released" / "CompanyStatus"
        source = json.loads((released / "0001.avsc").read_text())
        source["fields"].append(
            {"name": "region", "type": ["null", "string"], "default": None, "doc": "Where."}
        )
        (released / "0002.avsc").write_text(json.dumps(source))
        versions = SchemaStore(folder).released("CompanyStatus")
        assert [len(version.source["fields"]) for version in versions] == [4, 5]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("{", "Expecting property name"),
            ('{"type":"record","name":"Visit","fields":[]}', "it is of Visit, not of Activity"),
            ('"string"', "it is not of type record"),
            ('{"type":"record","name":"X"}', "it has no fields"),
            ('{"type":"record","fields":[]}', "name"),
            ('{"type":"record","name":"X","fields":[{"name":"a","type":"nothing"}]}', "nothing"),
        ],
    )
    def test_a_damaged_file_is_told_by_name(self, folder, text, problem):
        path = folder / "Activity.avsc"
        path.write_text(text)
        with pytest.raises(UserError, match=problem) as caught:
            SchemaStore(folder).current("Activity")
        assert (caught.value.reference, caught.value.place) == ("bad-schema", str(path))

    def test_a_missing_file_is_told_by_name(self, tmp_path):
        with pytest.raises(UserError, match="No such file or directory"):
            read_schema(tmp_path / "Activity.avsc", "Activity")

    def test_a_schema_nested_without_end_is_no_schema(self):
        source = "string"
        for _ in range(100_000):
            source = {"type": "array", "items": source}
        with pytest.raises(ValueError, match="RecursionError"):
            wire_schema({"type": "record", "name": "X", "fields": [{"name": "a", "type": source}]})
