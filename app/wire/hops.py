"""A record on its way from a merged-away member to the other, as the core sees it and as it lies in Kafka."""

from typing import Any

from app.domain.crossings import MemberMoved
from app.domain.hop import Hop
from app.wire.codec import Codec


def read_hop(codec: Codec, moved: MemberMoved) -> Hop | None:
    """What is to be applied; None for a history, which is applied as it is.

    Raises:
        BadRecord: its bytes are no valid record, which only another sender than the old member's partition can bring about.
    """
    if moved.source_topic is None:
        return None
    key = moved.from_member_id.encode()
    record: Any = codec.decode(moved.source_topic, key, moved.value, moved.appended_at or 0)
    return Hop(moved.member_id, moved.from_member_id, tuple(moved.path), record)


def write_hop(hop: Hop, *, source_topic: str, appended_at: int, value: bytes | None) -> MemberMoved:
    """What is sent of it: the record's bytes, its topic without prefix, and its append time, as they first came."""
    record = hop.record
    return MemberMoved(
        event_id=record.event_id,
        occurred_at=record.occurred_at,
        cause=record.event_id,
        member_id=hop.member_id,
        from_member_id=hop.from_member_id,
        path=list(hop.path),
        source_topic=source_topic,
        appended_at=appended_at,
        value=value,
    )
