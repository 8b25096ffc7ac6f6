"""The life of a workflow, as a table of legal moves, and the two steps every kind shares: opening and resolving.

A workflow belongs to a stem: its playbook's name, for kinds with one workflow per engagement `playbook:engagement`.
Of a stem at most one workflow is open (contract 1). Its id is the stem with the member's id after the playbook, and
the number of the opening: `{playbook}:{member_id}:{n}`, `{playbook}:{member_id}:{engagement_id}:{n}` (contract 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.outputs import WorkflowOpened, WorkflowResolved
from app.domain.pending import drop_workflows_nudges
from app.domain.state import Workflow
from app.domain.timers import cancel

if TYPE_CHECKING:
    from app.domain.playbook import Playbook
    from app.domain.turn import Turn

CLOSED = "closed"
OPEN = "open"
ANY_KIND = "*"

EXPIRE_TIMER = "expire"
"""Of a workflow that is resolved by itself in the end; it goes with the workflow."""


class Move(NamedTuple):
    """One legal move of a workflow.

    `kind` is the kind of playbook it holds for, `name` the reason (opening) or resolution, `when` says it in words. A
    reason may say more behind a colon, as `known_error:mfa` does.
    """

    kind: str
    before: str
    after: str
    name: str
    when: str


MOVES = (
    Move("reengager", CLOSED, OPEN, "first_activity", "first qualifying activity of a member, contract 6.1"),
    Move("reengager", CLOSED, OPEN, "returned", "qualifying activity of an inactive member, contract 6.1"),
    Move("reengager", OPEN, CLOSED, "transferred", "transferred to a coach, contract 6.1"),
    Move("reengager", OPEN, CLOSED, "manually_transferred", "transferred to a coach by hand, contract 6.1"),
    Move("score", CLOSED, OPEN, "score_condition", "a score meets the condition, contract 6.2"),
    Move("score", OPEN, CLOSED, "condition_false", "the score no longer meets the condition, contract 6.2"),
    Move("score", OPEN, CLOSED, "at_once", "the playbook says so, contract 6.2"),
    Move("reactivation", CLOSED, OPEN, "reactivated", "a response was made active, contract 6.3"),
    Move("reactivation", OPEN, CLOSED, "response_closed", "that response is no longer active, contract 6.3"),
    Move("reactivation", OPEN, CLOSED, "lead_inactive", "the lead's status is an inactive one, contract 6.3"),
    Move("progress", CLOSED, OPEN, "off_track", "an engagement goes off track, contract 6.5"),
    Move("progress", OPEN, CLOSED, "back_on_track", "it is on track again, contract 6.5"),
    Move("progress", OPEN, CLOSED, "engagement_ended", "DEACTIVATED or COMPLETED, contract 6.5"),
    Move("high_intent", CLOSED, OPEN, "known_error", "a session ended on an error's page, contract 6.4"),
    Move("high_intent", CLOSED, OPEN, "multiple_attempts", "one of several unsuccessful ends, contract 6.4"),
    Move("high_intent", CLOSED, OPEN, "unknown_exit", "a session ended after a late page, contract 6.4"),
    Move("high_intent", OPEN, CLOSED, "converted", "success, contract 6.4"),
    Move("high_intent", OPEN, CLOSED, "expired", "`expires` after the opening, contract 6.4"),
    Move(ANY_KIND, OPEN, CLOSED, "operator", "RESOLVE_WORKFLOW, contract 5"),
    Move(ANY_KIND, OPEN, CLOSED, "forgotten", "FORGET_MEMBER, contract 5"),
    Move(ANY_KIND, OPEN, CLOSED, "merged", "the member was merged into another, contract 5"),
    Move(ANY_KIND, OPEN, CLOSED, "playbook_removed", "its playbook is gone, contract 5"),
)
"""Every legal move. The documents' diagrams are drawn from this table; a move that is not in it is a bug."""

