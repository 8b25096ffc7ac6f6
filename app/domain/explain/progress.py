"""Why an engagement is on track, off track, or not tracked at all (contract 6.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.engagement_state import Track
from app.domain.engagements import NOT_TRACKING, OFF_TRACK, ON_TRACK, reference_ms
from app.domain.events import EngagementEvent
from app.domain.explain.considered import Condition, Considered, Due, Outcome, span_text
from app.domain.explain.workflows import is_open, not_open, open_id
from app.domain.instants import iso_instant
from app.domain.outputs import TrackChanged, WorkflowOpened, WorkflowResolved
from app.domain.progress import DEFAULT
from app.domain.workflow import stem, workflow_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.engagement_state import Engagement
    from app.domain.member import Member
    from app.domain.progress import Progress
    from app.domain.timers import Timer
    from app.domain.turn import Turn


class ProgressExplainer:
    """Satisfies `registry.Explainer`."""

    def consider(self, playbook: Progress, turn: Turn, event: Any) -> Iterator[Considered]:
        """What the playbook is about to look at; see `registry.Explainer`."""
        match event:
            case EngagementEvent():
                engagement = turn.member.engagements().get(event.engagement_id)
                if engagement is not None:
                    yield from self._heard(playbook, turn, event.engagement_id, engagement)
            case Due():
                due = playbook.next_due(turn.member)
                if due is not None:
                    yield from self._reached(playbook, turn, due[1])
            case _:
                return

    def standing(self, playbook: Progress, turn: Turn) -> Iterator[Considered]:
        """Of each engagement, when it would go off track."""
        for engagement_id in turn.member.engagements():
            yield from self._reached(playbook, turn, engagement_id)

    def awaits(self, playbook: Progress, timer: Timer, member: Member) -> str:  # noqa: ARG002  it has one timer only
        """What its timer is for."""
        due = playbook.next_due(member)
        which = "an engagement" if due is None else f"engagement {due[1]}"
        return f"{which} goes off track, unless a session is scheduled or held before"

    def decided_by(self, playbook: Progress, output: Any) -> str:  # noqa: ARG002  its keys are always the same
        """The key behind an output; which template it was, the engagement says."""
        return "templates"

    def _heard(
        self, playbook: Progress, turn: Turn, engagement_id: str, engagement: Engagement
    ) -> Iterator[Considered]:
        """An engagement is known differently: its status may be another."""
        status = _status(playbook, engagement)
        tracked, running = _tracked(playbook, engagement), _running(engagement)
        ahead = _reached(playbook, turn, engagement, holds_if_reached=False)
        off = Condition(
            name="status",
            holds=status != ON_TRACK,
            says=f"engagement {engagement_id} is {status}",
            value=status,
        )
        on_track = [tracked, running, ahead, off]
        yield Considered(playbook.name, _changes(engagement_id, ON_TRACK), on_track)
        is_over = not (tracked.holds and running.holds)
        over = tracked if not tracked.holds else running
        ended = Condition(name="ended", holds=is_over, says=over.says, value=engagement.phase, key=over.key)
        was = Condition(
            name="status",
            holds=status != NOT_TRACKING,
            says=f"engagement {engagement_id} is {status}",
            value=status,
        )
        yield Considered(playbook.name, _changes(engagement_id, NOT_TRACKING), [ended, was])
        settled = Condition(
            name="settled",
            holds=is_over or ahead.holds,
            says=ended.says if is_over else ahead.says,
            key=ahead.key,
        )
        was_off = Condition(
            name="status",
            holds=status == OFF_TRACK,
            says=f"engagement {engagement_id} is {status}",
            value=status,
            needed=OFF_TRACK,
        )
        workflow = stem(playbook.name, engagement_id)
        fields = {"workflow_id": open_id(turn, workflow)}
        resolved = Outcome("the workflow is resolved", WorkflowResolved.topic, fields)
        yield Considered(playbook.name, resolved, [was_off, is_open(turn, workflow), settled])

    def _reached(self, playbook: Progress, turn: Turn, engagement_id: str) -> Iterator[Considered]:
        """The threshold of an engagement is, or is not, reached."""
        engagement = turn.member.engagements()[engagement_id]
        status = _status(playbook, engagement)
        conditions = [
            _tracked(playbook, engagement),
            _running(engagement),
            _reached(playbook, turn, engagement, holds_if_reached=True),
            Condition(
                name="status",
                holds=status != OFF_TRACK,
                says=f"engagement {engagement_id} is {status}",
                value=status,
            ),
        ]
        yield Considered(playbook.name, _changes(engagement_id, OFF_TRACK), conditions)
        none_open = not_open(turn, stem(playbook.name, engagement_id))
        yield Considered(
            playbook.name,
            Outcome(
                "a workflow opens",
                WorkflowOpened.topic,
                {"workflow_id": _next_id(turn, stem(playbook.name, engagement_id))},
            ),
            [*conditions, none_open],
        )


def _changes(engagement_id: str, status: str) -> Outcome:
    fields = {"engagement_id": engagement_id, "status": status}
    return Outcome(f"engagement {engagement_id} becomes {status}", TrackChanged.topic, fields)


def _status(playbook: Progress, engagement: Engagement) -> str:
    return engagement.tracks.get(playbook.name, Track()).status


def _tracked(playbook: Progress, engagement: Engagement) -> Condition:
    threshold_ms = playbook.settings_of(engagement).threshold_ms
    template = engagement.template or DEFAULT
    holds = threshold_ms is not None
    says = f'template "{template}" has no threshold'
    if threshold_ms is not None:
        says = f'template "{template}" has a threshold of {span_text(threshold_ms)}'
    return Condition(
        name="threshold",
        holds=holds,
        says=says,
        value=threshold_ms,
        key=f"templates.{_known(playbook, template)}.threshold",
    )


def _known(playbook: Progress, template: str) -> str:
    return template if template in playbook.templates else DEFAULT


def _running(engagement: Engagement) -> Condition:
    holds = reference_ms(engagement) is not None
    says = f"the clock {'runs' if holds else 'does not run'}: the engagement is {engagement.phase}"
    return Condition(name="clock", holds=holds, says=says, value=engagement.phase)


def _reached(playbook: Progress, turn: Turn, engagement: Engagement, *, holds_if_reached: bool) -> Condition:
    """Whether the threshold is reached by now, or whether it is not."""
    threshold_ms, reference = playbook.settings_of(engagement).threshold_ms, reference_ms(engagement)
    key = f"templates.{_known(playbook, engagement.template or DEFAULT)}.threshold"
    if threshold_ms is None or reference is None:
        return Condition(name="reached", holds=False, says="nothing is tracked", key=key)
    since_ms = turn.hot.now_ms - reference
    says = f"last session or start {span_text(since_ms)} ago, off track after {span_text(threshold_ms)}"
    if since_ms < 0:
        says = f"a session or call lies ahead, at {iso_instant(reference)}"
    is_reached = since_ms >= threshold_ms
    return Condition(
        name="reached" if holds_if_reached else "ahead",
        holds=is_reached is holds_if_reached,
        says=says,
        value=since_ms,
        needed=threshold_ms,
        key=key,
    )


def _next_id(turn: Turn, workflow_stem: str) -> str:
    number = (turn.hot.openings or {}).get(workflow_stem, 0) + 1
    return workflow_id(workflow_stem, turn.member.key, number)
