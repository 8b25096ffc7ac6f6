"""Watching one member while the real rules run: every record and timer becomes a step, told as soon as it is over.

The rules are those of `members.py`; what is added stands around them, and only where somebody explains: a worker has
none of it. Each playbook's reactions are watched through the set of playbooks, the verdicts on nudges likewise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.crossings import Crossing, MemberMoved
from app.domain.explain.considered import Due, Seen
from app.domain.explain.facts import consider_facts
from app.domain.explain.nudges import judged, unjudged
from app.domain.explain.picture import Picture, difference, picture_of
from app.domain.explain.registry import EXPLAINERS
from app.domain.explain.step import APPLIED, DUPLICATE, IGNORED, REFUSED, SENT_ON, Step
from app.domain.hop import Hop
from app.domain.members import MemberCore
from app.domain.nudges import judge
from app.domain.outputs import NudgeSuppressed, Output
from app.domain.playbook import FirstSeen, Leaving
from app.domain.playbook_set import PlaybookSet
from app.domain.recent_ids import hash_id
from app.domain.sink import Refused
from app.domain.snapshot import SNAPSHOT_TIMER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.domain.explain.considered import Considered
    from app.domain.member import Member
    from app.domain.nudge_state import Pending
    from app.domain.nudges import Verdict
    from app.domain.playbook import Interest, Playbook
    from app.domain.scores import ScoreChange
    from app.domain.sink import Sink
    from app.domain.timers import Timer
    from app.domain.turn import Turn


class WatchedMembers(MemberCore):
    """Satisfies `entity.Core` for members, by the rules of `MemberCore`, and tells the steps of one of them.

    Args:
        playbooks: by which it is decided.
        member_id: who is watched.

    Attributes:
        tell: called with each step when it is over, in the order in which the steps happen. One of the timer that
            only writes the member's page is not told.
        place: of the record applied next, for its step.
        recorded: for the steps to come, see `Step.recorded`.
        under: hash of other playbooks under which the steps to come were decided; empty: under these.
        ids: everybody who was met.
        member: who is watched, as it stands; None: nobody has heard of it.
    """

    def __init__(self, playbooks: PlaybookSet, member_id: str) -> None:
        self.member_id = member_id
        self.place = ""
        self.recorded = True
        self.under = ""
        self.ids: set[str] = set()
        self.member: Member | None = None
        self.tell: Callable[[Step], None] = lambda _: None
        self._under_way: _UnderWay | None = None
        super().__init__(_WatchedSet(playbooks, self))

    @property
    def under_way(self) -> _UnderWay | None:
        """The step under way of the watched member; None: between two."""
        return self._under_way

    def new(self, key: str) -> Member:
        """See `entity.Core.new`."""
        self.ids.add(key)
        return super().new(key)

    def apply(self, entity: Member, record: Any, sink: Sink, hop: Hop | None = None) -> bool:
        """See `MemberCore.apply`, which does it; a record that comes with its hop is part of the step of that."""
        if entity.key != self.member_id or hop is not None:
            return super().apply(entity, record, sink, hop)
        inner = record.record if isinstance(record, Hop) else record
        known = entity.has_applied(hash_id(inner.event_id))
        step = Step(
            at_ms=record.occurred_at,
            record=inner,
            from_member=record.from_member_id if isinstance(record, Hop) else None,
            place=self.place,
            recorded=self.recorded,
            under=self.under,
        )
        self._under_way = under_way = _UnderWay(step, entity, sink)
        try:
            kept = super().apply(entity, record, sink)
        finally:
            self._under_way = None
        under_way.end()
        if kept:
            self.member = entity
        step.fate, step.detail = _fate(under_way, known=known, kept=kept)
        self.tell(step)
        return kept

    def fire_first(self, entity: Member, sink: Sink) -> None:
        """See `MemberCore.fire_first`, which does it; a record that waits for its timers goes on afterwards."""
        if entity.key != self.member_id:
            super().fire_first(entity, sink)
            return
        waiting = self._under_way
        if waiting is not None:
            waiting.pause()
        timer = entity.hot.timers[0]
        step = Step(at_ms=timer[0], timer=timer, recorded=self.recorded, under=self.under)
        self._under_way = under_way = _UnderWay(step, entity, sink)
        try:
            super().fire_first(entity, sink)
        finally:
            self._under_way = waiting
        under_way.end()
        if timer[1] != SNAPSHOT_TIMER:
            self.tell(step)
        if waiting is not None:
            waiting.resume()


class _UnderWay:
    """A step while it happens."""

    def __init__(self, step: Step, member: Member, sink: Sink) -> None:
        self.step = step
        self.refused: list[Refused] = []
        self.sent_on = ""
        self._member = member
        self._sink = sink
        self._start = 0
        self._before: Picture = {}
        self._timers: set[Timer] = set()
        self._open: list[tuple[Considered, int]] = []
        self._of_chain: list[tuple[Considered, int]] = []
        self._events: list[Any] = []
        self._done: set[tuple[str, int]] = set()
        self._judged: set[int] = set()
        self.resume()

    def resume(self) -> None:
        """It begins, or goes on after timers that were due before it."""
        hot = self._member.hot
        self._start = len(self._sink.outputs)
        self._before, self._timers = picture_of(self._member), set(hot.timers)
        self.step.late = self.step.at_ms < hot.now_ms

    def pause(self) -> None:
        """Timers fire first; what came out so far is kept."""
        self._take()

    def consider(self, playbook: Playbook, turn: Turn, event: Any, *, concerned: bool) -> None:
        """Have the playbook's explainer say what it is about to look at, once for each event."""
        explainer = EXPLAINERS.get(playbook.kind)
        # A playbook may have several reactions to one event. Events are told apart by identity, so they are kept.
        if explainer is None or (playbook.name, id(event)) in self._done:
            return
        self._done.add((playbook.name, id(event)))
        self._events.append(event)
        for considered in explainer.consider(playbook, turn, event):
            considered.concerned = concerned
            self.step.considered.append(considered)
            is_open = self._open if self._is_own(event) else self._of_chain
            is_open.append((considered, len(self._sink.outputs)))

    def facts(self, turn: Turn, record: object) -> None:
        """The record's facts are applied."""
        self.step.considered += consider_facts(turn, record, self._sink.outputs[self._start :])

    def judged(self, turn: Turn, nudge: Pending, verdict: Verdict) -> None:
        """A nudge has got its verdict, which now takes effect."""
        if not verdict.wait_until_ms:
            self._judged.add(len(self._sink.outputs))
        self.step.considered.append(judged(turn, nudge, verdict))

    def chain(self, event: Any) -> bool:
        """Whether the event is one in a chain that the record or timer has set off, as a change of a score is.

        What was considered for the one before has come about by now, or does not.
        """
        if self._is_own(event):
            return False
        self._settle(self._of_chain)
        return True

    def _is_own(self, event: Any) -> bool:
        return event is self.step.record or isinstance(event, Due | Seen)

    def _settle(self, is_open: list[tuple[Considered, int]]) -> None:
        outputs = self._sink.outputs
        for considered, start in is_open:
            if considered.outcome.topic:
                considered.happened = any(
                    considered.outcome.is_shown_by(output)
                    for output in outputs[start:]
                    if isinstance(output, Output) and output.playbook == considered.playbook
                )
        is_open.clear()

    def end(self) -> None:
        """It is over."""
        self._settle(self._of_chain)
        self._settle(self._open)
        self._take()
        step, member = self.step, self._member
        step.now_ms = member.hot.now_ms
        step.changes = difference(self._before, picture_of(member))
        step.armed = [
            timer for timer in member.hot.timers if timer not in self._timers and timer[1] != SNAPSHOT_TIMER
        ]

    def _take(self) -> None:
        """Take over what came out since it began or went on."""
        for place, output in enumerate(self._sink.outputs[self._start :], self._start):
            match output:
                case Output():
                    self.step.outputs.append(output)
                    if isinstance(output, NudgeSuppressed) and place not in self._judged:
                        self.step.considered.append(unjudged(output))
                case Refused():
                    self.refused.append(output)
                case Hop() | MemberMoved():
                    self.sent_on = output.member_id
                    self.step.asked.append(MemberMoved.topic)
                case Crossing():
                    self.step.asked.append(output.topic)
        self._start = len(self._sink.outputs)


