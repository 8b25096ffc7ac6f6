"""The framing of the Confluent format."""

import pytest

from app.wire.bad_record import BadRecord
from app.wire.confluent import header, schema_id


@pytest.mark.parametrize(
    ("number", "framed"),
    [(0, b"\0\0\0\0\0"), (7, b"\0\0\0\0\x07"), (258, b"\0\0\0\x01\x02"), (2**32 - 1, b"\0\xff\xff\xff\xff")],
)
def test_the_id_stands_behind_a_zero_byte_big_endian(number, framed):
    assert header(number) == framed
    assert schema_id(framed + b"body") == number


@pytest.mark.parametrize("value", [b"\0", b"\0\0\0\x01"])
def test_a_header_cut_short_is_undecodable(value):
    with pytest.raises(BadRecord, match="cut short") as caught:
        schema_id(value)
    assert caught.value.error == "undecodable"
