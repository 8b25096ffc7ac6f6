"""Keys go to the partitions where Java's and aiokafka's producers put them."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from app.wire.partitioner import murmur2_partition

# From the test of Kafka's own Utils.murmur2.
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "hashed"), JAVA.items())
@pytest.mark.parametrize("partitions", [1, 3, 12, 1000])
def test_it_is_javas_hash_made_positive(key, hashed, partitions):
    assert murmur2_partition(key, partitions) == (hashed & 0x7FFFFFFF) % partitions


@given(key=st.binary(max_size=40), partitions=st.integers(1, 64))
def test_it_is_aiokafkas_choice(key, partitions):
    choice = DefaultPartitioner()(key, list(range(partitions)), list(range(partitions)))
    assert murmur2_partition(key, partitions) == choice
