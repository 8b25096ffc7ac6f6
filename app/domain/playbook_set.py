"""The playbooks that hold for all members of a run, and who of them listens to what."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from app.domain.events import Activity
from app.domain.nudges import judge
from app.domain.playbook import KIND_ORDER, FirstSeen, Leaving
from app.domain.points import Points
from app.domain.policy import Policy
from app.domain.score_index import ScoreIndex
from app.domain.scores import UNCLAMPED, Clamp, ScoreChange, settle_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.domain.nudge_state import Pending
    from app.domain.nudges import Verdict
    from app.domain.playbook import Interest, Playbook
    from app.domain.turn import Turn

_NOBODY: tuple[Callable[[Turn, Any], None], ...] = ()


class PlaybookSet:
    """Compiled playbooks in the order in which they act, by kind, then by name; and the policy beside them.

    Never changed once made. `hash` tells one set of playbooks and policy from another: 12 hex digits, the same in
    every process whatever the order they were given in. `first_seen` is what to do about a member's first record,
    before anything else, `leaving` what to do when it is forgotten or merged away. `fire` is what to do
    about a timer of the playbook of that name, `judge` gives nudges to the member their verdict; `explain` puts itself
    between there. Names must be unique, and clamps of one score equal; the loader has refused others.
    """

    def __init__(self, playbooks: Iterable[Playbook], policy: Policy | None = None) -> None:
        self.playbooks: tuple[Playbook, ...] = tuple(
            sorted(playbooks, key=lambda playbook: (KIND_ORDER.index(playbook.kind), playbook.name))
        )
        self.by_name: dict[str, Playbook] = {playbook.name: playbook for playbook in self.playbooks}
        self.fire = {playbook.name: playbook.fire for playbook in self.playbooks}
        self.policy = policy or Policy()
        self.judge: Callable[[Turn, Pending], Verdict] = judge
        self.hash = _hash_of(self.playbooks, self.policy)
        self._by_activity: dict[str, tuple[Callable[[Turn, Any], None], ...]] = {}
        self._by_record: dict[type, tuple[Callable[[Turn, Any], None], ...]] = {}
        self._by_score: dict[str, ScoreIndex] = {}
        points = [playbook for playbook in self.playbooks if isinstance(playbook, Points)]
        self._clamps = {playbook.score: playbook.clamp for playbook in points if playbook.clamp != UNCLAMPED}
        up_to_points = KIND_ORDER.index(Points.kind)
        for playbook in self.playbooks:
            if KIND_ORDER.index(playbook.kind) <= up_to_points:
                self._index_reactions(playbook)
        # What an activity has earned is seen by score playbooks before later kinds see the activity (contract 5).
        for activity in {rule.activity for playbook in points for rule in playbook.rules}:
            self._index((Activity, activity), _settle)
        for playbook in self.playbooks:
            if KIND_ORDER.index(playbook.kind) > up_to_points:
                self._index_reactions(playbook)
        self.first_seen = self._by_record.pop(FirstSeen, _NOBODY)
        self.leaving = self._by_record.pop(Leaving, _NOBODY)

    def reactions(self, record: Any) -> tuple[Callable[[Turn, Any], None], ...]:
        """What is to be done about a record, in order."""
        record_type = type(record)
        if record_type is Activity:
            return self._by_activity.get(record.type, _NOBODY)
        return self._by_record.get(record_type, _NOBODY)

    def activity_reactions(self, activity_type: str) -> tuple[Callable[[Turn, Any], None], ...]:
        """What is to be done about any activity of a type, in order."""
        return self._by_activity.get(activity_type, _NOBODY)

    def score_reactions(self, change: ScoreChange) -> tuple[Callable[[Turn, Any], None], ...]:
        """What is to be done about a change of a score, in order."""
        index = self._by_score.get(change.score)
        return _NOBODY if index is None else index.concerned(change.before, change.after)

    def clamp(self, score: str) -> Clamp:
        """Within which bounds every change of a score keeps it."""
        return self._clamps.get(score, UNCLAMPED)

    def _index_reactions(self, playbook: Playbook) -> None:
        for interest, reaction in self._reactions_of(playbook):
            record_type, score = interest
            if record_type is ScoreChange and score is not None:
                self._by_score.setdefault(score, ScoreIndex()).add(playbook, reaction)
            else:
                self._index(interest, reaction)

    def _reactions_of(self, playbook: Playbook) -> Iterable[tuple[Interest, Callable[[Turn, Any], None]]]:
        """Asked once for each playbook; `explain` watches them here."""
        return playbook.reactions()

    def _index(self, interest: Interest, reaction: Callable[[Turn, Any], None]) -> None:
        record_type, name = interest
        if name is None:
            self._by_record[record_type] = (*self._by_record.get(record_type, ()), reaction)
        else:
            self._by_activity[name] = (*self._by_activity.get(name, ()), reaction)


def _settle(turn: Turn, _record: object) -> None:
    settle_scores(turn)


def _hash_of(playbooks: tuple[Playbook, ...], policy: Policy) -> str:
    digest = blake2b(f"{policy.version}\0".encode(), digest_size=6)
    for playbook in playbooks:
        digest.update(f"{playbook.kind}\0{playbook.name}\0{playbook.version}\0".encode())
    return digest.hexdigest()
