"""The fast decoders read what the general reader reads, or leave it to it; they never read anything else."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import Activity
from app.wire import single_object
from app.wire.avro_body import read_body
from app.wire.avro_decoder import UNUSUAL, make_decoder
from app.wire.bad_record import BadRecord
from app.wire.codec import RECORDS, Codec
from app.wire.schemas import shipped_schemas

START = single_object.HEADER_BYTES
SCHEMA = shipped_schemas().current("Activity")
DECODE = make_decoder(SCHEMA.source, Activity, START)


def general(value: bytes) -> Activity:
    return Activity(**read_body(value, START, SCHEMA, SCHEMA))


def an_activity(**fields: object) -> bytes:
    plain = {
        "event_id": "e",
        "member_id": "m",
        "occurred_at": 1_767_600_000_000,
        "type": "a.b",
        "channel": "APP",
    }
    return Codec().encode(Activity(**{**plain, **fields}))


def test_an_ordinary_activity_is_read_fast():
    assert DECODE(an_activity()) == general(an_activity())


@pytest.mark.parametrize("at_ms", [1_100_000_000_000, 2_190_000_000_000, 1_767_600_000_001])
def test_instants_of_six_bytes_are_read_fast(at_ms):
    assert DECODE(an_activity(occurred_at=at_ms)).occurred_at == at_ms


@pytest.mark.parametrize(
    "fields",
    [
        {"event_id": "e" * 64},
        {"occurred_at": 0},
        {"occurred_at": -1},
        {"occurred_at": 2**62},
        {"attributes": {"a": 1}},
    ],
)
def test_what_is_not_ordinary_is_left_to_the_general_reader(fields):
    with pytest.raises(UNUSUAL):
        DECODE(an_activity(**fields))


@given(st.data())
def test_damaged_bytes_give_what_the_general_reader_gives_or_nothing(data):
    value = bytearray(
        an_activity(event_id=data.draw(st.text(max_size=20)), type=data.draw(st.text(max_size=9)))
    )
    for _ in range(data.draw(st.integers(0, 3))):
        value[data.draw(st.integers(START, len(value) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(value[: data.draw(st.integers(START, len(value)))]) + data.draw(st.binary(max_size=2))
    try:
        fast = DECODE(cut)
    except UNUSUAL:
        return
    try:
        assert fast == general(cut)
    except BadRecord as bad:
        pytest.fail(f"read fast what cannot be read: {bad}")


@pytest.mark.parametrize("topic", sorted(RECORDS))
@settings(max_examples=25)
@given(data=st.data())
def test_every_record_is_read_as_the_general_reader_reads_it(topic, records, data):
    record = data.draw(records(topic))
    schema = shipped_schemas().current(RECORDS[topic].__name__)
    decode = make_decoder(schema.source, RECORDS[topic], START)
    if decode is None:
        return
    value = Codec().encode(record)
    try:
        assert decode(value) == msgspec.convert(read_body(value, START, schema, schema), RECORDS[topic])
    except UNUSUAL:
        return
