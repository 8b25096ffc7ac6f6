"""Why a re-engager did what it did (contract 6.1): tag, workflow, set-up, transfer and the desk's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.crossings import MemberMoved, TransferAnswer
from app.domain.events import Activity, TransferEvent
from app.domain.explain.considered import Condition, Considered, Due, Outcome, Seen, is_among, span_text
from app.domain.explain.workflows import none_open
from app.domain.inactivity import Verdict, judge
from app.domain.instants import iso_instant
from app.domain.outputs import (
    Nudge,
    NudgeSuppressed,
    TagChanged,
    TransferFailed,
    TransferRequested,
    WorkflowOpened,
    WorkflowResolved,
)
from app.domain.reengager import INACTIVE_TIMER, Reengager
from app.domain.state import ReengagerState
from app.domain.tags import carries
from app.domain.transfer import OVERDUE_TEMPLATE, WAITING, is_asked_for, may
from app.domain.transfer_state import SetUp, Transfer
from app.domain.workflow import workflow_id, workflow_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.member import Member
    from app.domain.timers import Timer
    from app.domain.turn import Turn

OPENS = Outcome("a workflow opens", WorkflowOpened.topic)
RESOLVES = Outcome("the workflow is resolved", WorkflowResolved.topic)
REQUESTS = Outcome("a transfer is asked for", TransferRequested.topic)
FAILS = Outcome("an attempt counts as failed", TransferFailed.topic)

_KEYS = {
    WorkflowOpened.topic: "inactivity.activities",
    TransferRequested.topic: "setup.completed_by",
    TransferFailed.topic: "transfer.max_attempts",
    WorkflowResolved.topic: "transfer",
    Nudge.topic: "transfer.max_lag",
    NudgeSuppressed.topic: "transfer.max_lag",
}


class ReengagerExplainer:
    """Satisfies `registry.Explainer`."""

    def consider(self, playbook: Reengager, turn: Turn, event: Any) -> Iterator[Considered]:
        """What the playbook is about to look at; see `registry.Explainer`."""
        match event:
            case Seen(record=MemberMoved()):
                # The history of the other decides, when it is taken over.
                return
            case Seen():
                yield self._first_seen(playbook)
            case Activity():
                yield from self._activity(playbook, turn, event)
            case TransferEvent():
                yield from self._transfer_event(playbook, turn, event)
            case TransferAnswer():
                yield from self._answer(playbook, turn, event)
            case Due(name=name):
                yield (self._silence if name == INACTIVE_TIMER else self._overdue)(playbook, turn)
            case _:
                return

    def standing(self, playbook: Reengager, turn: Turn) -> Iterator[Considered]:
        """What it waits for: silence, a return, the end of the set-up."""
        yield self._silence(playbook, turn)
        types, channels = sorted(playbook.activities), sorted(playbook.channels)
        event = Condition(
            name="activity",
            holds=False,
            says=f"waits for one of {', '.join(types)} on {' or '.join(channels)}",
            needed=types,
            key="inactivity.activities",
        )
        yield Considered(
            playbook.name,
            OPENS,
            [_inactive(playbook, turn), none_open(turn, playbook.name), event],
        )
        yield Considered(
            playbook.name, REQUESTS, [*_completed(playbook, turn), _pending(_transfer(playbook, turn))]
        )

    def awaits(self, playbook: Reengager, timer: Timer, member: Member) -> str:
        """What one of its timers is for."""
        if timer[1] == INACTIVE_TIMER:
            return f'adds tag "{playbook.tag}", unless there is a qualifying activity before'
        state = member.hot.states.get(playbook.name)
        transfer = state.transfer if isinstance(state, ReengagerState) else None
        pool = "" if transfer is None else f" of pool {transfer.pool}"
        return f"tells the operators that nobody has answered the transfer request{pool}"

    def decided_by(self, playbook: Reengager, output: Any) -> str:  # noqa: ARG002  its keys are always the same
        """The key behind an output."""
        if isinstance(output, TagChanged):
            return "inactivity.after" if output.reason == "inactive" else "inactivity.tag"
        return _KEYS.get(output.topic, "")

    def _first_seen(self, playbook: Reengager) -> Considered:
        first = Condition(
            name="first_seen",
            holds=True,
            says="first record of the member, who has never been active",
            key="inactivity.tag",
        )
        fields = {"tag": playbook.tag, "action": "ADDED"}
        return Considered(
            playbook.name, Outcome(f'tag "{playbook.tag}" is added', TagChanged.topic, fields), [first]
        )

    def _activity(self, playbook: Reengager, turn: Turn, activity: Activity) -> Iterator[Considered]:
        completes = activity.type in playbook.setup.completed_by
        if completes:
            transfer = _transfer(playbook, turn)
            yield Considered(playbook.name, REQUESTS, [_counts(turn, transfer, activity), _pending(transfer)])
        of_setup = completes or activity.type in playbook.setup.steps
        if of_setup and activity.type not in playbook.activities:
            return
        qualifies = [
            is_among("type", activity.type, playbook.activities, "inactivity.activities"),
            is_among("channel", activity.channel, playbook.channels, "inactivity.channels"),
        ]
        tagged = carries(turn, playbook.tag)
        conditions = [*qualifies, _inactive(playbook, turn)]
        if tagged:
            verdict = _verdict(playbook, turn)
            fields = {"tag": playbook.tag, "action": "REMOVED"}
            removed = Outcome(f'tag "{playbook.tag}" is removed', TagChanged.topic, fields)
            holds = verdict is not Verdict.KEEP_TAG
            yield Considered(
                playbook.name, removed, [*conditions, _return(playbook, turn, verdict, holds=holds)]
            )
            holds = verdict is Verdict.RETURN
            conditions.append(_return(playbook, turn, verdict, holds=holds))
        yield Considered(playbook.name, OPENS, [*conditions, none_open(turn, playbook.name)])

    def _silence(self, playbook: Reengager, turn: Turn) -> Considered:
        state = _state(playbook, turn)
        last_ms = None if state is None else state.last_ms
        since_ms = None if last_ms is None else turn.at_ms - last_ms
        silent = Condition(
            name="silence",
            holds=since_ms is None or since_ms >= playbook.after_ms,
            says="never active"
            if since_ms is None
            else f"last activity {span_text(since_ms)} ago, needs {span_text(playbook.after_ms)}",
            value=since_ms,
            needed=playbook.after_ms,
            key="inactivity.after",
        )
        since_tag_ms = (turn.hot.tags or {}).get(playbook.tag)
        untagged = Condition(
            name="tag",
            holds=since_tag_ms is None,
            says=f'does not carry tag "{playbook.tag}"'
            if since_tag_ms is None
            else f'carries tag "{playbook.tag}" already, since {iso_instant(since_tag_ms)}',
            value=since_tag_ms,
            key="inactivity.tag",
        )
        fields = {"tag": playbook.tag, "action": "ADDED"}
        added = Outcome(f'tag "{playbook.tag}" is added', TagChanged.topic, fields)
        return Considered(playbook.name, added, [untagged, silent])

    def _overdue(self, playbook: Reengager, turn: Turn) -> Considered:
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

    def _transfer_event(self, playbook: Reengager, turn: Turn, event: TransferEvent) -> Iterator[Considered]:
        transfer = _transfer(playbook, turn)
        match event.type:
            case "PROGRAM_ASSIGNED":
                setup = _setup(playbook, turn)
                done_ms = None if setup is None else setup.completed_ms
                ahead = Condition(
                    name="completed",
                    holds=done_ms is not None and done_ms > turn.at_ms,
                    says="the set-up was not completed after it"
                    if done_ms is None or done_ms <= turn.at_ms
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

    def _answer(self, playbook: Reengager, turn: Turn, answer: TransferAnswer) -> Iterator[Considered]:
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


def _state(playbook: Reengager, turn: Turn) -> ReengagerState | None:
    state = turn.hot.states.get(playbook.name)
    return state if isinstance(state, ReengagerState) else None


def _transfer(playbook: Reengager, turn: Turn) -> Transfer:
    state = _state(playbook, turn)
    return Transfer() if state is None or state.transfer is None else state.transfer


def _setup(playbook: Reengager, turn: Turn) -> SetUp | None:
    state = _state(playbook, turn)
    return None if state is None else state.setup


def _verdict(playbook: Reengager, turn: Turn) -> Verdict:
    state = _state(playbook, turn)
    last_ms = None if state is None else state.last_ms
    return judge(turn.at_ms, turn.hot.now_ms, late=turn.late, last_ms=last_ms, after_ms=playbook.after_ms)


def _inactive(playbook: Reengager, turn: Turn) -> Condition:
    state = _state(playbook, turn)
    holds = carries(turn, playbook.tag)
    if holds:
        says = (
            f'inactive: carries tag "{playbook.tag}" since {iso_instant((turn.hot.tags or {})[playbook.tag])}'
        )
        value = None
    else:
        last_ms = None if state is None else state.last_ms
        value = None if last_ms is None else turn.at_ms - last_ms
        says = f'not inactive: does not carry tag "{playbook.tag}"'
        if value is not None and value >= 0:
            says = f"not inactive: last activity {span_text(value)} ago, needs {span_text(playbook.after_ms)}"
        elif value is not None:
            says = f"not inactive: there was activity {span_text(-value)} later"
    return Condition(
        name="inactive",
        holds=holds,
        says=says,
        value=value,
        needed=playbook.after_ms,
        key="inactivity.after",
    )


def _return(playbook: Reengager, turn: Turn, verdict: Verdict, *, holds: bool) -> Condition:
    """What is made of an activity that may have come late (contract 5, "Late")."""
    state = _state(playbook, turn)
    last_ms = None if state is None else state.last_ms
    if not turn.late:
        says = "the activity came in time"
    elif last_ms is None:
        says = "late, and there was none before it"
    else:
        gap, limit = span_text(turn.at_ms - last_ms), span_text(playbook.after_ms)
        says = {
            Verdict.RETURN: f"late, and the gap before it, {gap}, reaches {limit}",
            Verdict.RETRACT: f"late, and the gap before it, {gap}, is under {limit}: the tag was wrong",
            Verdict.KEEP_TAG: f"late, {gap} after the last known activity: says nothing of the tag of now",
        }[verdict]
    return Condition(name="return", holds=holds, says=says, value=verdict.value, key="inactivity.after")


def _opened_before(playbook: Reengager, turn: Turn) -> Condition:
    workflow = workflow_of(turn, playbook.name)
    if workflow is None:
        return Condition(name="open", holds=False, says="no workflow is open")
    holds = workflow.opened_ms <= turn.at_ms
    since = iso_instant(workflow.opened_ms)
    name = workflow_id(playbook.name, turn.member.key, workflow.number)
    says = (
        f"workflow {name} is open since {since}" if holds else f"workflow {name} opened after it, at {since}"
    )
    return Condition(name="open", holds=holds, says=says, value=name)


def _counts(turn: Turn, transfer: Transfer, activity: Activity) -> Condition:
    """Set-up from before the program was assigned counts no more."""
    holds = turn.at_ms >= transfer.assigned_ms
    says = f"{activity.type} completes the set-up"
    if not holds:
        says = (
            f"{activity.type} is from before the program was assigned, at {iso_instant(transfer.assigned_ms)}"
        )
    return Condition(name="completed", holds=holds, says=says, value=activity.type, key="setup.completed_by")


def _completed(playbook: Reengager, turn: Turn) -> list[Condition]:
    setup = _setup(playbook, turn)
    done_ms = None if setup is None else setup.completed_ms
    says = "the set-up is not completed"
    if done_ms is not None:
        says = f"the set-up is completed, since {iso_instant(done_ms)}"
    return [
        Condition(
            name="completed", holds=done_ms is not None, says=says, value=done_ms, key="setup.completed_by"
        )
    ]


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
    holds = turn.at_ms >= transfer.requested_ms
    says = "from before the request" if not holds else "not from before the request"
    return Condition(name="request", holds=holds, says=says, value=transfer.requested_ms)
