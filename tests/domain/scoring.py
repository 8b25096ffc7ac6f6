"""Score and points playbooks and policies for the core's tests, from the keys people write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.events import ScoreCommand
from app.playbooks.points import PointsModel
from app.playbooks.policy import PolicyModel
from app.playbooks.score import ScoreModel

if TYPE_CHECKING:
    from app.domain.points import Points
    from app.domain.policy import Policy
    from app.domain.score_playbook import ScorePlaybook

OPEN = {"do": "open_workflow"}
HELLO = {"do": "nudge", "template": "hello"}


def on_score(name: str = "p", when: Any = ">= 1", *actions: dict[str, Any], **keys: Any) -> ScorePlaybook:
    """A score playbook; without actions it opens a workflow."""
    keys = {"name": name, "kind": "score", "when": when, "actions": list(actions) or [OPEN], **keys}
    return ScoreModel.model_validate(keys).compile()


def points(name: str = "points", **keys: Any) -> Points:
    """A points playbook."""
    return PointsModel.model_validate({"name": name, "kind": "points", **keys}).compile()


def rule(on: str = "article.read", amount: int = 5, **keys: Any) -> dict[str, Any]:
    return {"on": on, "points": amount, **keys}


def modify(operation: str, amount: int | None = None, **keys: Any) -> dict[str, Any]:
    given = {} if amount is None else {"points": amount}
    return {"do": "modify_score", "operation": operation, **given, **keys}


def policy(**keys: Any) -> Policy:
    """A policy that stands in nobody's way but for what is given: no quiet hours, holidays, caps or spread."""
    keys = {
        "quiet": {"from": "00:00", "to": "00:00"},
        "holidays": False,
        "caps": {},
        "spread": "0s",
        "channels": ["EMAIL", "SMS", "IN_APP"],
        **keys,
    }
    return PolicyModel.model_validate(keys).compile()


def score_command(event_id: str, at_ms: int, operation: str, amount: int | None, **keys: Any) -> ScoreCommand:
    keys = {"member_id": "m1", **keys}
    return ScoreCommand(event_id=event_id, occurred_at=at_ms, operation=operation, points=amount, **keys)
