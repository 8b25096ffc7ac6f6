"""What is explained is what happened: on random histories, an outcome comes about exactly if its conditions hold.

And watching changes nothing: what comes out is what comes out unwatched, each output in one step of its member.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.crossings import TransferAnswer, TransferQueued
from app.domain.engine import Engine
from app.domain.explain.watch import WatchedMembers
from app.domain.members import MemberCore
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.outputs import Output
from app.domain.playbook_set import PlaybookSet
from app.domain.sink import Sink
from tests.domain import test_ledger_property as ledger
from tests.domain import test_nudge_property as nudging
from tests.domain import test_properties as returning
from tests.domain.conftest import MONDAY_MS, re_engager
from tests.domain.scoring import HELLO, OPEN, on_score, points, rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.domain.explain.step import Step

Arrivals = list[tuple[int, Any]]


class Watching:
    """An engine by the rules of `core`, in which one member is watched."""

    def __init__(self, core: MemberCore, member: str) -> None:
        self.steps: list[Step] = []
        watched = WatchedMembers(core.playbooks, member)
        watched.tell = self.steps.append
        self.engine = Engine(watched, MemoryEntities(), MemoryDeadlines(), Sink())
        self.outputs: list[Any] = []

    def play(self, arrivals: Arrivals, end_ms: int) -> None:
        for at_ms, record in arrivals:
            self.engine.move_time(at_ms)
            self.engine.apply(record.member_id, record)
            self.outputs += self.engine.sink.take()
        self.engine.move_time(end_ms)
        self.outputs += self.engine.sink.take()


def assert_explained(core: MemberCore, arrivals: Arrivals, end_ms: int, members: Iterable[str]) -> None:
    plain = Engine(core, MemoryEntities(), MemoryDeadlines(), Sink())
    for at_ms, record in arrivals:
        plain.move_time(at_ms)
        plain.apply(record.member_id, record)
    plain.move_time(end_ms)
    expected = plain.sink.take()
    for member in members:
        watching = Watching(core, member)
        watching.play(arrivals, end_ms)
        assert watching.outputs == expected
        assert_steps(watching.steps, [o for o in expected if isinstance(o, Output) and o.member_id == member])


def assert_steps(steps: list[Step], outputs: list[Output]) -> None:
    assert [output for step in steps for output in step.outputs] == outputs
    for step in steps:
        for considered in step.considered:
            if considered.happened is not None:
                assert considered.happened == considered.holds, (step, considered)


@given(returning.histories())
def test_tags_workflows_and_transfers_are_explained_as_they_happened(arrivals):
    assert_explained(returning.CORE, [tuple(arrival) for arrival in arrivals], returning.END_MS, "abc")


@given(ledger.arrivals)
def test_points_decay_clamps_and_crossings_are_explained_as_they_happened(drawn):
    assert_explained(ledger.CORE, ledger.records(drawn), ledger.END_MS, ["m1"])


@given(nudging.histories)
def test_nudges_are_explained_as_they_were_judged(drawn):
    arrivals = [tuple(arrival) for arrival in nudging.arrivals(drawn)]
    assert_explained(nudging.CORE, arrivals, nudging.END_MS, "ab")


@given(nudging.histories)
def test_the_first_condition_that_fails_is_the_reason_a_nudge_is_suppressed_with(drawn):
    arrivals = [tuple(arrival) for arrival in nudging.arrivals(drawn)]
    watching = Watching(nudging.CORE, "a")
    watching.play(arrivals, nudging.END_MS)
    for step in watching.steps:
        given_reasons = [output.reason for output in step.outputs if output.topic == "nudge-suppressed"]
        failed = [
            considered.failed.name
            for considered in step.considered
            if considered.outcome.topic == "nudge" and considered.failed and not considered.effect
        ]
        assert sorted(given_reasons) == sorted(failed)


MIXED = MemberCore(
    PlaybookSet(
        [
            re_engager(after=1),
            points(rules=[rule(channel="APP"), rule(amount=2, at_most="1 per 3h")], ceiling=15),
            on_score("low", "< 8", OPEN, HELLO),
            on_score("any", "> 3", HELLO, OPEN, fire="on_every_change", resolve="at_once"),
        ]
    )
)


@given(
    returning.histories(),
    st.lists(st.sampled_from(["TRANSFERRED", "ATTEMPT_FAILED"]), min_size=40, max_size=40),
)
def test_answers_of_desks_are_explained_as_they_were_taken(arrivals, answers):
    watching = Watching(MIXED, "a")
    queued: list[TransferQueued] = []
    for number, (arrival, answer) in enumerate(zip(arrivals, answers, strict=False)):
        watching.play([tuple(arrival)], arrival.at_ms)
        queued += [output for output in watching.outputs if isinstance(output, TransferQueued)]
        if queued and number % 2:
            watching.play(
                [(arrival.at_ms, answer_to(queued[-1], answer, number, arrival.at_ms))], arrival.at_ms
            )
    own = [o for o in watching.outputs if isinstance(o, Output) and o.member_id == "a"]
    assert_steps(watching.steps, own)


def answer_to(request: TransferQueued, answer: str, number: int, at_ms: int) -> TransferAnswer:
    return TransferAnswer(
        event_id=f"a{number}",
        occurred_at=max(at_ms, MONDAY_MS),
        cause=request.cause,
        member_id=request.member_id,
        pool=request.pool,
        request_id=request.request_id,
        playbook=request.playbook,
        type=answer,
        attempts=number % 4,
        final=number % 4 == 3,
    )
