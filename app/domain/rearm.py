"""Bringing a member kept under other playbooks under those of today (contract 5, "Changed playbooks")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import high_intent, reengager
from app.domain.intent_state import HighIntentState
from app.domain.nudges import retime_held_nudges
from app.domain.pending import RESOLVED, forget, suppress
from app.domain.progress import Progress, retire_tracks
from app.domain.score_playbook import ScorePlaybook
from app.domain.snapshot import settle_page
from app.domain.state import ReengagerState
from app.domain.timers import cancel_all
from app.domain.turn import Turn
from app.domain.workflow import playbook_of, resolve_workflow

if TYPE_CHECKING:
    from app.domain.member import Member
    from app.domain.playbook_set import PlaybookSet
    from app.domain.sink import Sink


def rearm_member(member: Member, playbooks: PlaybookSet, sink: Sink) -> None:
    """Clear what playbooks that are gone have left, then let each of today's look at the member.

    Happens at the member's now, which does not move. What it puts out has the cause `playbooks:<hash>`: neither a
    record nor a timer has set it off. A playbook of another kind under an old name is another playbook.
    """
    member.armed_for = playbooks.hash
    if not member.hot.born:
        return
    turn = Turn(member, sink, member.hot.now_ms, f"playbooks:{playbooks.hash}", playbooks)
    _resolve_orphans(turn, playbooks)
    _drop_orphans(turn, playbooks)
    _retire_states(turn, playbooks)
    retire_tracks(turn, lambda name: _is_present(playbooks, name, Progress.kind))
    reengager.change_tags(
        turn, [each for each in playbooks.playbooks if isinstance(each, reengager.Reengager)]
    )
    for playbook in playbooks.playbooks:
        playbook.rearm(turn)
    retime_held_nudges(turn)
    settle_page(turn)


def _resolve_orphans(turn: Turn, playbooks: PlaybookSet) -> None:
    for stem, workflow in sorted((turn.hot.workflows or {}).items()):
        if not _is_present(playbooks, playbook_of(stem), workflow.kind):
            resolve_workflow(turn, None, stem, "playbook_removed")


def _drop_orphans(turn: Turn, playbooks: PlaybookSet) -> None:
    """Drop, in plan order, the nudges of playbooks that are gone; those of a workflow have gone with it.

    Without a workflow only a score playbook plans nudges that wait, and it has no state by which its kind is known.
    """
    if turn.hot.pending:
        for ref, nudge in list(turn.member.cold().pending.items()):
            if not nudge.stem and not _is_present(playbooks, nudge.playbook, ScorePlaybook.kind):
                suppress(turn, None, nudge, RESOLVED)
                forget(turn, ref)


def _retire_states(turn: Turn, playbooks: PlaybookSet) -> None:
    hot = turn.hot
    for name, state in sorted(hot.states.items()):
        kind = str(state.__struct_config__.tag)
        if not _is_present(playbooks, name, kind):
            del hot.states[name]
            cancel_all(hot.timers, name)
            if isinstance(state, ReengagerState):
                reengager.retire(turn, name, state)
            elif isinstance(state, HighIntentState):
                high_intent.retire(turn, name)


def _is_present(playbooks: PlaybookSet, name: str, kind: str) -> bool:
    playbook = playbooks.by_name.get(name)
    return playbook is not None and playbook.kind == kind
