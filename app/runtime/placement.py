"""Whether a restored state belongs to its partition: the number of partitions may have been changed behind our back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.errors import UserError
from app.wire.codec import encode_key
from app.wire.partitioner import murmur2_partition

if TYPE_CHECKING:
    from collections.abc import Iterable

SAMPLED = 100
"""States looked at when a partition is opened: a changed count leaves that many in place by no chance."""


def refuse_misplaced(keys: Iterable[str], changelog: str, number: int, partitions: int) -> None:
    """Raises UserError `partition-count` when a state of this partition would belong to another of so many.

    Every topic of a processor can be given more partitions alike, which the declared topics do not forbid; members
    would then be met as new ones in another partition, their sequences beginning again. Called by a partition that is
    opened, with some of its entities' keys; `changelog` is its topic's full name.
    """
    for key in keys:
        right = murmur2_partition(encode_key(key), partitions)
        if right != number:
            raise UserError(
                "partition-count",
                f"{changelog}-{number}",
                f"holds the state of {key!r}, which of {partitions} partitions belongs to partition {right}: topics were "
                "given more partitions after they had been used",
                "the number of partitions is fixed with the first record. Make topics with more under another "
                "REENGAGE_TOPIC_PREFIX, and produce the events again there",
            )
