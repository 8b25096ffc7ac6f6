"""Who explains which kind of playbook: one file and one row a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from app.domain.explain.high_intent import HighIntentExplainer
from app.domain.explain.points import PointsExplainer
from app.domain.explain.progress import ProgressExplainer
from app.domain.explain.reactivation import ReactivationExplainer
from app.domain.explain.reengager import ReengagerExplainer
from app.domain.explain.score import ScoreExplainer
from app.domain.outputs import WorkflowResolved
from app.domain.workflow import ANY_KIND, MOVES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.explain.considered import Considered
    from app.domain.member import Member
    from app.domain.playbook import Playbook
    from app.domain.timers import Timer
    from app.domain.turn import Turn


class Explainer(Protocol):
    """Puts into words what one kind of playbook looks at. It only reads, and asks the rule's own predicates.

    `playbook` is always one of its kind, typed there.
    """

    def consider(self, playbook: Any, turn: Turn, event: Any) -> Iterable[Considered]:
        """Each outcome the playbook might bring about with this event, with its conditions.

        Called just before the playbook sees the event; where it does not listen to such events, before anybody does.
        `event` is an input record, a crossing, a `ScoreChange` or other change a rule
        has brought about, `Due` for one of its timers, or `Seen`.
        An output that comes about has all its conditions hold, one that does not has one that fails: tests/domain/
        explain/test_agreement.py holds every kind to that. Yields nothing for events it has nothing to say about.
        """

    def standing(self, playbook: Any, turn: Turn) -> Iterable[Considered]:
        """How things stand at an instant when nothing happens: what each outcome still waits for.

        Of an outcome that needs an event, one condition is that event, and fails. The turn is of a copy of the member.
        """

    def awaits(self, playbook: Any, timer: Timer, member: Member) -> str:
        """What one of the playbook's own timers will do, as a sentence without subject."""

    def decided_by(self, playbook: Any, output: Any) -> str:
        """Path of the key in the playbook that an output of its goes back to; empty: the playbook as a whole."""


def decided_by(playbook: Playbook, output: Any) -> str:
    """Path of the key behind an output of a playbook; empty: the playbook as a whole, or nothing that it says.

    No key resolves what an operator, the member's leaving, or a playbook that is gone resolves.
    """
    if isinstance(output, WorkflowResolved) and output.resolution in _OF_NO_KEY:
        return ""
    explainer = EXPLAINERS.get(playbook.kind)
    return "" if explainer is None else explainer.decided_by(playbook, output)


_OF_NO_KEY = frozenset(move.name for move in MOVES if move.kind == ANY_KIND)

EXPLAINERS: dict[str, Explainer] = {
    "reengager": ReengagerExplainer(),
    "points": PointsExplainer(),
    "score": ScoreExplainer(),
    "progress": ProgressExplainer(),
    "high_intent": HighIntentExplainer(),
    "reactivation": ReactivationExplainer(),
}
"""By kind, for every kind there is."""
