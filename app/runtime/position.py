"""Where a partition stands: ours to say, not the consumer group's (design, "Where we stand").

Each commit writes the position into the changelog, in the same transaction as the states it belongs to. After a
crash or a rebalance the partition goes on from here.
"""

from __future__ import annotations

import msgspec

from app.domain.engine import START, Mark

POSITION_VERSION = 1


class Position(msgspec.Struct, array_like=True, frozen=True):
    """How far one partition of one processor has come.

    offsets: next offset to apply, by input topic (contract's name); a missing one means 0.
    time_ms: the partition's time. mark: how far silent entities' timers have fired, exclusive.
    playbooks_hash: what decided up to here. swept_to: while entities are brought under changed playbooks, the key up
    to which that is done; None when no sweep is under way. history_ms: wall time at which the last record was applied
    that was history when it was appended, 0 where none was: a restart must not take history being loaded for the past.
    """

    offsets: dict[str, int] = {}
    time_ms: int = 0
    mark: Mark = START
    playbooks_hash: str = ""
    swept_to: str | None = None
    history_ms: int = 0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Position)


def dump_position(position: Position) -> bytes:
    """A version byte, then msgpack."""
    return bytes([POSITION_VERSION]) + _encoder.encode(position)


def load_position(stored: bytes | None) -> Position:
    """The stored position; the very start when nothing is stored. Raises ValueError for an unknown version."""
    if stored is None:
        return Position()
    if stored[0] != POSITION_VERSION:
        raise ValueError(f"position of version {stored[0]}, this worker knows {POSITION_VERSION}")
    return _decoder.decode(stored[1:])
