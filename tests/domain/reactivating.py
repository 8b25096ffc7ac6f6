"""Reactivation playbooks for the core's tests, and a story told in minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.crossings import MemberMoved
from app.domain.events import CampaignResponse
from app.domain.hop import Hop
from app.domain.outputs import MemberSnapshot
from app.domain.responses import responses_of
from app.playbooks.reactivation import ReactivationModel
from tests.domain.conftest import MONDAY_MS, Story, told

if TYPE_CHECKING:
    from app.domain.reactivation import Reactivation
    from app.domain.responses import Response

OPEN = "Open - Not Contacted"
DONE = "Resolved"
MINUTE_MS = 60_000
DAY = 24 * 60
"""In minutes."""

WAYS: dict[str, dict[str, Any]] = {
    "score": {"threshold": 100},
    "response_prompt": {"prompt_campaigns": ["prompt"]},
    "invocable": {"on": ["reactivation.requested"]},
    "active_status": {"inactive_statuses": ["Recycled", "Disqualified"]},
}


def on(listen: str = "score", name: str = "react", **keys: Any) -> Reactivation:
    """A reactivation playbook; statuses `Resolved` are eligible, `Working` ones active."""
    keys = {"eligible_statuses": [DONE], "active_statuses": ["Working"], **WAYS[listen], **keys}
    model = ReactivationModel.model_validate({"name": name, "kind": "reactivation", "listen": listen, **keys})
    return model.compile()


class Funnel(Story):
    """A story whose instants are minutes after that Monday; what crosses from member to member is there at once."""

    def __init__(self, *playbooks: Any, **keys: Any) -> None:
        super().__init__(*(playbooks or (on(),)), **keys)

    def record(self, record: Any, arrived: float | None = None) -> list[Any]:
        outputs = super().record(record, None if arrived is None else arrived / DAY)
        seen = 0
        while seen < len(outputs):
            if isinstance(outputs[seen], (MemberMoved, Hop)):
                self.engine.apply(outputs[seen].member_id, outputs[seen])
                outputs += self._take()
            seen += 1
        return [output for output in outputs if not isinstance(output, (MemberMoved, Hop))]

    def campaign(
        self, at: float, response_id: str = "r1", status: str = DONE, member: str = "m1", **fields: Any
    ) -> list[str]:
        arrived = fields.pop("arrived", None)
        fields = {"campaign_id": "webinar", "is_response": True, "event_id": f"e{next(self.ids)}", **fields}
        record = CampaignResponse(
            member_id=member,
            occurred_at=MONDAY_MS + round(at * MINUTE_MS),
            response_id=response_id,
            status=status,
            **fields,
        )
        return said(self.record(record, arrived))

    def points(self, at: float, amount: int, operation: str = "SET", member: str = "m1") -> list[str]:
        return said(self.score(at / DAY, member, operation=operation, points=amount))

    def lead(self, at: float, status: str | None, member: str = "m1", **fields: Any) -> list[str]:
        return said(self.profile(at / DAY, member, lead_status=status, **fields))

    def asked(self, at: float, member: str = "m1", **attributes: Any) -> list[str]:
        return said(self.activity(at / DAY, member, type="reactivation.requested", attributes=attributes))

    def order(self, at: float, **fields: Any) -> list[str]:
        return said(self.command(at / DAY, **fields))

    def then(self, at: float) -> list[str]:
        return said(self.until(at / DAY))

    def known(self, member: str = "m1") -> dict[str, Response]:
        return responses_of(self.member(member))


def said(outputs: list[Any]) -> list[str]:
    """As `told`, in minutes; a reactivation as `20 RESPONSE_REACTIVATED r1 webinar`; ledger and pages left out."""
    return [
        _words(output)
        for output in outputs
        if not isinstance(output, MemberSnapshot) and getattr(output, "topic", "") != "score-changed"
    ]


def _words(output: Any) -> str:
    if not hasattr(output, "occurred_at"):
        return told([output])[0]
    minute = f"{(output.occurred_at - MONDAY_MS) / MINUTE_MS:g}"
    if output.topic == "reactivation":
        return " ".join(filter(None, (minute, output.action, output.response_id, output.campaign_id)))
    return f"{minute} {told([output])[0].partition(' ')[2]}"
