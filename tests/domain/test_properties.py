"""What must make no difference: how calls are cut, restarts, other members, partitions (design, "Four ideas")."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.engine import Engine
from app.domain.events import Activity, MemberProfile, OperatorCommand, TransferEvent
from app.domain.instants import HOUR_MS
from app.domain.members import MemberCore
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.playbook_set import PlaybookSet
from app.domain.sink import PageGone, Sink
from app.domain.transfer import TransferRules
from tests.domain.conftest import MONDAY_MS, RestartingEntities, re_engager

ELSEWHERE = TransferRules(managed=False, max_lag_ms=9 * HOUR_MS)
CORE = MemberCore(
    PlaybookSet([re_engager(after=2), re_engager("short", tag="quiet", after=0.5, transfer=ELSEWHERE)])
)
STEP_MS = 6 * HOUR_MS
END_MS = MONDAY_MS + 400 * STEP_MS


class Arrival(NamedTuple):
    """A record and the partition's time when it comes."""

    at_ms: int
    record: Any


steps = st.integers(0, 8)
members = st.sampled_from(["a", "b", "c"])
lateness = st.sampled_from([0, 0, 0, 1, 5, 12])
kinds = st.sampled_from(
    [
        *["app"] * 6,
        "web",
        "web",
        "profile",
        "transfer",
        "command",
        "repeat",
        "repeat",
        "set up",
        "assigned",
        "attempt",
        "forget",
        "merge",
    ]
)


@st.composite
def histories(draw: st.DrawFn, *, late: bool = True) -> list[Arrival]:
    """Up to 40 arrivals of three members, a few hours apart, some late, some sent twice."""
    arrivals: list[Arrival] = []
    now = MONDAY_MS + 100 * STEP_MS
    for number, (step, member, kind) in enumerate(
        draw(st.lists(st.tuples(steps, members, kinds), min_size=1, max_size=40))
    ):
        now += step * STEP_MS
        at = now - (draw(lateness) * STEP_MS if late else 0)
        # Some come a second later: the page rests for five.
        at += draw(st.sampled_from([0, 0, 1000]))
        now = max(now, at)
        # A command that was refused is not known when it comes again: it is then a late one.
        again = [arrival for arrival in arrivals if late or not isinstance(arrival.record, OperatorCommand)]
        if kind == "repeat" and again:
            arrivals.append(Arrival(now, draw(st.sampled_from(again)).record))
        else:
            arrivals.append(Arrival(now, make_record(kind, f"e{number}", member, at)))
    return arrivals


RECORDS: dict[str, tuple[type, dict[str, Any]]] = {
    "app": (Activity, {"type": "article.read", "channel": "APP"}),
    "web": (Activity, {"type": "article.read", "channel": "WEB"}),
    "set up": (Activity, {"type": "setup.completed", "channel": "WEB"}),
    "transfer": (TransferEvent, {"type": "TRANSFERRED", "mode": "MANUAL"}),
    "assigned": (TransferEvent, {"type": "PROGRAM_ASSIGNED", "program": "p"}),
    "attempt": (TransferEvent, {"type": "ATTEMPT_FAILED"}),
    "merge": (MemberProfile, {"merged_into": "elsewhere"}),
    "forget": (OperatorCommand, {"type": "FORGET_MEMBER", "issued_by": "op"}),
}


def make_record(kind: str, event_id: str, member: str, at: int) -> Any:
    fields = {"event_id": event_id, "member_id": member, "occurred_at": at}
    if kind == "profile":
        return MemberProfile(**fields, owner_id=event_id, email=event_id)
    if kind == "command":
        workflow_id = f"re-engager:{member}:1"
        return OperatorCommand(**fields, type="RESOLVE_WORKFLOW", workflow_id=workflow_id, issued_by="op")
    record, more = RECORDS.get(kind, RECORDS["app"])
    return record(**fields, **more)


def make_engine(entities: Any = None, grace_ms: int = 0) -> Engine[Any]:
    return Engine(CORE, entities or MemoryEntities(), MemoryDeadlines(), Sink(), grace_ms=grace_ms)


