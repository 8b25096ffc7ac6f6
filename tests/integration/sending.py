"""Single records to produce, and for whom."""

from itertools import count

from app.domain.events import Activity, MemberProfile
from app.wire.codec import Codec
from app.wire.partitioner import murmur2_partition
from tests.integration.deployment import Sent

CODEC = Codec()


def activity(member: str, at_ms: int, event_id: str | None = None, **attributes: str) -> Sent:
    """An article read in the app; named after member and instant where it has no event id."""
    record = Activity(
        event_id=event_id or f"{member}-{at_ms}",
        member_id=member,
        occurred_at=at_ms,
        type="article.read",
        channel="APP",
        attributes=attributes,
    )
    return Sent("activity", member.encode(), CODEC.encode(record))


def profile(member: str, at_ms: int, event_id: str, owner_id: str = "o1", email: str | None = None) -> Sent:
    """Who is responsible for the member, and where it is written to."""
    record = MemberProfile(
        event_id=event_id, member_id=member, occurred_at=at_ms, owner_id=owner_id, email=email
    )
    return Sent("profile", member.encode(), CODEC.encode(record))


def one_of_each_partition(prefix: str, partitions: int) -> list[str]:
    """By partition, the first of `prefix-0`, `prefix-1` and so on that belongs there."""
    found: dict[int, str] = {}
    for number in count():
        name = f"{prefix}-{number}"
        found.setdefault(murmur2_partition(name.encode(), partitions), name)
        if len(found) == partitions:
            break
    return [found[partition] for partition in range(partitions)]
