"""Single-object encoding: the header, and records written with an older released version."""

import copy
import json
import shutil
from io import BytesIO

import pytest
from fastavro import schemaless_writer

from app.domain.events import Activity, ScoreCommand
from app.wire.bad_record import BadRecord
from app.wire.codec import Codec
from app.wire.schemas import SchemaStore, schemas_folder, shipped_schemas, wire_schema
from app.wire.single_object import header, writer_schema

NOW_MS = 1_767_607_200_000
OLD = {"event_id": "e1", "member_id": "m1", "occurred_at": NOW_MS}


def written(schema, **fields):
    body = BytesIO()
    schemaless_writer(body, schema.parsed, fields)
    return header(schema) + body.getvalue()


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped schemas, to change."""
    return shutil.copytree(schemas_folder(), tmp_path / "schemas")


def release_before(folder, name, change):
    """Put a version before the first release of `name`: the current one with `change` applied. Gives its schema."""
    current = json.loads((folder / f"{name}.avsc").read_text())
    older = copy.deepcopy(current)
    change({field["name"]: field for field in older["fields"]}, older)
    released = folder / "released" / name
    (released / "0001.avsc").rename(released / "0002.avsc")
    (released / "0001.avsc").write_text(json.dumps(older))
    return wire_schema(older)


def without(name):
    def change(fields, source):
        source["fields"].remove(fields[name])

    return change


class TestHeader:
    def test_it_is_the_marker_and_the_fingerprint_little_endian(self):
        null = {"type": "record", "name": "N", "fields": []}
        assert header(wire_schema(null))[:2] == b"\xc3\x01"
        assert len(header(wire_schema(null))) == 10

    def test_the_writers_schema_is_found_by_it(self):
        current = shipped_schemas().current("Activity")
        assert writer_schema(header(current), "Activity", shipped_schemas()) is not None


class TestOlderReleases:
    def test_a_field_added_since_has_its_default(self, folder):
        old = release_before(folder, "Activity", without("attributes"))
        read = Codec(SchemaStore(folder)).decode(
            "activity", b"m1", written(old, **OLD, type="article.read", channel="APP"), NOW_MS
        )
        assert read == Activity(**OLD, type="article.read", channel="APP", attributes={})

    def test_a_field_dropped_since_is_skipped(self, folder):
        def change(_, source):
            source["fields"].insert(3, {"name": "device", "type": {"type": "array", "items": "string"}})

        old = release_before(folder, "Activity", change)
        value = written(
            old, **OLD, device=["x", "y"], type="article.read", channel="WEB", attributes={"a": 1}
        )
        read = Codec(SchemaStore(folder)).decode("activity", b"m1", value, NOW_MS)
        assert read == Activity(**OLD, type="article.read", channel="WEB", attributes={"a": 1})

    def test_an_int_became_a_long(self, folder):
        def change(fields, _):
            fields["points"]["type"] = ["null", "int"]

        old = release_before(folder, "ScoreCommand", change)
        value = written(old, **OLD, score="s", operation="SET", points=-3, reason=None)
        read = Codec(SchemaStore(folder)).decode("score", b"m1", value, NOW_MS)
        assert read == ScoreCommand(**OLD, score="s", operation="SET", points=-3)

    def test_a_symbol_that_is_gone_is_an_unknown_enum(self, folder):
        def change(fields, _):
            fields["channel"]["type"]["symbols"].append("FAX")

        old = release_before(folder, "Activity", change)
        value = written(old, **OLD, type="article.read", channel="FAX")
        with pytest.raises(BadRecord, match="'FAX' is no ActivityChannel; known are") as caught:
            Codec(SchemaStore(folder)).decode("activity", b"m1", value, NOW_MS)
        assert caught.value.error == "unknown_enum"

    def test_a_field_that_was_not_there_and_has_no_default_is_missing(self, folder):
        old = release_before(folder, "Activity", without("type"))
        with pytest.raises(BadRecord, match="type: missing in the schema it was written with") as caught:
            Codec(SchemaStore(folder)).decode("activity", b"m1", written(old, **OLD, channel="APP"), NOW_MS)
        assert caught.value.error == "missing_field"

    def test_a_type_that_cannot_be_read_is_an_unknown_schema(self, folder):
        def change(fields, _):
            fields["type"]["type"] = "long"

        old = release_before(folder, "Activity", change)
        with pytest.raises(BadRecord, match="cannot be read as Activity") as caught:
            Codec(SchemaStore(folder)).decode(
                "activity", b"m1", written(old, **OLD, type=1, channel="APP"), NOW_MS
            )
        assert caught.value.error == "unknown_schema"
