"""The marker of a promotion in a partition's changelog: while it is there, no worker may work on the partition.

`reengage replay --promote` exchanges states and outputs of the live topics in many transactions. The marker says how far
it is, and is written with what it speaks of.
"""

from __future__ import annotations

import enum

import msgspec

from app.domain.errors import UserError


class Stage(enum.IntEnum):
    """How far a partition is; the next stage is entered in the transaction that ends the one before."""

    MARKED = 1
    CLEARED = 2
    COPIED = 3
    FILLED = 4
    FLIPPED = 5


class Promotion(msgspec.Struct, array_like=True, frozen=True):
    """The marker of one partition of one processor.

    into: prefix of the replay that is being promoted. stage: what is done. old_ends: where its output topics and its changelog
    ended, by the contract's names, before the first record of the promotion. internal_ends: where the internal topics
    among its inputs end. copied: the next offset to copy, by output topic under the prefix.
    """

    into: str
    stage: Stage
    old_ends: dict[str, int]
    internal_ends: dict[str, int]
    copied: dict[str, int] = {}


class UnfinishedPromotionError(UserError):
    """A worker has met the marker: reference `unfinished-promotion`."""

    def __init__(self, marker: bytes, partition: str) -> None:
        into = load_promotion(marker).into
        super().__init__(
            "unfinished-promotion",
            partition,
            f"the replay into {into} is being promoted, or was interrupted in it",
            f"wait for it, or finish it with `reengage replay --into {into} --promote`; then start the worker again",
        )


def dump_promotion(promotion: Promotion) -> bytes:
    """As it lies in the changelog."""
    return msgspec.msgpack.encode(promotion)


def load_promotion(stored: bytes) -> Promotion:
    """What `dump_promotion` gave."""
    return msgspec.msgpack.decode(stored, type=Promotion)