def play(engine: Engine[Any], arrivals: list[Arrival], end_ms: int = END_MS) -> list[Any]:
    for at_ms, record in arrivals:
        engine.move_time(at_ms)
        engine.apply(record.member_id, record)
    engine.move_time(end_ms + engine.grace_ms)
    return engine.sink.take()


def of_member(outputs: list[Any], member: str) -> list[Any]:
    return [output for output in outputs if getattr(output, "member_id", None) == member]


@given(histories())
def test_the_same_history_gives_the_same_outputs(arrivals):
    assert play(make_engine(), arrivals) == play(make_engine(), arrivals)


@given(histories())
def test_a_restart_between_any_two_records_changes_nothing(arrivals):
    assert play(make_engine(RestartingEntities(CORE)), arrivals) == play(make_engine(), arrivals)


@given(histories(late=False), st.lists(st.integers(0, 3), min_size=40, max_size=40))
def test_for_records_in_time_no_budget_of_wakes_changes_what_a_member_gets(arrivals, budgets):
    engine = make_engine()
    for (at_ms, record), budget in zip(arrivals, budgets, strict=False):
        engine.wakes_left = budget
        engine.move_time(at_ms)
        engine.apply(record.member_id, record)
    engine.wakes_left = 10**9
    engine.move_time(END_MS)
    sliced, whole = engine.sink.take(), play(make_engine(), arrivals)
    for member in "abc":
        assert of_member(sliced, member) == of_member(whole, member)


@given(histories(late=False), st.sampled_from([0, 2000, STEP_MS]))
def test_for_records_in_time_other_members_and_the_grace_change_nothing(arrivals, grace_ms):
    together = play(make_engine(grace_ms=grace_ms), arrivals)
    for member in "abc":
        alone = play(make_engine(), [arrival for arrival in arrivals if arrival.record.member_id == member])
        assert of_member(together, member) == of_member(alone, member)


@given(histories())
def test_sequences_have_no_gap_and_time_never_goes_back_for_a_member(arrivals):
    outputs = play(make_engine(), arrivals)
    for member in "abc":
        own = [output for output in of_member(outputs, member) if hasattr(output, "sequence")]
        assert [output.sequence for output in own] == list(range(1, len(own) + 1))
        told = [output for output in of_member(outputs, member) if not isinstance(output, PageGone)]
        instants = [output.occurred_at for output in told]
        assert instants == sorted(instants)


@given(histories())
def test_the_index_holds_an_entry_at_or_before_every_members_earliest_timer(arrivals):
    engine = make_engine()
    for at_ms, record in arrivals:
        engine.move_time(at_ms)
        engine.apply(record.member_id, record)
        for member in engine.entities.by_key.values():
            assert member.indexed_due_ms <= CORE.next_due_ms(member)
            assert member.hot.timers == sorted(member.hot.timers)
            assert CORE.next_due_ms(member) >= engine.mark[0]


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[int, int, list[Arrival]]]:
    """A history as a worker takes it: a budget of wakes, hours for which the wall clock ran, then records or none."""
    rest, cut = draw(histories()), []
    while rest:
        cut.append((draw(st.integers(1, 3)), draw(st.integers(0, 20)), []))
        size = draw(st.integers(1, 4))
        cut.append((draw(st.integers(1, 3)), 0, rest[:size]))
        rest = rest[size:]
    return cut


@settings(max_examples=300)
@given(batches())
def test_a_run_cut_short_replays_alike_with_its_marks_as_ceilings(cut):
    """What the journal is for: a batch's mark holds for its records, whatever time they would have moved on to."""
    live = make_engine(grace_ms=2000)
    journal = []
    for budget, hours, records in cut:
        live.wakes_left = budget
        live.move_time(live.time_ms + hours * HOUR_MS)
        apply_all(live, records)
        journal.append((records, live.mark, live.time_ms))

    replay = make_engine(grace_ms=2000)
    for records, mark, time_ms in journal:
        replay.ceiling = mark
        apply_all(replay, records)
        replay.move_time(time_ms)
        assert replay.mark == mark
    assert replay.sink.take() == live.sink.take()


def apply_all(engine: Engine[Any], arrivals: list[Arrival]) -> None:
    for _, record in arrivals:
        engine.move_time(record.occurred_at)
        engine.apply(record.member_id, record)
