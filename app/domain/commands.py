"""What operators order (contract 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.closing import forget_member
from app.domain.nudges import snooze_nudges
from app.domain.workflow import playbook_of, resolve_workflow, workflow_id

if TYPE_CHECKING:
    from app.domain.events import OperatorCommand
    from app.domain.member import Member
    from app.domain.playbook_set import PlaybookSet
    from app.domain.turn import Turn


def why_refused(member: Member, command: OperatorCommand) -> tuple[str, str] | None:
    """The dead letter's error and message if the command cannot be carried out as the member stands, else None."""
    names_one = command.type == "RESOLVE_WORKFLOW" or (
        command.type == "SNOOZE_NUDGES" and command.workflow_id is not None
    )
    if names_one and _stem_of(member, command) is None:
        return (
            "unknown_workflow",
            f"workflow_id: {command.workflow_id!r} is no open workflow of {member.key!r}",
        )
    return None


def carry_out(turn: Turn, command: OperatorCommand, playbooks: PlaybookSet) -> None:
    """Do what the command says; `why_refused` has found nothing."""
    stem = _stem_of(turn.member, command)
    if command.type == "RESOLVE_WORKFLOW" and stem is not None:
        resolve_workflow(turn, playbooks.by_name[playbook_of(stem)], stem, "operator")
    elif command.type == "SNOOZE_NUDGES" and command.until is not None:
        snooze_nudges(turn, stem, command.until)
    elif command.type == "FORGET_MEMBER":
        forget_member(turn)


def _stem_of(member: Member, command: OperatorCommand) -> str | None:
    """Stem of the open workflow the command names, None when there is none."""
    for stem, workflow in (member.hot.workflows or {}).items():
        if workflow_id(stem, member.key, workflow.number) == command.workflow_id:
            return stem
    return None
