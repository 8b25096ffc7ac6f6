"""Keys of one partition's RocksDB and of its changelog.

RocksDB: `e` + part + entity id (a stored part), `d` + due + entity id (a deadline), and single keys. The
changelog holds the same keys and values for parts and position; deadlines are made anew from the parts.
"""

from __future__ import annotations

import struct

POSITION_KEY = b"p"
CHANGELOG_KEY = b"c"
PROMOTION_KEY = b"m"
ENTITY = b"e"
DEADLINE = b"d"
DEADLINE_END = b"e"

_DUE = struct.Struct(">Q")
_PART_KEYS = tuple(ENTITY + bytes([part]) for part in range(256))


def part_key(part: int, entity_key: str) -> bytes:
    """Key of one stored part of an entity; part 0 is the one that says the entity exists."""
    return _PART_KEYS[part] + entity_key.encode()


def split_part_key(key: bytes) -> tuple[int, str]:
    """(part, entity id) of a key made by `part_key`."""
    return key[1], key[2:].decode()


def entity_of(key: bytes) -> bytes:
    """Of a key made by `part_key`, what all parts of its entity have in common."""
    return key[2:]


def deadline_key(due_ms: int, entity_key: str) -> bytes:
    """Sorts as (due_ms, entity id) does: big-endian time, then UTF-8, which keeps the order of code points."""
    return DEADLINE + _DUE.pack(max(due_ms, 0)) + entity_key.encode()


def split_deadline_key(key: bytes) -> tuple[int, str]:
    """(due_ms, entity id) of a key made by `deadline_key`."""
    return _DUE.unpack_from(key, 1)[0], key[9:].decode()
