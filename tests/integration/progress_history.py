"""Random histories of engagements: sessions that move, coaches and owners that change, members who merge and go."""

from collections.abc import Iterator
from typing import Any

from app.domain.events import Activity, EngagementEvent, Input, MemberProfile, OperatorCommand
from tests.integration.deployment import Sent
from tests.integration.history import DAY_MS, HOUR_MS, Paced

PLAYBOOK = """
kind = "progress"
digest = "2h"
[templates.default]
threshold = "none"
[templates.short]
threshold = "2d"
[templates.long]
threshold = "6d"
[templates.silent]
threshold = "2d"
notifications = false
"""

TYPES = {
    "LAUNCHED": 12,
    "ACTIVATED": 14,
    "MATCHING_STARTED": 6,
    "COACH_SELECTED": 5,
    "SESSION_SCHEDULED": 22,
    "SESSION_COMPLETED": 8,
    "SESSION_CANCELLED": 8,
    "DISCOVERY_CALL_SCHEDULED": 8,
    "DISCOVERY_CALL_CANCELLED": 3,
    "NOTIFICATIONS_ON": 2,
    "NOTIFICATIONS_OFF": 2,
    "DEACTIVATED": 4,
    "COMPLETED": 1,
}
"""How often each type comes."""


class ProgressHistory(Paced):
    """One history, the same for the same seed: `records` records about `members` members in `days` days."""

    def __init__(self, seed: int, *, records: int, members: int = 20, days: float = 30) -> None:
        super().__init__(seed, records=records, members=members, days=days)

    def __iter__(self) -> Iterator[Sent]:
        """The records, in the order in which they are to be produced; every tenth is late."""
        rnd = self._random
        for event_id, at_ms in self._instants((HOUR_MS, DAY_MS), HOUR_MS):
            common = {"event_id": event_id, "member_id": rnd.choice(self._members), "occurred_at": at_ms}
            record = self._record(common)
            yield Sent(record.topic, record.member_id.encode(), self._codec.encode(record))

    def _record(self, common: dict[str, Any]) -> Input:
        rnd = self._random
        draw = rnd.random()
        if draw < 0.04:
            return MemberProfile(
                **common, record_type=rnd.choice(("INTERNAL", "INVITED")), owner_id=self._owner()
            )
        if draw < 0.06:
            return MemberProfile(**common, merged_into=rnd.choice(self._members))
        if draw < 0.08:
            return OperatorCommand(**common, type="FORGET_MEMBER", issued_by="op")
        if draw < 0.14:
            return Activity(**common, type="article.read", channel=rnd.choice(("APP", "WEB")))
        return self._engagement(common)

    def _engagement(self, common: dict[str, Any]) -> EngagementEvent:
        rnd = self._random
        (kind,) = rnd.choices(list(TYPES), list(TYPES.values()))
        fields: dict[str, Any] = {"engagement_id": rnd.choice(("e1", "e2"))}
        if kind == "LAUNCHED" or rnd.random() < 0.1:
            fields["template"] = rnd.choice(("short", "short", "long", "silent", "default", "nonsense"))
            fields |= {"owner_id": self._owner(), "coach_id": rnd.choice((None, "k1", "k2"))}
        if kind.startswith(("SESSION", "DISCOVERY")):
            fields["session_id"] = rnd.choice(("s1", "s2", "s3"))
            if kind.endswith("SCHEDULED"):
                fields["session_at"] = common["occurred_at"] + rnd.randint(-24, 72) * HOUR_MS
        return EngagementEvent(**common, type=kind, **fields)

    def _owner(self) -> str | None:
        return self._random.choice((None, "o1", "o2", "o3"))
