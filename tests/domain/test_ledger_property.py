"""The ledger under any sequence of commands, with duplicates, late records, restarts, clamps and cascades."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.engine import Engine
from app.domain.events import Activity
from app.domain.instants import HOUR_MS
from app.domain.members import MemberCore
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.outputs import ScoreChanged
from app.domain.playbook_set import PlaybookSet
from app.domain.scores import HIGHEST, LOWEST
from app.domain.sink import Sink
from tests.domain.conftest import MONDAY_MS, RestartingEntities
from tests.domain.scoring import OPEN, modify, on_score, points, rule, score_command

CORE = MemberCore(
    PlaybookSet(
        [
            points(
                rules=[rule(at_most="2 per 1d")], decay={"points": 3, "every": "2d"}, floor=-20, ceiling=50
            ),
            on_score("a", "> 40", modify("subtract", 15)),
            on_score("b", "is empty", modify("set", 7, score="other")),
            on_score("c", ["> 3", "< 9"], modify("add", 2), OPEN, score="other", fire="on_every_change"),
        ]
    )
)
END_MS = MONDAY_MS + 2_000 * HOUR_MS

amounts = st.sampled_from([0, 1, 3, 10, 45, HIGHEST])
commands = st.one_of(
    st.tuples(st.sampled_from(["ADD", "SUBTRACT"]), amounts),
    st.tuples(st.just("SET"), st.one_of(amounts, st.sampled_from([-30, LOWEST]))),
    st.tuples(st.just("CLEAR"), st.none()),
    st.tuples(st.just("activity"), st.none()),
)
arrivals = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from([0, 0, 0, 5, 30]),
        st.sampled_from(["engagement", "other", "plain"]),
        commands,
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


def records(drawn: list[Any]) -> list[tuple[int, Any]]:
    """(arrived, record), some of them sent twice."""
    found, now_ms = [], MONDAY_MS
    for number, (step, late, score, (operation, amount), again) in enumerate(drawn):
        now_ms += step * HOUR_MS
        at_ms, event_id = now_ms - late * HOUR_MS, f"e{number}"
        if operation == "activity":
            record = Activity(
                event_id=event_id, member_id="m1", occurred_at=at_ms, type="article.read", channel="APP"
            )
        else:
            record = score_command(event_id, at_ms, operation, amount, score=score)
        found += [(now_ms, record)] * (2 if again else 1)
    return found


def play(arrived: list[tuple[int, Any]], entities: Any = None) -> tuple[list[Any], Engine[Any]]:
    engine = Engine(CORE, entities or MemoryEntities(), MemoryDeadlines(), Sink())
    for now_ms, record in arrived:
        engine.move_time(now_ms)
        engine.apply(record.member_id, record)
    engine.move_time(END_MS)
    return engine.sink.take(), engine


@given(arrivals)
def test_each_line_begins_where_the_one_before_it_ended_and_their_sum_is_the_score(drawn):
    outputs, engine = play(records(drawn))
    standing: dict[str, int | None] = {}
    sums: dict[str, int] = {}
    for line in outputs:
        if isinstance(line, ScoreChanged):
            assert line.before == standing.get(line.score)
            assert line.after != line.before
            assert line.after is None or LOWEST <= line.after <= HIGHEST
            assert line.score != "engagement" or line.after is None or -20 <= line.after <= 50
            standing[line.score] = line.after
            sums[line.score] = sums.get(line.score, 0) + (line.after or 0) - (line.before or 0)
    member = engine.entities.get("m1")
    kept = (member.hot.scores if member is not None else None) or {}
    assert {score: value for score, value in standing.items() if value is not None} == kept
    assert all(sums[score] == kept.get(score, 0) for score in sums)


@given(arrivals)
def test_a_restart_between_any_two_records_changes_nothing(drawn):
    arrived = records(drawn)
    assert play(arrived, RestartingEntities(CORE))[0] == play(arrived)[0]


@given(arrivals)
def test_records_sent_twice_change_nothing(drawn):
    once = list(dict.fromkeys((now_ms, record.event_id) for now_ms, record in records(drawn)))
    by_id = {record.event_id: record for _, record in records(drawn)}
    assert play([(now_ms, by_id[event_id]) for now_ms, event_id in once])[0] == play(records(drawn))[0]
