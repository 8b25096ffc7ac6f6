"""The member's page as a record: what stands on it, and when it is written (contract 4, member-snapshot)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.engagements import views
from app.domain.instants import SECOND_MS
from app.domain.outputs import MemberSnapshot, PendingNudge, TransferView, WorkflowView
from app.domain.pending import NUDGE_TIMER
from app.domain.setup import steps_in_order
from app.domain.sink import SamePage
from app.domain.state import ReengagerState
from app.domain.timers import arm, cancel
from app.domain.transfer import PENDING
from app.domain.workflow import workflow_id

if TYPE_CHECKING:
    from app.domain.member import Member
    from app.domain.state import Hot, Workflow
    from app.domain.turn import Turn

SNAPSHOT_TIMER = "snapshot"
REST_MS = 5 * SECOND_MS
"""Of the member's time, between two snapshots that nothing urgent calls for."""

_NO_TRANSFER = TransferView()
_UNTOLD_TRANSFER = TransferView(state=PENDING)


def settle_page(turn: Turn) -> None:
    """End a turn: write the page if a workflow, tag, transfer or track status changed; else after its rest."""
    if turn.page_urgent:
        write_page(turn)
    elif turn.page_changed or turn.page_moved:
        hot = turn.hot
        if hot.page_stale:
            return
        written_ms = hot.snapshot_ms
        if written_ms is None or written_ms + REST_MS <= hot.now_ms:
            write_page(turn)
        else:
            hot.page_stale = True
            arm(hot.timers, written_ms + REST_MS, SNAPSHOT_TIMER)


def write_page(turn: Turn) -> None:
    """Put out the page as it is at the member's now."""
    hot, member = turn.hot, turn.member
    # A page that has been waiting may have waited for anything.
    is_same = not (hot.page_stale or turn.page_changed or turn.page_urgent)
    if hot.page_stale:
        hot.page_stale = False
        cancel(hot.timers, SNAPSHOT_TIMER)
    hot.snapshot_ms = hot.now_ms
    rest = member.page_rest
    if is_same and rest is not None:
        turn.sink.emit(SamePage(member.key, hot.now_ms, hot.last_in_app_ms, rest))
    else:
        member.page_rest = None
        turn.sink.emit(page(member))


def keep_rest(member: Member, made: MemberSnapshot, rest: bytes | None) -> None:
    """Whoever has written the page leaves its rest with the member, for the pages that differ in nothing else.

    Pages with engagements or planned nudges change by time alone, so theirs is not kept. A change since the page was put out is
    not lost: the page is stale then, and the next one is made anew.
    """
    member.page_rest = None if made.engagements or made.pending_nudges else rest


def page(member: Member) -> MemberSnapshot:
    """The page as it is at the member's now."""
    hot = member.hot
    shown = _first_reengager(hot)
    made = MemberSnapshot(
        member_id=member.key,
        occurred_at=hot.now_ms,
        last_in_app_activity=hot.last_in_app_ms,
        transfer=_transfer(shown),
        owner_id=hot.owner_id,
        coach_id=hot.coach_id,
        company_id=hot.company_id,
        location_id=hot.location_id,
    )
    # Most members have little of the rest, and a page is the commonest thing made.
    if shown is not None and shown.setup is not None:
        made.setup_steps = steps_in_order(shown.setup)
        made.setup_completed_at = shown.setup.completed_ms
    if hot.tags:
        made.tags = sorted(hot.tags)
        made.inactive_since = _inactive_since(hot, hot.tags)
    if hot.workflows:
        made.workflows = _workflows(member.key, hot.workflows)
    if hot.scores:
        made.scores = dict(hot.scores)
    if hot.has_engagements:
        made.engagements = views(member)
    if hot.pending:
        made.pending_nudges = _pending_nudges(member)
    return made


def _inactive_since(hot: Hot, tags: dict[str, int]) -> int | None:
    """Since when a re-engager's tag is carried; with several re-engagers, the longest-standing one."""
    own = {state.tag for state in hot.states.values() if isinstance(state, ReengagerState)}
    return min((since_ms for tag, since_ms in tags.items() if tag in own), default=None)


def _first_reengager(hot: Hot) -> ReengagerState | None:
    """Whose set-up and transfer the page shows: with several re-engagers, the first by name."""
    first, found = "", None
    for name, state in hot.states.items():
        if type(state) is ReengagerState and (found is None or name < first):
            first, found = name, state
    return found


def _transfer(shown: ReengagerState | None) -> TransferView:
    """Where the transfer stands; none is pending where there is no re-engager."""
    if shown is None:
        return _NO_TRANSFER
    transfer = shown.transfer
    if transfer is None:
        return _UNTOLD_TRANSFER
    return TransferView(
        state=transfer.state, pool=transfer.pool, program=transfer.program, attempts=transfer.attempts
    )


def _workflows(member_id: str, workflows: dict[str, Workflow]) -> list[WorkflowView]:
    """The open workflows, in the order in which they were opened."""
    return [
        WorkflowView(
            workflow_id=workflow_id(stem, member_id, workflow.number),
            kind=workflow.kind,
            reason=workflow.reason,
            opened_at=workflow.opened_ms,
        )
        for stem, workflow in workflows.items()
    ]


def _pending_nudges(member: Member) -> list[PendingNudge]:
    """The planned nudges, in the order in which they will be judged."""
    pending = member.cold().pending
    return [
        PendingNudge(
            playbook=playbook,
            workflow_id=pending[ref].workflow_id,
            recipient_role=pending[ref].message.role,
            template=pending[ref].message.template,
            due_at=due_ms,
        )
        for due_ms, name, playbook, ref in member.hot.timers
        if name == NUDGE_TIMER
    ]