class _WatchedSet(PlaybookSet):
    """The same playbooks, each watched."""

    def __init__(self, playbooks: PlaybookSet, watched: WatchedMembers) -> None:
        self._watched = watched
        super().__init__(playbooks.playbooks, playbooks.policy)
        self.fire = {name: _Fire(playbook, watched) for name, playbook in self.by_name.items()}
        self.judge = self._judge

    def reactions(self, record: Any) -> tuple[Callable[[Turn, Any], None], ...]:
        """See `PlaybookSet.reactions`; before them, who is not concerned is asked why."""
        found = super().reactions(record)
        return (_Others(self.playbooks, found, self._watched), *found)

    def score_reactions(self, change: ScoreChange) -> tuple[Callable[[Turn, Any], None], ...]:
        """See `PlaybookSet.score_reactions`; likewise, for a change may concern nobody."""
        found = super().score_reactions(change)
        return (_Others(self.playbooks, found, self._watched), *found)

    def _reactions_of(self, playbook: Playbook) -> Iterable[tuple[Interest, Callable[[Turn, Any], None]]]:
        for interest, reaction in super()._reactions_of(playbook):
            yield interest, _Reaction(playbook, interest[0], reaction, self._watched)

    def _judge(self, turn: Turn, nudge: Pending) -> Verdict:
        verdict = judge(turn, nudge)
        under_way = self._watched.under_way
        if under_way is not None and turn.member.key == self._watched.member_id:
            under_way.judged(turn, nudge, verdict)
        return verdict


