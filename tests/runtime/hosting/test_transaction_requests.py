"""Requests of the second version of transactions: their bytes, and the feature that says whether to use them."""

import io

import pytest
from aiokafka.protocol.types import CompactString
from hypothesis import given
from hypothesis import strategies as st

from app.runtime.hosting.transaction_requests import (
    FEATURE,
    ApiVersionsRequest_v3,
    ApiVersionsResponse_v3,
    EndTransaction,
    EndTxnRequest_v5,
    EndTxnResponse_v5,
    Features,
    ProduceInTransaction,
    ProduceRequest_v12,
    ProduceResponse_v12,
    feature_level,
)

names = st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=300)
batches = st.lists(st.tuples(st.integers(0, 2**31 - 1), st.binary(max_size=300)), max_size=3)


@given(names, st.integers(1, 2**31 - 1), st.dictionaries(names, batches, max_size=4))
def test_a_produce_request_is_encoded_as_its_schema_says(name, timeout_ms, records):
    built = ProduceInTransaction(name, timeout_ms, records).build(ProduceRequest_v12)
    whole = ProduceRequest_v12.SCHEMA.encode(
        [getattr(built, field) for field in ProduceRequest_v12.SCHEMA.names]
    )
    assert built.encode() == whole
    read = ProduceRequest_v12.decode(io.BytesIO(whole))
    assert (read.transactional_id, read.required_acks, read.timeout) == (name, -1, timeout_ms)
    assert {topic: [pair[:2] for pair in pairs] for topic, pairs, _ in read.topics} == {
        topic: [tuple(pair) for pair in pairs] for topic, pairs in records.items()
    }


def test_a_bytearray_is_as_good_as_bytes():
    """The builder of record batches gives one, which need not be copied."""
    with_bytes, with_array = (
        ProduceInTransaction("id", 1, {"topic": [(0, records)]}).build(ProduceRequest_v12).encode()
        for records in (b"batch", bytearray(b"batch"))
    )
    assert with_bytes == with_array


@pytest.mark.parametrize("commit", [True, False])
def test_an_end_says_which(commit):
    encoded = EndTransaction("id", 2**40, 7, commit=commit).build(EndTxnRequest_v5).encode()
    read = EndTxnRequest_v5.decode(io.BytesIO(encoded))
    assert (read.transactional_id, read.producer_id, read.producer_epoch) == ("id", 2**40, 7)
    assert read.transaction_result is commit


def test_an_end_brings_the_next_epoch():
    read = EndTxnResponse_v5.decode(io.BytesIO(EndTxnResponse_v5(0, 0, 2**40, 8, {}).encode()))
    assert (read.error_code, read.producer_id, read.producer_epoch) == (0, 2**40, 8)


def test_an_answer_to_a_produce_request_may_have_tags_of_later_versions():
    partition = (3, 0, 17, -1, 0, [], None, {})
    answer = ProduceResponse_v12([("topic", [partition], {})], 0, {}).encode()
    read = ProduceResponse_v12.decode(io.BytesIO(answer))
    assert read.topics[0][1][0][:3] == (3, 0, 17)


def features(*levels):
    """The tag of an answer that holds what a cluster has agreed on."""
    text = CompactString().encode
    each = (text(name) + level.to_bytes(2, "big") + b"\0\1" + b"\0" for name, level in levels)
    return {2: bytes([len(levels) + 1]) + b"".join(each)}


@pytest.mark.parametrize(
    ("tags", "level"),
    [
        pytest.param(features(("metadata.version", 27), (FEATURE, 2)), 2, id="two"),
        pytest.param(features((FEATURE, 1)), 1, id="one"),
        pytest.param(features(("metadata.version", 7)), 0, id="not agreed on"),
        pytest.param({}, 0, id="a cluster without features"),
        pytest.param({1: b"\0" * 8}, 0, id="another tag"),
    ],
)
def test_the_level_of_a_feature(tags, level):
    assert feature_level(ApiVersionsResponse_v3(0, [], 0, tags), FEATURE) == level


def test_versions_are_answered_with_the_old_header():
    asked = Features().build(ApiVersionsRequest_v3)
    assert asked.parse_response_header(io.BytesIO(b"\0\0\0\7")).correlation_id == 7
