"""What came of workflows and nudges, counted from the records that tell of them, in whatever order these come."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import singledispatchmethod
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from app.domain.events import Activity
from app.domain.outputs import Nudge, NudgeSuppressed, WorkflowOpened, WorkflowResolved
from app.domain.policy import hold_out_rank
from app.tools.reports.lift import Lift, Share, lift

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIMENSIONS = ("playbook", "reason", "template", "channel")
FEEDBACK = ("delivered", "opened", "clicked", "bounced")

SUCCESSES: dict[str, frozenset[str]] = {
    "reengager": frozenset({"transferred", "manually_transferred"}),
    "score": frozenset({"condition_false"}),
    "reactivation": frozenset({"response_closed"}),
    "high_intent": frozenset({"converted"}),
    "progress": frozenset({"back_on_track"}),
}
"""By kind of playbook: the resolutions its workflows are opened for. Lift compares how often they are reached."""

Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Resolved:
    """Workflows resolved alike, and the median time from opening to that."""

    count: int
    median_ms: int


class Compared(NamedTuple):
    """The workflows of one playbook (and reason) that were nudged and those held out, and the lift between them."""

    treated: Share
    held_out: Share
    lift: Lift


class Row(NamedTuple):
    """What is known of one combination of the dimensions asked for.

    Attributes:
        key: the dimensions' values; None where there is none (a suppressed nudge has no channel).
        workflows: how many were opened.
        nudged: nudges sent.
        suppressed: nudges suppressed, by reason.
        feedback: of the nudges sent, how many were delivered, opened, clicked, bounced.
        attributed: of the nudges sent, to how many a conversion was attributed.
        resolved: by resolution.
        unresolved: workflows still open.
        compared: None where nobody was held out or not everything in the row is of one playbook.
    """

    key: Key
    workflows: int
    nudged: int
    suppressed: dict[str, int]
    feedback: dict[str, int]
    attributed: int
    resolved: dict[str, Resolved]
    unresolved: int
    compared: Compared | None


@dataclass(slots=True)
class _Workflow:
    playbook: str | None = None
    kind: str = ""
    reason: str | None = None
    member_id: str = ""
    opened_ms: int = 0
    resolution: str | None = None
    resolved_ms: int = 0
    nudges: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        return self.resolution in SUCCESSES.get(self.kind, ())


class _Outcome(NamedTuple):
    playbook: str | None
    workflow_id: str | None
    member_id: str
    role: str
    template: str
    channel: str | None
    suppressed: str | None


class OutcomeCounts:
    """Takes records and gives rows. Repetitions of a record change nothing."""

    def __init__(self) -> None:
        self._workflows: defaultdict[str, _Workflow] = defaultdict(_Workflow)
        self._outcomes: dict[str, _Outcome] = {}
        self._feedback: dict[str, set[str]] = {word: set() for word in FEEDBACK}
        self._attributed: set[str] = set()

    @singledispatchmethod
    def take(self, record: object) -> None:
        """Note a record; one that tells nothing of outcomes changes nothing."""

    @take.register
    def _(self, record: WorkflowOpened) -> None:
        workflow = self._workflows[record.workflow_id]
        workflow.playbook, workflow.kind, workflow.reason = record.playbook, record.kind, record.reason
        workflow.member_id, workflow.opened_ms = record.member_id, record.occurred_at

    @take.register
    def _(self, record: WorkflowResolved) -> None:
        workflow = self._workflows[record.workflow_id]
        workflow.resolution, workflow.resolved_ms = record.resolution, record.occurred_at
        workflow.opened_ms = record.opened_at
        if record.attributed_nudge is not None:
            self._attributed.add(record.attributed_nudge)

    @take.register
    def _(self, record: Nudge) -> None:
        self._note(record, record.channel, None)

    @take.register
    def _(self, record: NudgeSuppressed) -> None:
        self._note(record, None, record.reason)

    @take.register
    def _(self, record: Activity) -> None:
        noun, _, word = record.type.partition(".")
        nudge_id = record.attributes.get("nudge_id")
        if noun == "nudge" and word in self._feedback and isinstance(nudge_id, str):
            self._feedback[word].add(nudge_id)

    def _note(self, record: Nudge | NudgeSuppressed, channel: str | None, suppressed: str | None) -> None:
        if record.nudge_id in self._outcomes:
            return
        self._outcomes[record.nudge_id] = _Outcome(
            record.playbook,
            record.workflow_id,
            record.member_id,
            record.recipient_role,
            record.template,
            channel,
            suppressed,
        )
        if record.workflow_id is not None:
            self._workflows[record.workflow_id].nudges.append(record.nudge_id)

    def rows(self, by: Sequence[str] = DIMENSIONS) -> list[Row]:
        """A row for each combination of these dimensions that occurs, in their order, None last.

        A workflow is counted in every row that one of its nudges is in, and once in each.
        """
        workflows: defaultdict[Key, list[_Workflow]] = defaultdict(list)
        nudges: defaultdict[Key, list[str]] = defaultdict(list)
        for workflow in self._workflows.values():
            for key in self._keys(workflow, by):
                workflows[key].append(workflow)
        for nudge_id, outcome in self._outcomes.items():
            nudges[self._key(outcome, by)].append(nudge_id)
        compared = self._compared([dimension for dimension in ("playbook", "reason") if dimension in by])
        found = sorted({*workflows, *nudges}, key=lambda key: [(value is None, value or "") for value in key])
        return [self._row(key, by, workflows[key], nudges[key], compared) for key in found]

    def _row(
        self,
        key: Key,
        by: Sequence[str],
        workflows: list[_Workflow],
        nudges: list[str],
        compared: dict[Key, Compared],
    ) -> Row:
        sent = [nudge_id for nudge_id in nudges if self._outcomes[nudge_id].suppressed is None]
        reasons = Counter(self._outcomes[nudge_id].suppressed for nudge_id in nudges)
        group = tuple(
            value for dimension, value in zip(by, key, strict=True) if dimension in ("playbook", "reason")
        )
        return Row(
            key=key,
            workflows=len(workflows),
            nudged=len(sent),
            suppressed=dict(sorted(_named(reasons))),
            feedback={word: len(told.intersection(sent)) for word, told in self._feedback.items()},
            attributed=len(self._attributed.intersection(sent)),
            resolved=_resolved(workflows),
            unresolved=sum(workflow.resolution is None for workflow in workflows),
            compared=compared.get(group) if "playbook" in by else None,
        )

    def _keys(self, workflow: _Workflow, by: Sequence[str]) -> set[Key]:
        outcomes: list[Any] = [self._outcomes[nudge_id] for nudge_id in workflow.nudges] or [None]
        values = {"playbook": workflow.playbook, "reason": workflow.reason}
        return {
            tuple(values[name] if name in values else getattr(outcome, name, None) for name in by)
            for outcome in outcomes
        }

    def _key(self, outcome: _Outcome, by: Sequence[str]) -> Key:
        workflow = None if outcome.workflow_id is None else self._workflows[outcome.workflow_id]
        reason = None if workflow is None else workflow.reason
        return tuple(reason if name == "reason" else getattr(outcome, name) for name in by)

    def _compared(self, by: Sequence[str]) -> dict[Key, Compared]:
        """The two groups of each playbook (and reason). Each workflow is in one of them, whatever became of it.

        Were those left out to whom nothing could be sent, the groups would no longer be of one kind of member.
        """
        last_rank = self._last_ranks_held_out()
        groups: defaultdict[tuple[Key, bool], list[_Workflow]] = defaultdict(list)
        for workflow in self._workflows.values():
            if workflow.playbook in last_rank:
                key = tuple(getattr(workflow, name) for name in by)
                groups[key, self._is_held_out(workflow, last_rank[workflow.playbook])].append(workflow)
        found = {}
        for key, _ in list(groups):
            treated, held_out = (_share(groups.get((key, is_held_out), [])) for is_held_out in (False, True))
            difference = lift(treated, held_out)
            if difference is not None:
                found[key] = Compared(treated, held_out, difference)
        return found

    def _last_ranks_held_out(self) -> dict[str | None, float]:
        """By playbook: how far in its members' order those reach who were held out."""
        last: dict[str | None, float] = {}
        for outcome in self._outcomes.values():
            if outcome.suppressed == "held_out" and outcome.playbook is not None:
                rank = hold_out_rank(outcome.playbook, outcome.member_id)
                last[outcome.playbook] = max(rank, last.get(outcome.playbook, rank))
        return last

    def _is_held_out(self, workflow: _Workflow, last_rank: float) -> bool:
        """Its nudges tell; of a workflow that ended before any was judged, the member's place in the order does."""
        told = {
            outcome.suppressed
            for nudge_id in workflow.nudges
            if (outcome := self._outcomes[nudge_id]).role == "MEMBER"
        } - {"workflow_resolved"}
        if told:
            return "held_out" in told
        return hold_out_rank(str(workflow.playbook), workflow.member_id) <= last_rank


def _named(reasons: Counter[str | None]) -> Iterator[tuple[str, int]]:
    return ((reason, count) for reason, count in reasons.items() if reason is not None)


def _resolved(workflows: list[_Workflow]) -> dict[str, Resolved]:
    spans: defaultdict[str, list[int]] = defaultdict(list)
    for workflow in workflows:
        if workflow.resolution is not None:
            spans[workflow.resolution].append(workflow.resolved_ms - workflow.opened_ms)
    return {name: Resolved(len(each), round(median(each))) for name, each in sorted(spans.items())}


def _share(workflows: list[_Workflow]) -> Share:
    return Share(sum(workflow.succeeded for workflow in workflows), len(workflows))
