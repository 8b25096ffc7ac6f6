"""Random histories of leads: campaign responses come and go, scores cross, leads turn inactive and come back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.domain.events import (
    Activity,
    CampaignResponse,
    Input,
    MemberProfile,
    OperatorCommand,
    ScoreCommand,
)
from tests.integration.deployment import Sent
from tests.integration.history import DAY_MS, HOUR_MS, Paced, write_files

COMMON = """
kind = "reactivation"
eligible_statuses = ["Resolved"]
active_statuses = ["Working"]
exclude_campaigns = ["internal"]
inactive_statuses = ["Recycled"]
"""
FILES = {
    "score.toml": 'listen = "score"\nthreshold = 50\neligible = "all"\nlook_back = "3d"\n'
    'default_response = { campaign_id = "web" }\nsync_fields = { funnel = "restart" }',
    "prompt.toml": 'listen = "response_prompt"\nprompt_campaigns = ["prompt"]\nwait = "3h"\neligible = "all"\n'
    'assign_to = "sdr"\nnotify = ["owner", "member"]',
    "asked.toml": 'listen = "invocable"\non = ["reactivation.requested"]\nwhere = { urgent = true }\n'
    'skip_if_active = false\neligible = "all"\nnon_responses = false',
    "back.toml": 'listen = "active_status"\nwait = "2d"',
}
"""Playbooks under which these histories bring about every action."""

ACTIONS = frozenset(
    {"RESPONSE_REACTIVATED", "NON_RESPONSE_ACTIVATED", "DEFAULT_INSERTED", "PROMPT_KEPT", "NONE_FOUND"}
)


def write_playbooks(folder: Path) -> str:
    """Write `FILES`; returns the folder for REENGAGE_PLAYBOOKS."""
    return write_files(folder, {name: COMMON + content for name, content in FILES.items()})


class ReactivationHistory(Paced):
    """One history, the same for the same seed.

    Args:
        seed: of everything random.
        records, members, days: how much of each.
    """

    def __init__(self, seed: int, *, records: int, members: int = 30, days: float = 12) -> None:
        super().__init__(seed, records=records, members=members, days=days, name="lead")

    def __iter__(self) -> Iterator[Sent]:
        """The records, in the order in which they are to be produced."""
        rnd = self._random
        for event_id, at_ms in self._instants((HOUR_MS // 2, 5 * HOUR_MS, DAY_MS), HOUR_MS // 12):
            record = self._record(event_id, at_ms)
            for _ in range(2 if rnd.random() < 0.03 else 1):
                yield Sent(record.topic, record.member_id.encode(), self._codec.encode(record))

    def _record(self, event_id: str, at_ms: int) -> Input:
        rnd = self._random
        member = rnd.choice(self._members)
        common: dict[str, Any] = {"event_id": event_id, "member_id": member, "occurred_at": at_ms}
        match rnd.choices(range(6), (50, 20, 10, 15, 2, 8))[0]:
            case 0:
                return self._response(common)
            case 1:
                return ScoreCommand(**common, operation="SET", points=rnd.choice((0, 0, 49, 50, 90)))
            case 2:
                attributes = {"urgent": rnd.choice((True, True, False))}
                return Activity(
                    **common, type="reactivation.requested", channel="SYSTEM", attributes=attributes
                )
            case 3:
                return MemberProfile(**common, **self._profile())
            case 4:
                return MemberProfile(**common, merged_into=rnd.choice(self._members))
            case _:
                return self._command(common)

    def _response(self, common: dict[str, Any]) -> CampaignResponse:
        rnd = self._random
        member = common["member_id"]
        ids = [*(f"{member}-r{number}" for number in range(6)), f"default:score:{member}:1"]
        return CampaignResponse(
            **common,
            response_id=rnd.choice(ids),
            campaign_id=rnd.choice(("webinar", "webinar", "fair", "internal", "prompt", "prompt")),
            is_response=rnd.random() < 0.4,
            status=rnd.choice(("Resolved", "Resolved", "Closed", "Closed", "Closed", "Working")),
        )

    def _profile(self) -> dict[str, Any]:
        rnd = self._random
        return rnd.choice(
            (
                {"lead_status": "Recycled"},
                {"lead_status": "Open"},
                {"owner_id": rnd.choice(("o1", "o2"))},
                {"email": "a@example.org", "time_zone": "Europe/Berlin"},
            )
        )

    def _command(self, common: dict[str, Any]) -> OperatorCommand:
        if self._random.random() < 0.2:
            return OperatorCommand(**common, type="FORGET_MEMBER", issued_by="op")
        playbook, number = self._random.choice(("score", "prompt", "asked")), self._random.randint(1, 2)
        workflow = f"{playbook}:{common['member_id']}:{number}"
        return OperatorCommand(**common, type="RESOLVE_WORKFLOW", workflow_id=workflow, issued_by="op")
