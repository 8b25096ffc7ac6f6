"""Why a transfer was asked for, what became of it, and why nothing did (contract 6.1): set-up, requests, attempts, answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.explain.considered import Condition, Considered, Outcome, span_text
from app.domain.instants import iso_instant
from app.domain.outputs import Nudge, TransferFailed, TransferRequested, WorkflowResolved
from app.domain.setup import completed_after
from app.domain.state import ReengagerState
from app.domain.transfer import OVERDUE_TEMPLATE, WAITING, asked_from_ms, is_asked_for, may
from app.domain.transfer_state import SetUp, Transfer
from app.domain.workflow import was_open, workflow_id, workflow_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.crossings import TransferAnswer
    from app.domain.events import Activity, TransferEvent
    from app.domain.reengager import Reengager
    from app.domain.turn import Turn

RESOLVES = Outcome("the workflow is resolved", WorkflowResolved.topic)
REQUESTS = Outcome("a transfer is asked for", TransferRequested.topic)
FAILS = Outcome("an attempt counts as failed", TransferFailed.topic)


def on_setup_completed(playbook: Reengager, turn: Turn, activity: Activity) -> Considered:
    """An activity that completes the set-up: a transfer that is pending is asked for."""
    transfer = _transfer(playbook, turn)
    return Considered(playbook.name, REQUESTS, [_counts(turn, transfer, activity), _pending(transfer)])


def waiting_for_setup(playbook: Reengager, turn: Turn) -> Considered:
    """How things stand between the member and a request."""
    return Considered(
        playbook.name, REQUESTS, [_completed(playbook, turn), _pending(_transfer(playbook, turn))]
    )


def on_event(playbook: Reengager, turn: Turn, event: TransferEvent) -> Iterator[Considered]:
    """A word on the transfer, from outside."""
    transfer = _transfer(playbook, turn)
    match event.type:
        case "PROGRAM_ASSIGNED":
            setup = _setup(playbook, turn)
            done_ms = None if setup is None else completed_after(setup, turn.at_ms)
            ahead = Condition(
                name="completed",
                holds=done_ms is not None,
                says="the set-up was not completed after it"
                if done_ms is None
                else f"the set-up was completed after it, at {iso_instant(done_ms)}",
                value=done_ms,
                key="setup.completed_by",
            )
            yield Considered(playbook.name, REQUESTS, [_news(turn, transfer), ahead])
        case "TRANSFERRED":
            yield Considered(playbook.name, RESOLVES, [_opened_before(playbook, turn)])
        case "ATTEMPT_FAILED":
            elsewhere = Condition(
                name="managed",
                holds=not playbook.transfer.managed,
                says="the pool's desk makes the attempts"
                if playbook.transfer.managed
                else "another system makes the attempts",
                value=playbook.transfer.managed,
                needed=False,
                key="transfer.managed",
            )
            yield Considered(
                playbook.name,
                FAILS,
                [elsewhere, _after_request(turn, transfer), _waiting(transfer)],
            )


def on_answer(playbook: Reengager, turn: Turn, answer: TransferAnswer) -> Iterator[Considered]:
    """The pool's desk has answered a request, of this playbook or of another."""
    transfer = _transfer(playbook, turn)
    asked = is_asked_for(turn, transfer, answer)
    conditions = [
        Condition(
            name="playbook",
            holds=answer.playbook == playbook.name,
            says=f"answers a request of {answer.playbook}",
            value=answer.playbook,
            needed=playbook.name,
        ),
        Condition(
            name="request",
            holds=asked,
            says=f"request {answer.request_id} is {'the one that waits' if asked else 'no longer waiting'}",
            value=answer.request_id,
        ),
    ]
    if answer.type == "TRANSFERRED":
        yield Considered(playbook.name, RESOLVES, [*conditions, _opened_before(playbook, turn)])
    else:
        fresh = Condition(
            name="attempts",
            holds=answer.attempts > transfer.attempts,
            says=f"attempt {answer.attempts}, {transfer.attempts} known to have failed",
            value=answer.attempts,
            key="transfer.max_attempts",
        )
        yield Considered(playbook.name, FAILS, [*conditions, fresh])


