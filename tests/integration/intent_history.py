"""Random histories of sessions that fail, companies under maintenance, and members who wait for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.domain.events import Activity, CompanyStatus, Input, MemberProfile, OperatorCommand
from tests.integration.deployment import Sent
from tests.integration.history import HOUR_MS, Paced, write_files

COMPANIES = ("acme", "globex", "initech")
RELEASE_MS = 3 * HOUR_MS

FILES = {
    "transact.toml": """
kind = "high_intent"
deep_link = "https://example.com/{step}?c={company_id}&m={member_id}"
release = "3h"
expires = "4d"
nudges = [
    { after = "0s", template = "now-{segment}" },
    { after = "1h" },
    { after = "24h", channels = ["EMAIL", "IN_APP"], incentive = "gift" },
]
""",
    "policy.toml": """
caps = { "1d" = 2 }
hold_out_percent = 10
spread = "1h"
""",
}
"""A playbook and a policy under which these histories bring about every outcome."""

PAGES = (
    "Viewed Under Maintenance Page",
    "Viewed Under Maintenance Page",
    "Viewed Under Maintenance Page",
    "Viewed Authentication Failed Page",
    "Viewed Distribution Confirmation Page",
    "Viewed Task Completed Page",
    "Home",
)


def write_playbooks(folder: Path) -> str:
    """Write `FILES`; returns the folder for REENGAGE_PLAYBOOKS."""
    return write_files(folder, FILES)


class IntentHistory(Paced):
    """One history, the same for the same seed.

    Args:
        seed: of everything random.
        records, members, days: how much of each.
        partitions: of the topics; some company records lie in another partition than their key's.
    """

    def __init__(
        self, seed: int, *, records: int, members: int = 60, days: float = 12, partitions: int = 2
    ) -> None:
        super().__init__(seed, records=records, members=members, days=days)
        self._partitions = partitions

    def __iter__(self) -> Iterator[Sent]:
        """The records, in the order in which they are to be produced."""
        rnd = self._random
        for event_id, at_ms in self._instants((HOUR_MS // 2, 3 * HOUR_MS), 60_000):
            record = self._record(event_id, at_ms)
            elsewhere = isinstance(record, CompanyStatus) and rnd.random() < 0.3
            partition = rnd.randrange(self._partitions) if elsewhere else None
            key = getattr(record, record.key_field).encode()
            yield Sent(record.topic, key, self._codec.encode(record), partition)

    def _record(self, event_id: str, at_ms: int) -> Input:
        rnd = self._random
        common: dict[str, Any] = {"event_id": event_id, "occurred_at": at_ms}
        member = {**common, "member_id": rnd.choice(self._members)}
        match rnd.choices(range(6), (60, 20, 5, 3, 2, 2))[0]:
            case 0:
                return Activity(**member, type="transact.interaction", channel="APP", attributes=self._page())
            case 1:
                kind = rnd.choice(("started", "closed", "closed", "closed", "finished"))
                return Activity(**member, type=f"transact.{kind}", channel="APP")
            case 2:
                status = rnd.choice(("OPERATIONAL", "OPERATIONAL", "UNDER_MAINTENANCE"))
                return CompanyStatus(**common, company_id=rnd.choice(COMPANIES), status=status)
            case 3:
                return MemberProfile(**member, company_id=rnd.choice(COMPANIES), email="a@example.org")
            case 4:
                return MemberProfile(**member, merged_into=rnd.choice(self._members))
            case _:
                return OperatorCommand(**member, type="FORGET_MEMBER", issued_by="op")

    def _page(self) -> dict[str, Any]:
        rnd = self._random
        attributes = {
            "name": rnd.choice(PAGES),
            "state": rnd.choice(("completed", "shown")),
            "step": "pay in",
        }
        if rnd.random() < 0.8:
            attributes["company_id"] = rnd.choice(COMPANIES)
        return attributes
