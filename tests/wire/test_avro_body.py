"""Reading an Avro body; what it does with bytes of any kind is tested through the codec."""

import pytest

from app.wire.avro_body import read_body
from app.wire.bad_record import BadRecord
from app.wire.schemas import wire_schema

FLAG = wire_schema({"type": "record", "name": "Flag", "fields": [{"name": "on", "type": "boolean"}]})


def test_a_body_begins_where_it_is_told_to():
    assert read_body(b"head\x01", 4, FLAG, FLAG) == {"on": True}


def test_a_body_ends_with_its_value():
    with pytest.raises(BadRecord, match="1 bytes are left over behind the Flag they begin with"):
        read_body(b"\x01\x00", 0, FLAG, FLAG)


def test_a_start_behind_the_end_is_undecodable():
    with pytest.raises(BadRecord) as caught:
        read_body(b"", 5, FLAG, FLAG)
    assert caught.value.error == "undecodable"


def test_a_schema_that_differs_in_words_only_is_the_same():
    source = {
        "type": "record",
        "name": "Flag",
        "doc": "x",
        "fields": [{"name": "on", "type": "boolean", "default": True}],
    }
    assert read_body(b"\x01", 0, FLAG, wire_schema(source)) == {"on": True}
