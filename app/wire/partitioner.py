"""Which partition a key belongs to: murmur2, as Java clients and aiokafka's default partitioner have it (contract 2)."""

from functools import lru_cache
from struct import unpack_from

_SEED = 0x9747B28C
_FACTOR = 0x5BD1E995
_WORD = 0xFFFFFFFF
_POSITIVE = 0x7FFFFFFF


@lru_cache(maxsize=1 << 16)
def murmur2_partition(key: bytes, partitions: int) -> int:
    """The partition of `key` in a topic of `partitions` partitions (at least 1), from 0.

    Called for the records of every member who is not in memory, so the answers for the last 65,536 keys are kept (about
    12 MB when full).
    """
    return (_murmur2(key) & _POSITIVE) % partitions


def _murmur2(key: bytes) -> int:
    """Kafka's hash of a key, as 32 bits without sign.

    aiokafka's own goes byte by byte: for an id of 36 characters it takes 5 us, this one 2.
    """
    size = len(key)
    hashed = _SEED ^ size
    for word in unpack_from(f"<{size // 4}I", key):
        mixed = word * _FACTOR & _WORD
        hashed = (hashed * _FACTOR ^ (mixed ^ mixed >> 24) * _FACTOR) & _WORD
    if size % 4:
        hashed = (hashed ^ int.from_bytes(key[-(size % 4) :], "little")) * _FACTOR & _WORD
    hashed = (hashed ^ hashed >> 13) * _FACTOR & _WORD
    return hashed ^ hashed >> 15
