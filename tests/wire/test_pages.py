"""A page is written as by the schema, whole or with the rest of an earlier one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.outputs import MemberSnapshot
from app.domain.sink import SamePage
from app.wire.codec import Codec

INSTANTS = st.integers(-(2**63), 2**63 - 1)
CODEC = Codec()
ENCODER = CODEC.page_encoder()


def page(**fields: Any) -> MemberSnapshot:
    return MemberSnapshot(member_id="m1", occurred_at=1_767_607_200_000, **fields)


@given(data=st.data())
def test_a_page_is_written_as_any_record_is(records, data):
    page = data.draw(records(MemberSnapshot.topic))
    assert ENCODER.encode(page)[0] == CODEC.encode(page)


def test_so_is_one_with_long_texts():
    made = page(owner_id="o" * 8_192, tags=["t" * 8_192])
    assert ENCODER.encode(made)[0] == CODEC.encode(made)


@given(data=st.data(), occurred_at=INSTANTS, last=INSTANTS | st.none())
def test_with_the_rest_of_an_earlier_one_it_is_the_same_as_a_whole_one(records, data, occurred_at, last):
    page = data.draw(records(MemberSnapshot.topic))
    _, rest = ENCODER.encode(page)
    if rest is not None:
        same = SamePage(page.member_id, occurred_at, last, rest)
        moved = msgspec.structs.replace(page, occurred_at=occurred_at, last_in_app_activity=last)
        assert ENCODER.encode_again(same) == CODEC.encode(moved)


@pytest.mark.parametrize(("size", "is_kept"), [(251, True), (252, False)])
def test_of_a_page_with_very_many_tags_no_rest_is_kept(size: int, is_kept: bool):
    """255 bytes may stand between: a count, the text's size (two bytes), the text, an end, and no instant."""
    _, rest = ENCODER.encode(page(tags=["x" * (size - 1)]))
    assert (rest is not None) is is_kept


def test_with_a_registry_it_bears_the_number_of_the_registered_schema(shared_registry):
    codec = Codec(registry=shared_registry)
    made = page(last_in_app_activity=5)
    value, rest = codec.page_encoder().encode(made)
    assert value == codec.encode(made)
    assert value[:1] == b"\0"
    same = SamePage("m1", made.occurred_at, 5, rest)
    assert codec.page_encoder().encode_again(same) == value
