"""What no order of events may bring about (contract 6.6): a second telling of the policy, checked on random histories.

The check keeps its own notes of what was said of the member, and reads everything else off the outputs.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.calendar import is_public_holiday, local_time
from app.domain.engine import Engine
from app.domain.events import Activity, MemberProfile, OperatorCommand
from app.domain.instants import DAY_MS, HOUR_MS
from app.domain.members import MemberCore
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.outputs import Nudge, NudgeSuppressed, ScoreChanged, WorkflowOpened, WorkflowResolved
from app.domain.playbook_set import PlaybookSet
from app.domain.sink import Sink
from tests.domain.conftest import MONDAY_MS, RestartingEntities
from tests.domain.scoring import HELLO, OPEN, on_score, policy, score_command

CAPS = {"6h": 1, "2d": 3}
FROM_HOUR, TO_HOUR = 20, 9
RULES = policy(
    channels=["EMAIL", "IN_APP"],
    quiet={"from": f"{FROM_HOUR}:00", "to": f"0{TO_HOUR}:00"},
    holidays=True,
    caps=CAPS,
    spread="45m",
    hold_out_percent=20,
    consent_default={"EMAIL": True},
)
SEQUENCE = (HELLO, {**HELLO, "after": "5h"}, {**HELLO, "after": "2d"}, {**HELLO, "recipient": "operator"})
CORE = MemberCore(
    PlaybookSet(
        [
            on_score("opens", "< 20", OPEN, *SEQUENCE),
            on_score("says", "is not empty", HELLO, fire="on_every_change"),
        ],
        RULES,
    )
)
PLANNED = {"opens": len(SEQUENCE), "says": 1}
END_MS = MONDAY_MS + 100 * DAY_MS

ZONES = ["Europe/Berlin", "America/New_York", "Pacific/Auckland", "Asia/Kolkata"]
PLACES = {"a": {"country": "DE", "time_zone": "Europe/Berlin", "email": "a@example.org"}, "b": {}}
step = st.sampled_from([0, 1, 2, 5, 9, 14, 30])
told = st.one_of(
    st.tuples(st.just("score"), st.sampled_from([10, 15, 30, 40])),
    st.tuples(st.just("score"), st.sampled_from([10, 15, 30, 40])),
    st.tuples(st.just("time_zone"), st.sampled_from(ZONES)),
    st.tuples(st.just("country"), st.sampled_from(["DE", "US", "NZ"])),
    st.tuples(st.just("consents"), st.tuples(st.sampled_from(["EMAIL", "IN_APP"]), st.booleans())),
    st.tuples(st.just("unsubscribed"), st.sampled_from(["EMAIL", "IN_APP"])),
    st.tuples(st.just("email"), st.sampled_from(["", "a@example.org"])),
    st.tuples(st.just("snooze"), st.sampled_from([3, 50])),
    st.tuples(st.just("resolve"), st.integers(1, 3)),
)
histories = st.lists(
    st.tuples(step, st.sampled_from([0, 0, 0, 3, 20]), st.sampled_from(["a", "b"]), told),
    min_size=1,
    max_size=25,
)


class Arrival(NamedTuple):
    now_ms: int
    record: Any


def arrivals(drawn: list[Any]) -> list[Arrival]:
    # From 24 December on, so that holidays are never far.
    now_ms = MONDAY_MS - 12 * DAY_MS
    found = [
        Arrival(now_ms, MemberProfile(event_id="p", member_id=member, occurred_at=now_ms, **PLACES[member]))
        for member in "ab"
    ]
    for number, (hours, late, member, what) in enumerate(drawn):
        now_ms += hours * HOUR_MS
        found.append(Arrival(now_ms, make(f"e{number}", member, now_ms - late * HOUR_MS, *what)))
    return found


def make(event_id: str, member: str, at_ms: int, what: str, value: Any) -> Any:
    fields = {"event_id": event_id, "member_id": member, "occurred_at": at_ms}
    if what == "score":
        return score_command(event_id, at_ms, "SET", value, member_id=member)
    if what == "unsubscribed":
        attributes = {"channel": value}
        return Activity(**fields, type="nudge.unsubscribed", channel="EMAIL", attributes=attributes)
    if what in ("snooze", "resolve"):
        command = {
            "snooze": {"type": "SNOOZE_NUDGES", "until": at_ms + value * HOUR_MS},
            "resolve": {"type": "RESOLVE_WORKFLOW", "workflow_id": f"opens:{member}:{value}"},
        }[what]
        return OperatorCommand(**fields, **command, issued_by="op")
    return MemberProfile(**fields, **{what: dict([value]) if what == "consents" else value})


class Notes:
    """What was said of one member; of each thing the latest by its own time."""

    def __init__(self) -> None:
        self.said: dict[str, tuple[int, Any]] = {}

    def hear(self, record: Any) -> None:
        if isinstance(record, MemberProfile):
            for name in ("time_zone", "country", "email"):
                if getattr(record, name) is not None:
                    self.note(name, record.occurred_at, getattr(record, name))
            for channel, consent in record.consents.items():
                self.note(channel, record.occurred_at, consent)
        elif isinstance(record, Activity):
            self.note(str(record.attributes["channel"]), record.occurred_at, False)

    def note(self, name: str, at_ms: int, value: Any) -> None:
        if at_ms >= self.said.get(name, (at_ms, None))[0]:
            self.said[name] = (at_ms, value)

    def get(self, name: str, default: Any = None) -> Any:
        return self.said.get(name, (0, default))[1]

    def allows(self, nudge: Nudge) -> bool:
        moment = local_time(nudge.occurred_at, ZoneInfo(self.get("time_zone", "UTC")))
        is_quiet = moment.hour >= FROM_HOUR or moment.hour < TO_HOUR
        is_holiday = is_public_holiday(moment.date(), self.get("country"), None)
        has_consent = self.get(nudge.channel, nudge.channel == "EMAIL")
        has_address = nudge.channel != "EMAIL" or bool(self.get("email"))
        return not is_quiet and not is_holiday and has_consent and has_address


def play(arrived: list[Arrival], entities: Any = None) -> list[tuple[Any, list[Notes]]]:
    """Every output, with the notes of its member of which one was true when it was decided."""
    engine = Engine(CORE, entities or MemoryEntities(), MemoryDeadlines(), Sink())
    notes = {"a": Notes(), "b": Notes()}
    found: list[tuple[Any, list[Notes]]] = []

    def take(*possible: dict[str, Notes]) -> None:
        for output in engine.sink.take():
            member = getattr(output, "member_id", "a")
            found.append((output, [each[member] for each in possible]))

    for now_ms, record in arrived:
        engine.move_time(now_ms)
        take(notes)
        before = notes
        notes = {member: Notes() for member in notes}
        for member, kept in before.items():
            notes[member].said = dict(kept.said)
        engine.apply(record.member_id, record)
        if isinstance(record, MemberProfile | Activity):
            notes[record.member_id].hear(record)
        # Timers due by the record fire before it, others that it moved into the past after it.
        take(before, notes)
    engine.move_time(END_MS)
    take(notes)
    return found


def capped(nudges: list[Nudge]) -> bool:
    spans = {"6h": 6 * HOUR_MS, "2d": 2 * DAY_MS}
    return any(
        sum(nudge.occurred_at - spans[span] < other.occurred_at <= nudge.occurred_at for other in nudges)
        > most
        for span, most in CAPS.items()
        for nudge in nudges
    )


@settings(max_examples=300)
@given(histories)
def test_no_nudge_is_sent_that_the_policy_forbids(drawn):
    sent: dict[str, list[Nudge]] = {"a": [], "b": []}
    resolved: set[str] = set()
    for output, possible in play(arrivals(drawn)):
        if isinstance(output, WorkflowResolved):
            resolved.add(output.workflow_id)
        if isinstance(output, Nudge):
            assert output.workflow_id not in resolved
            if output.recipient_role == "MEMBER":
                assert any(notes.allows(output) for notes in possible)
                sent[output.member_id].append(output)
    assert not any(capped(nudges) for nudges in sent.values())


@settings(max_examples=300)
@given(histories)
def test_every_planned_nudge_has_exactly_one_outcome(drawn):
    outputs = [output for output, _ in play(arrivals(drawn))]
    planned: Counter[tuple[str, str]] = Counter()
    for output in outputs:
        if isinstance(output, WorkflowOpened):
            planned[output.member_id, "opens"] += PLANNED["opens"]
        elif isinstance(output, ScoreChanged):
            planned[output.member_id, "says"] += PLANNED["says"]
    outcomes = [output for output in outputs if isinstance(output, Nudge | NudgeSuppressed)]
    assert Counter((output.member_id, output.playbook) for output in outcomes) == planned
    numbers: Counter[str] = Counter()
    for output in outcomes:
        stem = output.workflow_id or f"{output.playbook}:{output.member_id}"
        numbers[stem] += 1
        assert output.nudge_id == f"{stem}#{numbers[stem]}"


@given(histories)
def test_a_restart_between_any_two_records_changes_nothing(drawn):
    arrived = arrivals(drawn)
    one = [output for output, _ in play(arrived, RestartingEntities(CORE))]
    assert one == [output for output, _ in play(arrived)]
