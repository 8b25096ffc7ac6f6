"""`python -m bench.playbooks`: what playbooks that do not apply, and scores nobody asks for, cost an event.

In one process, without a broker: the core decides, and what it keeps and puts out is encoded, as by a partition's task,
but for the page, which that writes once a batch and this with every event that changes it. Each ratio
compares two contenders measured in turn, several times over, so that a busy machine slows both.
"""

from __future__ import annotations

import sys
import time
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from app.domain.engine import Engine
from app.domain.events import Activity, ScoreCommand
from app.domain.members import MemberCore
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.playbook_set import PlaybookSet
from app.domain.sink import Sink
from app.playbooks.loader import DEFAULTS, load_playbooks
from app.playbooks.points import PointsModel
from app.playbooks.score import ScoreModel
from app.wire.codec import shipped_codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.domain.playbook import Playbook

START_MS = 1_767_607_200_000
MEMBERS = 500
ROUNDS = 15
EVENTS = 4_000
"""In each round."""

MOST = 1.3

Event = Activity | ScoreCommand


class Ratio(NamedTuple):
    """How many times as long an event takes with something as without."""

    name: str
    without_us: float
    with_us: float
    ratio: float


class Contender:
    """One core with its members, and the events it is fed; `cold`: each member is read from its bytes every time."""

    def __init__(self, playbooks: PlaybookSet, events: Iterator[Event], *, cold: bool = False) -> None:
        self._core = MemberCore(playbooks)
        self._entities: MemoryEntities[Any] = MemoryEntities()
        self._sink = Sink()
        self._engine = Engine(self._core, self._entities, MemoryDeadlines(), self._sink)
        self._events = events
        self._cold = cold
        self._encode = shipped_codec().encode
        self._parts: dict[str, dict[int, bytes]] = {}

    def feed(self, events: Iterator[Event]) -> None:
        """Apply events that are not measured."""
        for event in events:
            self._apply(event)

    def round_us(self) -> float:
        """Microseconds an event, over one round."""
        events = [next(self._events) for _ in range(EVENTS)]
        started = time.perf_counter()
        for event in events:
            self._apply(event)
        return (time.perf_counter() - started) / EVENTS * 1e6

    def _apply(self, event: Event) -> None:
        key = event.member_id
        if self._cold and (parts := self._parts.get(key)) is not None:
            member = self._core.load(key, parts.get)
            if member is not None:
                member.indexed_due_ms = self._entities.by_key[key].indexed_due_ms
                self._entities.keep(member)
        self._engine.move_time(event.occurred_at)
        self._engine.apply(key, event)
        kept = self._parts.setdefault(key, {})
        for part, body in self._core.dump(self._entities.by_key[key]):
            if body is not None:
                kept[part] = body
        for output in self._sink.take():
            self._encode(output)


def others(number: int) -> Iterator[Playbook]:
    """Playbooks that listen to other scores and activities than the bench's events are of."""
    for each in range(number // 2):
        score = f"other-{each}"
        action = {"do": "open_workflow"}
        keys: dict[str, Any] = {"name": f"on-{each}", "kind": "score", "score": score, "when": "< 20"}
        yield ScoreModel.model_validate({**keys, "actions": [action]}).compile()
    for each in range(number - number // 2):
        rule = {"on": f"other.{each}", "points": 5, "at_most": "1 per 1d"}
        keys = {"name": f"earn-{each}", "kind": "points", "score": f"earned-{each}", "rules": [rule]}
        yield PointsModel.model_validate(keys).compile()


def applying() -> Iterator[Playbook]:
    """Three that apply to every change of the score: each fires, with a tag, a further change, a workflow."""
    actions = (
        {"do": "tag", "add": "seen"},
        {"do": "modify_score", "operation": "set", "points": 1, "score": "last"},
        {"do": "open_workflow"},
    )
    for place, action in enumerate(actions):
        keys: dict[str, Any] = {"name": f"three-{place}", "kind": "score", "when": ">= 0"}
        keys |= {"fire": "on_every_change", "actions": [action]}
        yield ScoreModel.model_validate(keys).compile()


def score_events() -> Iterator[Event]:
    """Changes of the score `engagement`, of one member after the other."""
    for number in count():
        yield ScoreCommand(
            event_id=f"s{number}",
            member_id=f"m{number % MEMBERS}",
            occurred_at=START_MS + number * 1_000,
            operation="ADD",
            points=1,
        )


def activities() -> Iterator[Event]:
    """Qualifying activities, which no score has to do with."""
    for number in count():
        yield Activity(
            event_id=f"a{number}",
            member_id=f"m{number % MEMBERS}",
            occurred_at=START_MS + number * 1_000,
            type="article.read",
            channel="APP",
        )


def ten_scores() -> Iterator[Event]:
    """Ten scores for every member."""
    for member in range(MEMBERS):
        for score in range(10):
            yield ScoreCommand(
                event_id=f"t{score}",
                member_id=f"m{member}",
                occurred_at=START_MS,
                score=f"score-{score}",
                operation="SET",
                points=score * 1_000,
            )


def compare(name: str, without: Contender, with_it: Contender) -> Ratio:
    """Measure two contenders in turn; the ratio is the median of the rounds'."""
    rounds = [(without.round_us(), with_it.round_us()) for _ in range(ROUNDS)]
    ratio = median(second / first for first, second in rounds)
    return Ratio(name, median(first for first, _ in rounds), median(second for _, second in rounds), ratio)


def playbooks_that_do_not_apply() -> Ratio:
    """200 playbooks of which 3 apply, beside those 3 alone."""
    three = list(applying())
    alone = Contender(PlaybookSet(three), score_events())
    crowded = Contender(PlaybookSet([*three, *others(197)]), score_events())
    return compare("200 playbooks of which 3 apply, beside those 3", alone, crowded)


def scores_nobody_asks_for(*, cold: bool) -> Ratio:
    """An unrelated event of a member with ten scores, beside one of a member with none."""
    playbooks = load_playbooks(DEFAULTS)
    none, ten = (Contender(playbooks, activities(), cold=cold) for _ in range(2))
    ten.feed(ten_scores())
    where = "read from its bytes" if cold else "in memory"
    return compare(f"a member with 10 scores, beside one with none, {where}", none, ten)


def main() -> int:
    """Measure and print; 1 if a ratio is above what is wanted."""
    measures: tuple[Callable[[], Ratio], ...] = (
        playbooks_that_do_not_apply,
        lambda: scores_nobody_asks_for(cold=False),
        lambda: scores_nobody_asks_for(cold=True),
    )
    missed = False
    for measure in measures:
        found = measure()
        missed = missed or found.ratio > MOST
        print(
            f"{found.name}: {found.ratio:.2f} x (at most {MOST}); {found.without_us:.1f} us an event without,"
            f" {found.with_us:.1f} us with"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
