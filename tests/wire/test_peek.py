"""A record's instant from its first fields: the one a whole reading gives, or none at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import INPUTS
from app.wire.bad_record import BadRecord
from app.wire.checks import FUTURE_MS, OLDEST_MS
from app.wire.codec import Codec, encode_key
from app.wire.peek import peeker
from app.wire.topics import INPUTS_IN_ORDER

CODEC = Codec()
AT_MS = 1_767_600_000_000
APPENDED_MS = 4_200_000_000_000
PEEK = peeker("activity")


def an_activity(**fields: object) -> bytes:
    plain = {"event_id": "e", "member_id": "m", "occurred_at": AT_MS, "type": "a.b", "channel": "APP"}
    return CODEC.encode(INPUTS["activity"](**{**plain, **fields}))


@pytest.mark.parametrize("topic", INPUTS_IN_ORDER)
@given(data=st.data())
@settings(max_examples=30)
def test_what_it_gives_is_the_records_own_instant(topic, data, records):
    record = data.draw(records(topic))
    found = peeker(topic)(CODEC.encode(record), APPENDED_MS)
    assert found in (record.occurred_at, None)


@pytest.mark.parametrize("topic", INPUTS_IN_ORDER)
def test_it_knows_the_ordinary_record_of_every_input(topic):
    instant = an_activity()[14:20]
    value = CODEC._route(topic).header + b"\x02e\x02k" + instant + b"whatever comes"
    assert peeker(topic)(value, APPENDED_MS) == AT_MS


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b'{"event_id":"e"}',
        an_activity()[:13],
        an_activity()[:19],
        b"\0" * 10 + an_activity()[10:],
        an_activity(event_id="e" * 64),
        an_activity(member_id="m" * 64),
        an_activity(occurred_at=0),
        an_activity(occurred_at=OLDEST_MS - 1),
        an_activity(occurred_at=-1),
        an_activity(occurred_at=AT_MS + FUTURE_MS + 1),
    ],
)
def test_it_cannot_say_of_anything_else(value):
    assert PEEK(value, AT_MS) is None


@given(st.binary(max_size=40))
def test_any_bytes_may_follow_the_header(tail):
    value = an_activity()[:10] + tail
    found = PEEK(value, APPENDED_MS)
    try:
        record = CODEC.decode("activity", encode_key("m"), value, APPENDED_MS)
    except BadRecord:
        return
    assert found in (record.occurred_at, None)
