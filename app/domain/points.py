"""Points playbooks: activities that earn points, and a score that falls while none do (contract 6.2)."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from app.domain.events import Activity
from app.domain.scores import LOWEST, UNCLAMPED, Asked, Clamp, ScoreChange
from app.domain.state import PointsState
from app.domain.timers import arm, cancel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from app.domain.playbook import Interest
    from app.domain.timers import Timer
    from app.domain.turn import Turn

DECAY_TIMER = "decay"
DECAY = "decay"

SPARE = 8
"""Payments remembered beyond those a limit speaks of, so that late activities find those around them."""


class Limit(NamedTuple):
    """`at_most`: in no span of that length more payments than that."""

    times: int
    span_ms: int


class Rule(NamedTuple):
    """One way to earn points; `channel` None: on any. `rule_id` names it among the playbook's rules, for ever."""

    rule_id: str
    activity: str
    channel: str | None
    points: int
    limit: Limit | None


class Decay(NamedTuple):
    """Points taken after each full span without earning."""

    points: int
    every_ms: int


@dataclass(frozen=True, kw_only=True)
class Points:
    """One compiled `kind = "points"` playbook. Satisfies `playbook.Playbook`.

    Attributes:
        name, version: see `playbook.Playbook`.
        score: the score that is earned and that decays.
        rules: at least one, unless it is for clamping or decay alone.
        decay: None: the score does not fall by itself.
        clamp: the bounds of every change of that score, whoever makes it.
    """

    kind: ClassVar[str] = "points"

    name: str
    version: str
    score: str
    rules: tuple[Rule, ...] = ()
    decay: Decay | None = None
    clamp: Clamp = UNCLAMPED

    def reactions(self) -> Iterable[tuple[Interest, Callable[[Turn, Any], None]]]:
        """The activities of its rules; with decay also changes of its score."""
        for activity in dict.fromkeys(rule.activity for rule in self.rules):
            yield (Activity, activity), self._active
        if self.decay is not None:
            yield (ScoreChange, self.score), self._changed

    def fire(self, turn: Turn, timer: Timer) -> None:  # noqa: ARG002  it has one timer only
        """One more full span without earning is over."""
        left = self.left(turn)
        if self.decay is None or left <= 0:
            return
        is_clamped = turn.playbooks.clamp(self.score).floor != LOWEST
        points = self.decay.points if is_clamped else min(self.decay.points, left)
        turn.asked.append(Asked(self, self.score, "SUBTRACT", points, DECAY))

    def rearm(self, turn: Turn) -> None:
        """Time the next decay by today's settings; for a score that was there before the playbook, from now on."""
        hot = turn.hot
        state = hot.states.get(self.name)
        if isinstance(state, PointsState) and state.paid:
            known = {rule.rule_id for rule in self.rules}
            state.paid = {rule: paid for rule, paid in state.paid.items() if rule in known} or None
        if self.decay is None:
            cancel(hot.timers, DECAY_TIMER, self.name)
        elif hot.scores and self.score in hot.scores:
            self._start_decay(turn)

    def _active(self, turn: Turn, activity: Activity) -> None:
        """An activity of a rule's type. One over the rule's limit earns nothing, also for decay (contract 8)."""
        has_earned = False
        for rule in self.rules:
            if rule.activity != activity.type or rule.channel not in (None, activity.channel):
                continue
            if rule.limit is None or self._is_paid(turn, rule.rule_id, rule.limit):
                has_earned = True
                turn.asked.append(Asked(self, self.score, "ADD", rule.points, activity.type))
        if has_earned and self.decay is not None:
            state = self._state(turn)
            known_ms = state.decays_from_ms if state.has_earned else None
            state.decays_from_ms = turn.at_ms if known_ms is None else max(known_ms, turn.at_ms)
            state.has_earned = True
            self._arm_decay(turn, state.decays_from_ms)

    def _is_paid(self, turn: Turn, rule_id: str, limit: Limit) -> bool:
        """Whether an activity of now is within the limit; if so it is remembered as paid."""
        state = self._state(turn)
        after = with_payment((state.paid or {}).get(rule_id, []), turn.at_ms, limit)
        if after is None:
            return False
        state.paid = {**(state.paid or {}), rule_id: after}
        return True

    def _changed(self, turn: Turn, change: ScoreChange) -> None:  # noqa: ARG002  the score itself tells all
        self._start_decay(turn)

    def _start_decay(self, turn: Turn) -> None:
        state = self._state(turn)
        if state.decays_from_ms is None:
            state.decays_from_ms = turn.hot.now_ms
        self._arm_decay(turn, state.decays_from_ms)

    def _arm_decay(self, turn: Turn, from_ms: int) -> None:
        """Have the timer fire at the next full span after now, while there is something to take."""
        hot, decay = turn.hot, self.decay
        if decay is None:
            return
        if self.left(turn) <= 0:
            cancel(hot.timers, DECAY_TIMER, self.name)
        else:
            spans = (hot.now_ms - from_ms) // decay.every_ms + 1
            arm(hot.timers, from_ms + spans * decay.every_ms, DECAY_TIMER, self.name)

    def left(self, turn: Turn) -> int:
        """How much decay can still take: down to the floor, to 0 where there is none; 0 or less: nothing."""
        value = (turn.hot.scores or {}).get(self.score)
        floor = turn.playbooks.clamp(self.score).floor
        return 0 if value is None else value - (0 if floor == LOWEST else floor)

    def _state(self, turn: Turn) -> PointsState:
        state = turn.hot.states.get(self.name)
        if not isinstance(state, PointsState):
            state = turn.hot.states[self.name] = PointsState()
        return state


def with_payment(paid: list[int], at_ms: int, limit: Limit) -> list[int] | None:
    """The payments to remember with one more at an instant; None when that would be over the limit."""
    place = bisect_right(paid, at_ms)
    after = [*paid[:place], at_ms, *paid[place:]]
    first, last = max(0, place - limit.times), min(place, len(after) - limit.times - 1)
    if any(after[at + limit.times] - after[at] < limit.span_ms for at in range(first, last + 1)):
        return None
    if len(after) > limit.times + SPARE:
        # The oldest goes, but never the one just paid: sent again, it must find itself.
        del after[1 if place == 0 else 0]
    return after