class _Fire:
    """What a playbook does about its timers, watched."""

    def __init__(self, playbook: Playbook, watched: WatchedMembers) -> None:
        self._playbook = playbook
        self._watched = watched

    def __call__(self, turn: Turn, timer: Timer) -> None:
        under_way = self._watched.under_way
        if under_way is not None and turn.member.key == self._watched.member_id:
            under_way.consider(self._playbook, turn, Due(*timer), concerned=True)
        self._playbook.fire(turn, timer)


class _Reaction:
    """One reaction of a playbook, watched."""

    def __init__(
        self,
        playbook: Playbook,
        interest: type,
        reaction: Callable[[Turn, Any], None],
        watched: WatchedMembers,
    ) -> None:
        self.playbook = playbook
        self._interest = interest
        self._reaction = reaction
        self._watched = watched

    def __call__(self, turn: Turn, event: Any) -> None:
        under_way = self._watched.under_way
        if (
            under_way is not None
            and self._interest is not Leaving
            and turn.member.key == self._watched.member_id
        ):
            seen = Seen(event) if self._interest is FirstSeen else event
            under_way.consider(self.playbook, turn, seen, concerned=True)
        self._reaction(turn, event)


class _Others:
    """Stands before the reactions to an event: playbooks that are not concerned say why not."""

    def __init__(
        self, playbooks: tuple[Playbook, ...], reactions: tuple[Any, ...], watched: WatchedMembers
    ) -> None:
        concerned = {reaction.playbook.name for reaction in reactions if isinstance(reaction, _Reaction)}
        self._others = [playbook for playbook in playbooks if playbook.name not in concerned]
        self._watched = watched

    def __call__(self, turn: Turn, event: Any) -> None:
        under_way = self._watched.under_way
        if under_way is None or turn.member.key != self._watched.member_id:
            return
        if not under_way.chain(event):
            under_way.facts(turn, event)
        for playbook in self._others:
            under_way.consider(playbook, turn, event, concerned=False)


def _fate(under_way: _UnderWay, *, known: bool, kept: bool) -> tuple[str, str]:
    """What became of a record, and the word on it."""
    step = under_way.step
    did_nothing = not step.outputs and not step.changes
    if under_way.refused and did_nothing:
        refused = under_way.refused[0]
        return REFUSED, f"dead letter {refused.error}: {refused.message}"
    if under_way.sent_on and did_nothing:
        return SENT_ON, f"merged away; sent on to {under_way.sent_on}"
    if known:
        return DUPLICATE, "its event_id is among the last 64 applied"
    if not kept:
        return IGNORED, "commands and answers do not make a member"
    more = [f"dead letter {refused.error}: {refused.message}" for refused in under_way.refused]
    if under_way.sent_on:
        more.append(f"merged into {under_way.sent_on}")
    return APPLIED, "; ".join(more)
