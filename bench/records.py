"""The records of contract 4 for what the rules of `bench.inactivity` bring about: the same for every contender.

Ids, sequence and cause are as Reengage gives them; only `playbook_version` is everybody's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.instants import iso_instant
from app.domain.outputs import MemberSnapshot, TagChanged, TransferView, WorkflowOpened, WorkflowView
from bench.inactivity import STEP, act, advance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.events import Activity
    from bench.inactivity import Effect, Member

Record = TagChanged | WorkflowOpened | MemberSnapshot

PLAYBOOK = "re-engager"
TAG = "inactive"
TIMER = "timer:inactive"

_PENDING = TransferView(state="PENDING")


def outputs(member: Member, activity: Activity) -> Iterator[Record]:
    """What one activity brings about, as records; the member's state moves on while they are taken."""
    for effect in act(member, activity):
        yield _record(activity.member_id, member, effect, activity)


def timer_outputs(member: Member, member_id: str, until_ms: int) -> Iterator[Record]:
    """What time alone brings about up to an instant, as records."""
    for effect in advance(member, until_ms):
        yield _record(member_id, member, effect, None)


def _record(member_id: str, member: Member, effect: Effect, activity: Activity | None) -> Record:
    if effect.kind == MemberSnapshot.topic:
        return _page(member_id, member, effect.at_ms)
    member.sequence += 1
    # A tag for seven silent days is the timer's, whichever event it was found out at.
    caused = activity if effect.reason != "inactive" else None
    common: dict[str, Any] = {
        "event_id": f"{member_id}/{member.sequence}",
        "sequence": member.sequence,
        "member_id": member_id,
        "occurred_at": effect.at_ms,
        "playbook": PLAYBOOK,
        "playbook_version": "1",
        "cause": TIMER if caused is None else caused.event_id,
        "reason": effect.reason,
    }
    if effect.kind == TagChanged.topic or caused is None:
        return TagChanged(tag=TAG, action=effect.what, **common)
    context = {"activity": caused.type, "inactive_since": iso_instant(effect.since_ms)}
    return WorkflowOpened(workflow_id=_workflow_id(member_id), kind="reengager", context=context, **common)


def _page(member_id: str, member: Member, at_ms: int) -> MemberSnapshot:
    workflows = []
    if member.opened_ms is not None:
        # Nothing resolves it, so that only the first activity ever opens one.
        workflows = [
            WorkflowView(
                workflow_id=_workflow_id(member_id),
                kind="reengager",
                reason="first_activity",
                opened_at=member.opened_ms,
            )
        ]
    return MemberSnapshot(
        member_id=member_id,
        occurred_at=at_ms,
        tags=[TAG] if member.tag_ms is not None else [],
        inactive_since=member.tag_ms,
        last_in_app_activity=member.in_app_ms,
        setup_steps=[STEP] if member.stepped else [],
        transfer=_PENDING,
        workflows=workflows,
    )


def _workflow_id(member_id: str) -> str:
    return f"{PLAYBOOK}:{member_id}:1"
