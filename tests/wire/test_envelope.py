"""The envelope of a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.wire.bad_record import BadRecord
from app.wire.envelope import Envelope, write_key


def taken(**fields):
    envelope = Envelope()
    envelope.take({"topic": "activity", **fields})
    return envelope


@given(st.none() | st.binary())
def test_a_key_reads_back_as_it_was_written_whatever_its_bytes(key):
    envelope = taken(key=write_key(key))
    assert envelope.key_given
    assert envelope.key == key


def test_without_a_key_it_is_that_of_the_records_id():
    envelope = taken(member_id="m1")
    assert (envelope.key, envelope.key_given) == (b"m1", False)


def test_what_is_taken_is_no_longer_among_the_fields():
    fields = {
        "topic": "company",
        "partition": 1,
        "offset": 2,
        "arrived_at": 3,
        "key": "c",
        "raw": "",
        "status": "x",
    }
    Envelope().take(fields)
    assert fields == {"status": "x"}


def test_null_raw_stands_for_a_null_value():
    assert (taken(raw=None).raw, taken(raw=None).raw_given, taken().raw_given) == (None, True, False)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"topic": 5}, "bad_value", "topic: 5 is no text"),
        (
            {"topic": "actvity"},
            "bad_value",
            "topic: \"actvity\" is no input topic; did you mean 'activity'?",
        ),
        ({"topic": "nudge"}, "bad_value", 'topic: "nudge" is no input topic'),
        ({"key": 5}, "bad_value", "key: 5 is no text"),
        ({"key": {"base64": "?"}}, "bad_value", 'key.base64: "?" is no base64'),
        ({"raw": 5}, "bad_value", "raw: 5 is no base64"),
        ({"raw": "é"}, "bad_value", 'raw: "é" is no base64'),
        ({"partition": -1}, "bad_value", "partition: -1 is no whole number from 0"),
        ({"offset": "3"}, "bad_value", 'offset: "3" is no whole number from 0'),
        (
            {"arrived_at": True},
            "bad_value",
            "arrived_at: true is no instant, such as 2026-01-05T10:00:00Z or 1767607200000",
        ),
    ],
)
def test_each_part_is_checked(fields, error, message):
    with pytest.raises(BadRecord) as caught:
        taken(**fields)
    assert (caught.value.error, caught.value.message) == (error, message)