def on_overdue(playbook: Reengager, turn: Turn) -> Considered:
    """`transfer.max_lag` has passed without an answer."""
    waited_ms = turn.at_ms - _transfer(playbook, turn).requested_ms
    max_lag_ms = playbook.transfer.max_lag_ms
    late = Condition(
        name="answer",
        holds=True,
        says=f"no answer for {span_text(waited_ms)}, may take {span_text(max_lag_ms)}",
        value=waited_ms,
        needed=max_lag_ms,
        key="transfer.max_lag",
    )
    outcome = Outcome("the operators are told", Nudge.topic, {"template": OVERDUE_TEMPLATE})
    return Considered(playbook.name, outcome, [late])


def state_of(playbook: Reengager, turn: Turn) -> ReengagerState | None:
    """What the playbook knows of the member; None: nothing yet, or what a playbook of another kind left."""
    state = turn.hot.states.get(playbook.name)
    return state if isinstance(state, ReengagerState) else None


def _transfer(playbook: Reengager, turn: Turn) -> Transfer:
    state = state_of(playbook, turn)
    return Transfer() if state is None or state.transfer is None else state.transfer


def _setup(playbook: Reengager, turn: Turn) -> SetUp | None:
    state = state_of(playbook, turn)
    return None if state is None else state.setup


def _counts(turn: Turn, transfer: Transfer, activity: Activity) -> Condition:
    """Set-up from before the program was assigned counts no more."""
    holds = turn.at_ms >= transfer.assigned_ms
    says = f"{activity.type} completes the set-up"
    if not holds:
        says = (
            f"{activity.type} is from before the program was assigned, at {iso_instant(transfer.assigned_ms)}"
        )
    return Condition(name="completed", holds=holds, says=says, value=activity.type, key="setup.completed_by")


def _completed(playbook: Reengager, turn: Turn) -> Condition:
    setup = _setup(playbook, turn)
    done_ms = None if setup is None else setup.completed_ms
    says = "the set-up is not completed"
    if done_ms is not None:
        says = f"the set-up is completed, since {iso_instant(done_ms)}"
    return Condition(
        name="completed", holds=done_ms is not None, says=says, value=done_ms, key="setup.completed_by"
    )


def _opened_before(playbook: Reengager, turn: Turn) -> Condition:
    workflow = workflow_of(turn, playbook.name)
    if workflow is None:
        return Condition(name="open", holds=False, says="no workflow is open")
    holds = was_open(workflow, turn.at_ms)
    since = iso_instant(workflow.opened_ms)
    name = workflow_id(playbook.name, turn.member.key, workflow.number)
    says = (
        f"workflow {name} is open since {since}" if holds else f"workflow {name} opened after it, at {since}"
    )
    return Condition(name="open", holds=holds, says=says, value=name)


def _pending(transfer: Transfer) -> Condition:
    holds = may(transfer, "requested")
    says = f"the transfer is {transfer.state}{'' if holds else ', not PENDING'}"
    return Condition(
        name="transfer", holds=holds, says=says, value=transfer.state, needed="PENDING", key="transfer"
    )


def _waiting(transfer: Transfer) -> Condition:
    holds = may(transfer, "attempt_failed")
    says = f"the transfer is {transfer.state}{'' if holds else ', nobody waits for an answer'}"
    return Condition(name="transfer", holds=holds, says=says, value=transfer.state, needed=WAITING)


def _news(turn: Turn, transfer: Transfer) -> Condition:
    holds = turn.at_ms >= transfer.told_ms
    says = "nothing newer is known of the transfer"
    if not holds:
        says = f"something newer is known of the transfer, of {iso_instant(transfer.told_ms)}"
    return Condition(name="news", holds=holds, says=says, value=transfer.told_ms)


def _after_request(turn: Turn, transfer: Transfer) -> Condition:
    holds = turn.at_ms >= asked_from_ms(transfer)
    says = "from before the request" if not holds else "not from before the request"
    return Condition(name="request", holds=holds, says=says, value=transfer.requested_ms)
