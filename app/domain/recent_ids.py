"""The event ids applied last, as hashes: how a record sent twice is known (contract 3).

64 are remembered over all topics. The newest few lie in the member's hot part, written with every event; the others
in a part of their own, written only when the newest are moved there, every 8th event. In both an id is 8 bytes, the
ids side by side, oldest first. That two ids of one member hash alike is as likely as 1 in 10**17.
"""

from __future__ import annotations

from hashlib import blake2b

HASH_BYTES = 8
REMEMBERED = 64
TAIL = 8

_REMEMBERED_BYTES = REMEMBERED * HASH_BYTES
_TAIL_BYTES = TAIL * HASH_BYTES


def hash_id(event_id: str) -> bytes:
    """The 8 bytes that stand for an event id. The same in every process, for ever: they are stored."""
    return blake2b(event_id.encode(), digest_size=HASH_BYTES).digest()


def in_tail(tail: bytes, wanted: bytes) -> bool:
    """Whether the id is among the newest."""
    return _holds(tail, wanted, 0)


def in_older(older: bytes, tail: bytes, wanted: bytes) -> bool:
    """Whether the id is among those of the remembered 64 that are no longer in the tail."""
    return _holds(older, wanted, max(0, len(older) + len(tail) - _REMEMBERED_BYTES))


def is_full(tail: bytes) -> bool:
    """Whether the tail is to be moved to the older ids."""
    return len(tail) >= _TAIL_BYTES


def spill(older: bytes, tail: bytes) -> bytes:
    """The older ids with the tail behind them, forgetting what exceeds 64."""
    return (older + tail)[-_REMEMBERED_BYTES:]


def _holds(ids: bytes, wanted: bytes, start: int) -> bool:
    """Membership on 8-byte borders only: the end of one hash and the beginning of the next are no id."""
    place = ids.find(wanted, start)
    while place >= 0:
        if place % HASH_BYTES == 0:
            return True
        place = ids.find(wanted, place + 1)
    return False
