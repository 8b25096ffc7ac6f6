"""Engagement progress: which engagements are on track, which are not, and who is told (contract 6.5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from app.domain.crossings import DigestItem, MemberMoved
from app.domain.engagement_state import Track
from app.domain.engagements import NOT_TRACKING, OFF_TRACK, ON_TRACK, gained, owner_of, reference_ms
from app.domain.events import EngagementEvent
from app.domain.instants import MINUTE_MS, WEEK_MS, iso_instant
from app.domain.lifecycle import Move
from app.domain.nudge_state import Message
from app.domain.nudges import plan_nudge, suppress_nudge
from app.domain.outputs import TrackChanged
from app.domain.pending import COACH, MEMBER, OWNER
from app.domain.playbook import Interest, Leaving
from app.domain.timers import arm, cancel, cancel_all
from app.domain.workflow import is_open, open_workflow, resolve_workflow, stem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from app.domain.engagement_state import Engagement
    from app.domain.member import Member
    from app.domain.timers import Timer
    from app.domain.turn import Turn

OFF_TRACK_TIMER = "off_track"
COACHEE_TEMPLATE = "off_track_coachee"
COACH_TEMPLATE = "off_track_coach"
DIGEST_TEMPLATE = "off_track_digest"
DEFAULT = "default"

STARTED, WENT_OFF, BACK, ENDED = "started", "off_track", "back_on_track", "engagement_ended"
MERGED, REMOVED = "merged", "playbook_removed"

MOVES = (
    Move(NOT_TRACKING, STARTED, ON_TRACK, "the clock has started, and the threshold is not reached"),
    Move(NOT_TRACKING, WENT_OFF, OFF_TRACK, "the threshold was reached before the clock's start was known"),
    Move(ON_TRACK, WENT_OFF, OFF_TRACK, "the threshold is reached, and nothing lies ahead"),
    Move(OFF_TRACK, BACK, ON_TRACK, "a session or call lies ahead, or was held lately"),
    Move(ON_TRACK, ENDED, NOT_TRACKING, "DEACTIVATED or COMPLETED"),
    Move(OFF_TRACK, ENDED, NOT_TRACKING, "DEACTIVATED or COMPLETED"),
    Move(NOT_TRACKING, MERGED, ON_TRACK, "gained from a member merged into this one"),
    Move(NOT_TRACKING, MERGED, OFF_TRACK, "gained from a member merged into this one"),
    Move(ON_TRACK, REMOVED, NOT_TRACKING, "its playbook is gone"),
    Move(OFF_TRACK, REMOVED, NOT_TRACKING, "its playbook is gone"),
)
"""Every legal change of an engagement's status, by the reason that track-changed gives; the documents' diagram is drawn
from this table. A change that is not in it is a bug."""

_LEGAL = {(move.before, move.name, move.after) for move in MOVES}


class IllegalChange(Exception):  # noqa: N818  a bug, not an error of anyone outside
    """A rule tried a change of status that is not in `MOVES`."""


@dataclass(frozen=True)
class Template:
    """The settings an engagement copies at its launch.

    Attributes:
        threshold_ms: without a session for this long it is off track; None: it is not tracked.
        notifies: whether anybody is told.
    """

    threshold_ms: int | None = 3 * WEEK_MS
    notifies: bool = True


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One compiled `kind = "progress"` playbook. Satisfies `playbook.Playbook`.

    Going off track is a timer's doing alone, also where the threshold was passed before anybody knew: such a timer
    fires at once. There is one timer a member, for the engagement that is next; the others' instants lie with the
    engagements, where an event that has to do with none need not read them.

    Attributes:
        name, version: see `playbook.Playbook`.
        templates: by name; `default` is among them.
        digest_ms: how long an owner's digest collects.
    """

    kind: ClassVar[str] = "progress"

    name: str
    version: str
    templates: Mapping[str, Template] = field(default_factory=lambda: {DEFAULT: Template(None)})
    digest_ms: int = 15 * MINUTE_MS

    def reactions(self) -> Iterable[tuple[Interest, Callable[[Turn, Any], None]]]:
        """Engagement records, merges, and the end."""
        yield (EngagementEvent, None), self._hear
        yield (MemberMoved, None), self._merged
        yield (Leaving, None), self._leave

    def fire(self, turn: Turn, timer: Timer) -> None:
        """The threshold of an engagement is reached; of several at one instant, those after it fire next."""
        due = self.next_due(turn.member)
        if due is not None and due[0] <= timer[0]:
            self._go_off(turn, due[1])
        self._arm(turn)

    def next_due(self, member: Member) -> tuple[int, str] | None:
        """Which engagement goes off track next, and when: (due_ms, engagement_id); None: none does."""
        return min(
            (
                (track.due_ms, engagement_id)
                for engagement_id, engagement in member.engagements().items()
                if (track := engagement.tracks.get(self.name)) is not None and track.due_ms is not None
            ),
            default=None,
        )

    def rearm(self, turn: Turn) -> None:
        """Track the engagements this playbook has not met. Those it has keep the settings they copied."""
        if turn.hot.has_engagements:
            for engagement_id, engagement in turn.member.engagements().items():
                if self.name not in engagement.tracks:
                    self._settle(turn, engagement_id, engagement)
            self._arm(turn)

    def _hear(self, turn: Turn, event: EngagementEvent) -> None:
        self._settle(turn, event.engagement_id, turn.member.engagements()[event.engagement_id])
        self._arm(turn)

    def _merged(self, turn: Turn, moved: MemberMoved) -> None:
        """Announce the engagements gained. Nothing opens and nobody is told again: nothing happened to them."""
        engagements = turn.member.engagements()
        for engagement_id, gone in gained(moved).items():
            engagement = engagements[engagement_id]
            track = engagement.tracks.get(self.name)
            if track is not None and track.status == NOT_TRACKING and track.since_ms is not None:
                self._change(turn, engagement_id, track, OFF_TRACK, MERGED)
                self._settle(turn, engagement_id, engagement)
                continue
            other = gone.tracks.get(self.name)
            if other is not None and other.since_ms is not None:
                self._withdraw(turn, engagement_id, other)
            self._settle(turn, engagement_id, engagement, start=MERGED)
        self._arm(turn)

    def _leave(self, turn: Turn, reason: str) -> None:
        """A forgotten member stands in no digest any more; after a merge the engagement goes on, and stays in it."""
        if reason == "forgotten" and turn.hot.has_engagements:
            for engagement_id, engagement in turn.member.engagements().items():
                track = engagement.tracks.get(self.name)
                if track is not None and track.status == OFF_TRACK:
                    self._withdraw(turn, engagement_id, track)

    def _settle(self, turn: Turn, engagement_id: str, engagement: Engagement, start: str = STARTED) -> None:
        """Bring the status in line with what is known of the engagement now, but for going off track."""
        track = self._track(engagement)
        track.due_ms = None
        reference = reference_ms(engagement)
        turn.member.engagements_changed()
        if track.threshold_ms is None or reference is None:
            if track.status != NOT_TRACKING:
                self._end(turn, engagement_id, track)
            return
        due_ms = reference + track.threshold_ms
        if due_ms <= turn.hot.now_ms:
            track.due_ms = None if track.status == OFF_TRACK else due_ms
            return
        track.due_ms = due_ms
        if track.status == OFF_TRACK:
            self._come_back(turn, engagement_id, track)
        elif track.status == NOT_TRACKING:
            self._change(turn, engagement_id, track, ON_TRACK, start)

    def _track(self, engagement: Engagement) -> Track:
        """The playbook's track of an engagement, with the settings it copied; a template named since is copied now."""
        track = engagement.tracks.get(self.name)
        if track is None or track.template != engagement.template:
            template = self.settings_of(engagement)
            if track is None:
                track = engagement.tracks[self.name] = Track()
            track.template = engagement.template
            track.threshold_ms, track.notifies = template.threshold_ms, template.notifies
        return track

    def settings_of(self, engagement: Engagement) -> Template:
        """The settings the playbook's track of an engagement has, or is to copy now."""
        track = engagement.tracks.get(self.name)
        if track is not None and track.template == engagement.template:
            return Template(track.threshold_ms, track.notifies)
        return self.templates.get(engagement.template or DEFAULT, self.templates[DEFAULT])

    def _go_off(self, turn: Turn, engagement_id: str) -> None:
        engagement = turn.member.engagements()[engagement_id]
        track = engagement.tracks[self.name]
        track.due_ms, track.since_ms = None, turn.hot.now_ms
        self._change(turn, engagement_id, track, OFF_TRACK, WENT_OFF)
        context = {"engagement_id": engagement_id, "phase": engagement.phase.lower()}
        reference = reference_ms(engagement)
        if reference is not None:
            context["reference"] = iso_instant(reference)
        workflow = stem(self.name, engagement_id)
        if not is_open(turn, workflow):
            open_workflow(turn, self, workflow, WENT_OFF, context)
        if track.notifies if engagement.notifies is None else engagement.notifies:
            self._tell(turn, engagement_id, engagement, context)
        turn.member.engagements_changed()

    def _tell(self, turn: Turn, engagement_id: str, engagement: Engagement, context: dict[str, str]) -> None:
        """One nudge each to coachee and coach; the owner's goes through the digest, or nowhere without an owner."""
        workflow = stem(self.name, engagement_id)
        coachee = Message(MEMBER, COACHEE_TEMPLATE, context=context)
        if turn.member.cold().profile.record_type == "INTERNAL":
            suppress_nudge(turn, self, coachee, "recipient_excluded", stem=workflow)
        else:
            plan_nudge(turn, self, coachee, stem=workflow)
        coach = Message(COACH, COACH_TEMPLATE, recipient_id=engagement.coach_id, context=context)
        plan_nudge(turn, self, coach, stem=workflow)
        owner_id = owner_of(engagement, turn.member)
        if owner_id is None:
            plan_nudge(turn, self, Message(OWNER, DIGEST_TEMPLATE, context=context), stem=workflow)
            return
        track = engagement.tracks[self.name]
        track.owner_id, track.listed_as = owner_id, turn.member.key
        self._item(turn, engagement_id, track, off_track=True)

    def _come_back(self, turn: Turn, engagement_id: str, track: Track) -> None:
        self._change(turn, engagement_id, track, ON_TRACK, BACK)
        self._close(turn, engagement_id, track, BACK)

    def _end(self, turn: Turn, engagement_id: str, track: Track) -> None:
        was_off = track.status == OFF_TRACK
        self._change(turn, engagement_id, track, NOT_TRACKING, ENDED)
        if was_off:
            self._close(turn, engagement_id, track, ENDED)

    def _close(self, turn: Turn, engagement_id: str, track: Track, resolution: str) -> None:
        """The workflow has done its work, unless an operator has resolved it before; the owner need not know any more."""
        workflow = stem(self.name, engagement_id)
        if is_open(turn, workflow):
            resolve_workflow(turn, self, workflow, resolution)
        self._withdraw(turn, engagement_id, track)

    def _withdraw(self, turn: Turn, engagement_id: str, track: Track) -> None:
        if track.owner_id is not None:
            self._item(turn, engagement_id, track, off_track=False)
            track.owner_id, track.listed_as = None, ""

    def _item(self, turn: Turn, engagement_id: str, track: Track, *, off_track: bool) -> None:
        """Tell the owner's digest. Each item follows an output of its own turn, so its id is never used again."""
        turn.sink.emit(
            DigestItem(
                event_id=f"{turn.member.key}/{turn.hot.sequence}/{engagement_id}/{'off' if off_track else 'on'}",
                occurred_at=turn.hot.now_ms,
                cause=turn.cause,
                owner_id=track.owner_id or "",
                member_id=track.listed_as,
                engagement_id=engagement_id,
                playbook=self.name,
                off_track=off_track,
            )
        )

    def _change(self, turn: Turn, engagement_id: str, track: Track, status: str, reason: str) -> None:
        _check(track, status, reason)
        track.status = status
        if status != OFF_TRACK:
            track.since_ms = None
        turn.page_urgent = True
        turn.emit(
            TrackChanged,
            self,
            engagement_id=engagement_id,
            status=status,
            off_track_since=track.since_ms,
            reason=reason,
        )

    def _arm(self, turn: Turn) -> None:
        """Wait for the engagement that is next to go off track."""
        due = self.next_due(turn.member)
        if due is None:
            cancel(turn.hot.timers, OFF_TRACK_TIMER, self.name)
        else:
            arm(turn.hot.timers, due[0], OFF_TRACK_TIMER, self.name)


def retire_tracks(turn: Turn, is_present: Callable[[str], bool]) -> None:
    """Let go of what playbooks that are gone have made of the engagements; `is_present` knows those of today by name.

    Their workflows are resolved before, and digests forget their items by themselves.
    """
    if not turn.hot.has_engagements:
        return
    for engagement_id, engagement in turn.member.engagements().items():
        for name in [each for each in engagement.tracks if not is_present(each)]:
            track = engagement.tracks.pop(name)
            cancel_all(turn.hot.timers, name)
            turn.member.engagements_changed()
            if track.status != NOT_TRACKING:
                _check(track, NOT_TRACKING, REMOVED)
                turn.page_urgent = True
                turn.emit(
                    TrackChanged, None, engagement_id=engagement_id, status=NOT_TRACKING, reason=REMOVED
                )


def _check(track: Track, status: str, reason: str) -> None:
    if (track.status, reason, status) not in _LEGAL:
        raise IllegalChange(f"no change from {track.status} to {status} is called {reason}")
