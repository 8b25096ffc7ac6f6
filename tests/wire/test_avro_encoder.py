"""The encoders made from schemas write what fastavro writes, and refuse what does not fit."""

from io import BytesIO
from types import SimpleNamespace

import msgspec
import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import Activity, ScoreCommand
from app.wire.avro_encoder import encode_long, make_encoder
from app.wire.codec import RECORDS
from app.wire.schemas import shipped_schemas

EDGES = [
    edge + step
    for bits in (7, 13, 14, 27, 28, 41, 42, 62)
    for edge in (1 << bits, -(1 << bits))
    for step in (-1, 0, 1)
]
ACTIVITY = make_encoder(shipped_schemas().current("Activity").source, b"")
SCORE = make_encoder(shipped_schemas().current("ScoreCommand").source, b"")
FIELDS = {"event_id": "e", "member_id": "m", "occurred_at": 1}


def by_fastavro(schema, value):
    written = BytesIO()
    schemaless_writer(written, schema, value)
    return written.getvalue()


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, -(2**63), *EDGES])
def test_a_long_is_written_as_fastavro_writes_it_at_every_change_of_length(number):
    assert encode_long(number) == by_fastavro("long", number)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_long_is_written_as_fastavro_writes_it(number):
    assert encode_long(number) == by_fastavro("long", number)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**100, -(2**100)])
def test_a_number_beyond_64_bits_is_refused_and_not_cut(number):
    with pytest.raises(OverflowError):
        encode_long(number)


@pytest.mark.parametrize("topic", sorted(RECORDS))
@settings(max_examples=25)
@given(data=st.data())
def test_every_record_is_written_as_fastavro_writes_it(topic, records, data):
    record = data.draw(records(topic))
    schema = shipped_schemas().current(RECORDS[topic].__name__)
    fields = msgspec.to_builtins(record, builtin_types=(bytes,))
    assert make_encoder(schema.source, b"head")(record) == b"head" + by_fastavro(schema.parsed, fields)


def test_long_texts_and_many_items_are_written_too():
    attributes = {f"k{number}": "x" * number for number in range(0, 20_000, 1000)}
    record = Activity(**FIELDS, type="t" * 10_000, channel="APP", attributes=attributes)
    parsed = shipped_schemas().current("Activity").parsed
    assert ACTIVITY(record) == by_fastavro(parsed, msgspec.to_builtins(record))


@pytest.mark.parametrize(
    ("encode", "record"),
    [
        (ACTIVITY, Activity(**FIELDS, type="t", channel="FAX")),
        (ACTIVITY, Activity(**FIELDS, type=None, channel="APP")),
        (ACTIVITY, Activity(**FIELDS, type="t", channel="APP", attributes={"a": b"bytes"})),
        (ACTIVITY, Activity(**FIELDS, type="t", channel="APP", attributes={"a": 2**63})),
        (SCORE, ScoreCommand(**FIELDS, operation="SET", points="5")),
        (SCORE, ScoreCommand(**FIELDS, operation="SET", points=1.5)),
        (SCORE, SimpleNamespace(**FIELDS)),
    ],
)
def test_what_does_not_fit_is_refused(encode, record):
    with pytest.raises((AttributeError, KeyError, OverflowError, TypeError, ValueError)):
        encode(record)


def test_a_type_there_is_no_encoder_for_is_told_when_the_encoder_is_made():
    parse_schema(source := {"type": "record", "name": "R", "fields": [{"name": "a", "type": "float"}]})
    with pytest.raises(ValueError, match="no encoder for 'float'"):
        make_encoder(source, b"")


def test_any_number_of_different_keys_is_written_each_as_often_as_it_comes():
    schema = shipped_schemas().current("Activity")
    encode = make_encoder(schema.source, b"")
    for start in (0, 700, 1_400, 0):
        attributes = {f"{'long' * 40 * (number % 2)}{number}": number for number in range(start, start + 700)}
        record = Activity(**FIELDS, type="a.b", channel="APP", attributes=attributes)
        assert encode(record) == by_fastavro(schema.parsed, msgspec.to_builtins(record))
