"""`python -m bench.playbooks`: what playbooks that do not apply, and scores nobody asks for, cost an event.

In one process, without a broker: a partition decodes, decides, encodes and writes to RocksDB, as in a worker. Each ratio
compares two contenders measured in turn, several times over, by processor time, so that a busy machine slows both.
"""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from app.domain.events import Activity, CampaignResponse, MemberProfile, ScoreCommand
from app.domain.members import MemberCore
from app.domain.playbook_set import PlaybookSet
from app.playbooks.loader import DEFAULTS, load_playbooks
from app.playbooks.points import PointsModel
from app.playbooks.score import ScoreModel
from app.runtime.deciding import Decider
from app.runtime.merge import MAX_BATCH, InputRecord
from app.runtime.position import Position
from app.runtime.processor import Host, Processor
from app.runtime.store import Store
from app.wire.codec import shipped_codec
from app.wire.topics import MEMBER_INPUTS, RANK, REROUTED, load_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rocksdict import Cache

    from app.domain.playbook import Playbook
    from app.runtime.deciding import Decided

START_MS = 1_767_607_200_000
MEMBERS = 500
ROUNDS = 15
BATCH, BATCHES = 500, 8
"""Events of a batch, each of another member, and batches of a round."""

MOST = 1.3
FAR = 1_000_000_000

T = TypeVar("T")
Event = Activity | ScoreCommand | CampaignResponse | MemberProfile


class Ratio(NamedTuple):
    """How many times as long an event takes with something as without."""

    name: str
    without_us: float
    with_us: float
    ratio: float

    def told(self, wanted: str) -> str:
        """The line to print; `wanted` says what was asked of the ratio, if anything."""
        return (
            f"{self.name}: {self.ratio:.2f} x{wanted and f' ({wanted})'}; {self.without_us:.1f} us an event without,"
            f" {self.with_us:.1f} us with"
        )


class Contender:
    """One partition with its members, fed batch by batch.

    `cold`: each member is read from RocksDB every time. `cache`: for RocksDB's blocks; None leaves it its own default.
    `folder` is made where missing; one that holds a store is gone on with.
    """

    def __init__(
        self,
        folder: Path,
        playbooks: PlaybookSet,
        events: Iterator[Event],
        *,
        cold: bool = False,
        cache: Cache | None = None,
    ) -> None:
        core = MemberCore(playbooks)
        processor = Processor("members", (REROUTED, *MEMBER_INPUTS), "member_id", REROUTED, lambda: core)
        folder.mkdir(exist_ok=True)
        host = Host(
            application="bench",
            client_options={},
            full_name=str,
            partitions=dict.fromkeys(load_topics(), 1),
            ranks=RANK,
            codec=shipped_codec(),
            folder=folder,
            exactly_once=True,
            grace_ms=0,
            idle_ms=0,
            wall_clock=False,
            now_ms=lambda: START_MS,
            version="bench",
        )
        self._store: Store[Any] = Store(folder, core, cache)
        self._decider = Decider(host, processor, 0, core, self._store, Position())
        self._events = events
        self._offsets = count()
        self._cold = cold

    def feed(self, events: Iterator[Event]) -> None:
        """Apply events that are not measured, in as many records at a time as a worker takes."""
        for batch in batches(events):
            self._commit([self._record(event) for event in batch])

    def round_us(self) -> float:
        """Microseconds of processor time an event, over one round: from the record's bytes to RocksDB."""
        batches = self.prepared(BATCH, BATCHES)
        started = time.thread_time()
        self.apply(batches)
        return (time.thread_time() - started) / (BATCH * BATCHES) * 1e6

    def prepared(self, size: int, number: int) -> list[list[InputRecord]]:
        """The next events as so many batches of records of this size, to be given to `apply`."""
        return [[self._record(next(self._events)) for _ in range(size)] for _ in range(number)]

    def apply(self, batches: list[list[InputRecord]]) -> None:
        """Decide and write batches, one after the other."""
        for batch in batches:
            self._commit(batch)

    def close(self) -> None:
        """Let go of RocksDB."""
        self._store.close()

    def _record(self, event: Event) -> InputRecord:
        value, key = shipped_codec().encode(event), event.member_id.encode()
        return InputRecord(event.occurred_at, RANK[event.topic], next(self._offsets), event.topic, key, value)

    def _commit(self, batch: list[InputRecord]) -> Decided:
        if self._cold:
            for record in batch:
                self._store.drop((record.key or b"").decode())
        decided = self._decider.decide(batch)
        self._store.write(decided.sealed, decided.outgoing.position, 0)
        return decided


def batches(events: Iterator[T], size: int = MAX_BATCH) -> Iterator[list[T]]:
    """The events, so many at a time."""
    while batch := list(islice(events, size)):
        yield batch


def others(number: int) -> Iterator[Playbook]:
    """Playbooks that do not apply to the bench's events.

    In turn one that listens to the same score but waits for it to get far away, one to another score, one to other
    activities.
    """
    for each in range(number):
        keys: dict[str, Any]
        if each % 3 == 2:
            rule = {"on": f"other.{each}", "points": 5, "at_most": "1 per 1d"}
            keys = {"name": f"earn-{each}", "kind": "points", "score": f"earned-{each}", "rules": [rule]}
            yield PointsModel.model_validate(keys).compile()
        else:
            keys = {"name": f"on-{each}", "kind": "score", "actions": [{"do": "open_workflow"}]}
            keys |= {"when": f"> {FAR + each}"} if each % 3 else {"when": "< 20", "score": f"other-{each}"}
            yield ScoreModel.model_validate(keys).compile()


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
    without.close()
    with_it.close()
    ratio = median(second / first for first, second in rounds)
    return Ratio(name, median(first for first, _ in rounds), median(second for _, second in rounds), ratio)


def playbooks_that_do_not_apply(folder: Path) -> Ratio:
    """200 playbooks of which 3 apply, beside those 3 alone."""
    three = list(applying())
    alone = Contender(folder / "alone", PlaybookSet(three), score_events())
    crowded = Contender(folder / "crowded", PlaybookSet([*three, *others(197)]), score_events())
    return compare("200 playbooks of which 3 apply, beside those 3", alone, crowded)


def scores_nobody_asks_for(folder: Path, *, cold: bool) -> Ratio:
    """An unrelated event of a member with ten scores, beside one of a member with none."""
    playbooks = load_playbooks(DEFAULTS)
    none, ten = (
        Contender(folder / name, playbooks, activities(), cold=cold)
        for name in (f"none-{cold}", f"ten-{cold}")
    )
    ten.feed(ten_scores())
    where = "read from RocksDB" if cold else "in memory"
    return compare(f"a member with 10 scores, beside one with none, {where}", none, ten)


def main() -> int:
    """Measure and print; 1 if a ratio is above what is wanted."""
    measures: tuple[Callable[[Path], Ratio], ...] = (
        playbooks_that_do_not_apply,
        lambda folder: scores_nobody_asks_for(folder, cold=False),
        lambda folder: scores_nobody_asks_for(folder, cold=True),
    )
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        for measure in measures:
            found = measure(Path(folder))
            missed = missed or found.ratio > MOST
            print(found.told(f"at most {MOST}"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