_LEGAL = {(move.kind, move.after, move.name) for move in MOVES}


class IllegalMove(Exception):  # noqa: N818  a bug, not an error of anyone outside
    """A rule tried a move that is not in `MOVES`."""


def stem(playbook: str, ref: str = "") -> str:
    """Under what a workflow is kept and its openings are counted."""
    return f"{playbook}:{ref}" if ref else playbook


def playbook_of(workflow_stem: str) -> str:
    """Name of the playbook a stem belongs to; names hold no colon."""
    return workflow_stem.partition(":")[0]


def workflow_id(workflow_stem: str, member_id: str, number: int) -> str:
    """The id others know the workflow by."""
    if ":" not in workflow_stem:
        return f"{workflow_stem}:{member_id}:{number}"
    playbook, _, ref = workflow_stem.partition(":")
    return f"{playbook}:{member_id}:{ref}:{number}"


def workflow_of(turn: Turn, workflow_stem: str) -> Workflow | None:
    """The open workflow of the stem, None when none is open."""
    workflows = turn.hot.workflows
    return None if workflows is None else workflows.get(workflow_stem)


def is_open(turn: Turn, workflow_stem: str) -> bool:
    """Whether a workflow of the stem is open."""
    return workflow_of(turn, workflow_stem) is not None


def was_open(workflow: Workflow, at_ms: int) -> bool:
    """Whether what opened the workflow had happened by that instant, though it may have come late."""
    return at_ms >= (workflow.opened_ms if workflow.happened_ms is None else workflow.happened_ms)


def open_workflow(
    turn: Turn, playbook: Playbook, workflow_stem: str, reason: str, context: dict[str, str]
) -> None:
    """Open the next workflow of the stem. The caller has seen that none is open."""
    _check(playbook.kind, OPEN, reason)
    hot = turn.hot
    if hot.openings is None:
        hot.openings = {}
    if hot.workflows is None:
        hot.workflows = {}
    number = hot.openings.get(workflow_stem, 0) + 1
    hot.openings[workflow_stem] = number
    hot.workflows[workflow_stem] = Workflow(
        playbook.kind, number, reason, hot.now_ms, happened_ms=turn.at_ms if turn.late else None
    )
    turn.page_urgent = True
    turn.emit(
        WorkflowOpened,
        playbook,
        workflow_id=workflow_id(workflow_stem, turn.member.key, number),
        kind=playbook.kind,
        reason=reason,
        context=context,
    )


def resolve_workflow(
    turn: Turn,
    playbook: Playbook | None,
    workflow_stem: str,
    resolution: str,
    *,
    attributed_nudge: str | None = None,
) -> None:
    """Resolve the open workflow of the stem, and drop its nudges. `playbook` is None when it is gone."""
    hot = turn.hot
    if hot.workflows is None:
        raise IllegalMove(f"{workflow_stem}: no workflow is open")
    workflow = hot.workflows[workflow_stem]
    _check(workflow.kind, CLOSED, resolution)
    turn.page_urgent = True
    turn.emit(
        WorkflowResolved,
        playbook,
        workflow_id=workflow_id(workflow_stem, turn.member.key, workflow.number),
        kind=workflow.kind,
        resolution=resolution,
        opened_at=workflow.opened_ms,
        attributed_nudge=attributed_nudge,
    )
    cancel(hot.timers, EXPIRE_TIMER, playbook_of(workflow_stem), workflow_stem.partition(":")[2])
    drop_workflows_nudges(turn, playbook, workflow_stem)
    del hot.workflows[workflow_stem]
    hot.workflows = hot.workflows or None


def _check(kind: str, after: str, name: str) -> None:
    name = name.partition(":")[0]
    if (kind, after, name) not in _LEGAL and (ANY_KIND, after, name) not in _LEGAL:
        raise IllegalMove(f"{kind}: no move to {after} is called {name}")
