"""Why a points playbook paid, or did not, and why a score fell (contract 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.events import Activity
from app.domain.explain.considered import Condition, Considered, Due, Outcome, is_among, span_text
from app.domain.instants import iso_instant
from app.domain.outputs import ScoreChanged
from app.domain.points import DECAY, Points, Rule, with_payment
from app.domain.scores import HIGHEST, LOWEST, Asked, result_of
from app.domain.state import PointsState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.member import Member
    from app.domain.timers import Timer
    from app.domain.turn import Turn


class PointsExplainer:
    """Satisfies `registry.Explainer`."""

    def consider(self, playbook: Points, turn: Turn, event: Any) -> Iterator[Considered]:
        """What the playbook is about to look at; see `registry.Explainer`."""
        match event:
            case Activity():
                yield from self._activity(playbook, turn, event)
            case Due():
                yield self._decay(playbook, turn)
            case _:
                return

    def standing(self, playbook: Points, turn: Turn) -> Iterator[Considered]:
        """What decay waits for."""
        if playbook.decay is None:
            return
        state = _state(playbook, turn)
        from_ms = turn.hot.now_ms if state is None or state.decays_from_ms is None else state.decays_from_ms
        rest_ms = (turn.hot.now_ms - from_ms) % playbook.decay.every_ms
        span = Condition(
            name="span",
            holds=False,
            says=f"{span_text(rest_ms)} of the span of {span_text(playbook.decay.every_ms)} are over",
            value=rest_ms,
            needed=playbook.decay.every_ms,
            key="decay.every",
        )
        considered = self._decay(playbook, turn)
        considered.conditions.append(span)
        yield considered

    def awaits(self, playbook: Points, timer: Timer, member: Member) -> str:  # noqa: ARG002  one timer only
        """What its timer is for."""
        taken = 0 if playbook.decay is None else playbook.decay.points
        return f"takes {taken} points of {playbook.score}, unless some are earned before"

    def decided_by(self, playbook: Points, output: Any) -> str:
        """The key behind an output."""
        if not isinstance(output, ScoreChanged):
            return ""
        if output.reason == DECAY:
            return "decay"
        for place, rule in enumerate(playbook.rules):
            if (rule.activity, rule.points) == (output.reason, output.points):
                return f"rules[{place}]"
        return "rules"

    def _activity(self, playbook: Points, turn: Turn, activity: Activity) -> Iterator[Considered]:
        places = [place for place, rule in enumerate(playbook.rules) if rule.activity == activity.type]
        if not places:
            known = {rule.activity for rule in playbook.rules}
            if known:
                listed = is_among("type", activity.type, known, "rules")
                yield Considered(playbook.name, Outcome("points are earned", ScoreChanged.topic), [listed])
            return
        state = _state(playbook, turn)
        paid = dict((state.paid if state is not None else None) or {})
        value = _before(playbook, turn)
        for place in places:
            rule = playbook.rules[place]
            conditions = [_channel(rule, activity, place), _within_limit(rule, paid, turn.at_ms, place)]
            if all(condition.holds for condition in conditions):
                if rule.limit is not None:
                    after = with_payment(paid.get(rule.rule_id, []), turn.at_ms, rule.limit)
                    paid[rule.rule_id] = after or []
                ask = Asked(playbook, playbook.score, "ADD", rule.points, activity.type)
                value, change = _change(playbook, turn, ask, value)
                conditions.append(change)
            earned = Outcome(
                f"{rule.points} points of {playbook.score} are earned",
                ScoreChanged.topic,
                {"operation": "ADD", "points": rule.points, "reason": activity.type},
            )
            yield Considered(playbook.name, earned, conditions)

    def _decay(self, playbook: Points, turn: Turn) -> Considered:
        left = playbook.left(turn)
        value = (turn.hot.scores or {}).get(playbook.score)
        floor = turn.playbooks.clamp(playbook.score).floor
        holds = playbook.decay is not None and left > 0
        bottom = 0 if floor == LOWEST else floor
        says = f"{playbook.score} is {_shown(value)}, decay goes down to {bottom}"
        condition = Condition(
            name="left", holds=holds, says=says, value=value, needed=bottom, key=_floor_key(floor)
        )
        taken = Outcome("points are taken", ScoreChanged.topic, {"reason": DECAY})
        return Considered(playbook.name, taken, [condition])


def _floor_key(floor: int) -> str:
    return "decay" if floor == LOWEST else "floor"


def _state(playbook: Points, turn: Turn) -> PointsState | None:
    state = turn.hot.states.get(playbook.name)
    return state if isinstance(state, PointsState) else None


def _channel(rule: Rule, activity: Activity, place: int) -> Condition:
    if rule.channel is None:
        return Condition(name="channel", holds=True, says="on any channel", value=activity.channel)
    return is_among("channel", activity.channel, [rule.channel], f"rules[{place}].channel")


def _within_limit(rule: Rule, paid: dict[str, list[int]], at_ms: int, place: int) -> Condition:
    limit, key = rule.limit, f"rules[{place}].at_most"
    if limit is None:
        return Condition(name="at_most", holds=True, says="earned every time")
    known = paid.get(rule.rule_id, [])
    holds = with_payment(known, at_ms, limit) is not None
    near = [each for each in known if abs(each - at_ms) < limit.span_ms]
    text = f"{limit.times} per {span_text(limit.span_ms)}"
    says = f"within {text}"
    if not holds:
        says = f"{text} reached, paid at {', '.join(map(iso_instant, near))}"
    return Condition(name="at_most", holds=holds, says=says, value=len(near), needed=limit.times, key=key)


def _before(playbook: Points, turn: Turn) -> int | None:
    """The score after what has been asked for before, which is made before."""
    value = (turn.hot.scores or {}).get(playbook.score)
    for ask in turn.asked:
        if ask.score == playbook.score:
            value = result_of(turn, ask, value)
    return value


def _change(playbook: Points, turn: Turn, ask: Asked, before: int | None) -> tuple[int | None, Condition]:
    """The score after one payment, and whether that is a change at all."""
    after = result_of(turn, ask, before)
    holds = after != before
    clamp = turn.playbooks.clamp(playbook.score)
    says = f"{playbook.score} goes from {_shown(before)} to {_shown(after)}"
    if not holds:
        says = f"{playbook.score} stays {_shown(before)}, its ceiling"
    needed = None if clamp.ceiling == HIGHEST else clamp.ceiling
    return after, Condition(name="change", holds=holds, says=says, value=before, needed=needed, key="ceiling")


def _shown(value: int | None) -> str:
    return "empty" if value is None else str(value)
