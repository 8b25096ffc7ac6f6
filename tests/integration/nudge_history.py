"""Random histories of scores and nudges: members who earn and lose points, are written to, and object."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.domain.events import Activity, Input, MemberProfile, OperatorCommand, ScoreCommand
from tests.integration.deployment import Sent
from tests.integration.history import DAY_MS, HOUR_MS, Paced, write_files

FILES = {
    "points.toml": """
kind = "points"
rules = [{ on = "article.read", points = 7, at_most = "2 per 1d" }]
decay = { points = 4, every = "2d" }
floor = 0
ceiling = 60
""",
    "low.toml": """
kind = "score"
when = ["< 10", "is not empty"]
actions = [
    { do = "open_workflow" },
    { do = "nudge", template = "low" },
    { do = "nudge", template = "low-again", after = "30h", channels = ["SMS", "EMAIL"] },
    { do = "nudge", template = "low-owner", after = "2d", recipient = "owner" },
]
""",
    "high.toml": """
kind = "score"
when = ">= 40"
fire = "on_every_change"
actions = [
    { do = "tag", add = "high" },
    { do = "modify_score", operation = "add", points = 1, score = "times-high" },
    { do = "nudge", template = "high", incentive = "gift" },
]
""",
    "restless.toml": """
kind = "score"
score = "times-high"
when = ["> 3", "< 6"]
fire = "on_every_change"
resolve = "at_once"
actions = [{ do = "open_workflow" }, { do = "modify_score", operation = "add", points = 1, score = "restless" }]
""",
    "cascade.toml": """
kind = "score"
score = "restless"
when = "> 3"
fire = "on_every_change"
actions = [{ do = "modify_score", operation = "add", points = 1 }]
""",
    "policy.toml": """
caps = { "1d" = 2, "5d" = 6 }
hold_out_percent = 15
spread = "3h"
""",
}
"""Playbooks and a policy under which these histories bring about every outcome."""

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Sydney", "Nowhere/Land")
SCORES = ("engagement", "engagement", "engagement", "times-high", "plain")


def write_playbooks(folder: Path) -> str:
    """Write `FILES`; returns the folder for REENGAGE_PLAYBOOKS."""
    return write_files(folder, FILES)


class NudgeHistory(Paced):
    """One history, the same for the same seed.

    Args:
        seed: of everything random.
        records, members, days: how much of each.
    """

    def __init__(self, seed: int, *, records: int, members: int = 40, days: float = 20) -> None:
        super().__init__(seed, records=records, members=members, days=days)

    def __iter__(self) -> Iterator[Sent]:
        """The records, in the order in which they are to be produced."""
        rnd = self._random
        for event_id, at_ms in self._instants((HOUR_MS, 2 * DAY_MS), HOUR_MS // 4):
            record = self._record(event_id, at_ms)
            key = record.member_id.encode()
            for _ in range(2 if rnd.random() < 0.03 else 1):
                yield Sent(record.topic, key, self._codec.encode(record))

    def _record(self, event_id: str, at_ms: int) -> Input:
        rnd = self._random
        member = rnd.choice(self._members)
        common: dict[str, Any] = {"event_id": event_id, "member_id": member, "occurred_at": at_ms}
        match rnd.choices(range(6), (30, 35, 15, 9, 1, 8))[0]:
            case 0:
                return Activity(**common, type="article.read", channel="APP")
            case 1:
                operation = rnd.choice(("ADD", "ADD", "SUBTRACT", "SET", "CLEAR"))
                points = None if operation == "CLEAR" else rnd.choice((0, 3, 12, 45))
                return ScoreCommand(**common, score=rnd.choice(SCORES), operation=operation, points=points)
            case 2:
                return MemberProfile(**common, **self._profile())
            case 3:
                return self._feedback(common)
            case 4:
                return MemberProfile(**common, merged_into=rnd.choice(self._members))
            case _:
                return OperatorCommand(**common, **self._command(member, at_ms), issued_by="op")

    def _command(self, member: str, at_ms: int) -> dict[str, Any]:
        rnd = self._random
        if rnd.random() < 0.2:
            return {"type": "FORGET_MEMBER"}
        workflow = rnd.choice((None, f"low:{member}:{rnd.randint(1, 3)}"))
        return {
            "type": "SNOOZE_NUDGES",
            "workflow_id": workflow,
            "until": at_ms + rnd.choice((0, 4 * DAY_MS)),
        }

    def _profile(self) -> dict[str, Any]:
        rnd = self._random
        return rnd.choice(
            (
                {"time_zone": rnd.choice(ZONES)},
                {"country": rnd.choice(("DE", "US", "AU", "XX")), "region": rnd.choice((None, "BY", "CA"))},
                {
                    "email": rnd.choice(("", "a@example.org")),
                    "phone": "1",
                    "owner_id": rnd.choice(("o1", "o2")),
                },
                {"consents": {rnd.choice(("EMAIL", "SMS", "IN_APP")): rnd.choice((True, True, False, None))}},
                {"channels": rnd.choice(([], ["SMS"], ["EMAIL", "PUSH"]))},
            )
        )

    def _feedback(self, common: dict[str, Any]) -> Activity:
        rnd = self._random
        if rnd.random() < 0.2:
            attributes = {"channel": rnd.choice(("EMAIL", "SMS", "IN_APP"))}
            return Activity(**common, type="nudge.unsubscribed", channel="EMAIL", attributes=attributes)
        attributes = {"nudge_id": f"high:{common['member_id']}#{rnd.randint(1, 9)}"}
        word = rnd.choice(("delivered", "opened", "clicked"))
        return Activity(**common, type=f"nudge.{word}", channel="EMAIL", attributes=attributes)
