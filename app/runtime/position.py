"""Where a partition stands: ours to say, not the consumer group's (design, "Where we stand").

Each commit writes the position into the changelog, in the same transaction as the states it belongs to. After a
crash or a rebalance the partition goes on from here.
"""

from __future__ import annotations

import uuid

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
    origin: of the changelog, made up by whoever opens it first; empty where nobody has. A state folder that has been at
    another changelog (another cluster, a topic made anew) is known by it.
    """

    offsets: dict[str, int] = {}
    time_ms: int = 0
    mark: Mark = START
    playbooks_hash: str = ""
    swept_to: str | None = None
    history_ms: int = 0
    origin: str = ""


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


def opened_position(stored: bytes | None) -> Position:
    """The position a worker goes on from: the stored one, which from its first commit on tells its changelog from others."""
    position = load_position(stored)
    return position if position.origin else msgspec.structs.replace(position, origin=uuid.uuid4().hex)


def origin_of(stored: bytes | None) -> str:
    """The origin in a stored position; empty where there is none, or a version that `load_position` would not know."""
    return load_position(stored).origin if stored and stored[0] == POSITION_VERSION else ""
