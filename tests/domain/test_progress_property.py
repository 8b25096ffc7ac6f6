"""Engagements against a second computation of their status, made anew from all records for every single hour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.crossings import DigestItem
from app.domain.engagements import MOST_WORDS
from app.domain.events import EngagementEvent
from app.domain.instants import HOUR_MS
from app.domain.outputs import TrackChanged, WorkflowOpened, WorkflowResolved
from app.domain.progress import Template
from tests.domain.coaching import Coaching, progress
from tests.domain.conftest import MONDAY_MS

THRESHOLDS = {"default": None, "short": 5, "long": 20}
PHASES = ("ACTIVATED", "MATCHING_STARTED", "COACH_SELECTED", "DEACTIVATED", "COMPLETED")
SESSIONS = (
    "SESSION_SCHEDULED",
    "SESSION_COMPLETED",
    "SESSION_CANCELLED",
    "DISCOVERY_CALL_SCHEDULED",
    "DISCOVERY_CALL_CANCELLED",
)


@dataclass(frozen=True)
class Said:
    """One record; hours count from Monday, 10:00."""

    number: int
    arrived: int
    hour: int
    engagement: str
    type: str
    template: str | None = None
    session: str | None = None
    date: int | None = None


@dataclass
class Paper:
    """One engagement as a person would follow it on paper: nothing is kept but the records, in order of arrival."""

    said: list[Said] = field(default_factory=list)
    now: int = 0
    status: str = "NOT_TRACKING"
    changes: list[tuple[int, str]] = field(default_factory=list)

    def hear(self, record: Said) -> None:
        self.said.append(record)
        self.now = max(self.now, record.hour)
        self.look()

    def wait(self, hour: int) -> None:
        """Look again every hour; a change then is the last thing that has happened to the member."""
        for each in range(self.now, hour + 1):
            if self.status_at(each) != self.status:
                self.now = each
                self.look()

    def look(self) -> None:
        status = self.status_at(self.now)
        if status != self.status:
            self.status = status
            self.changes.append((self.now, status))

    def status_at(self, hour: int) -> str:
        threshold, (phase, start) = self.threshold(), self.phase()
        if threshold is None or phase not in ("ACTIVE", "MATCHING"):
            return "NOT_TRACKING"
        dates = self.dates("SESSION" if phase == "ACTIVE" else "DISCOVERY_CALL")
        if any(date > hour for date in dates):
            return "ON_TRACK"
        reference = max([start, *dates])
        return "ON_TRACK" if reference + threshold > hour else "OFF_TRACK"

    def threshold(self) -> int | None:
        if not self.said:
            return None
        launched = next((each.template for each in self.said if each.type == "LAUNCHED"), None)
        return THRESHOLDS.get(launched or self.said[0].template or "default")

    def phase(self) -> tuple[str, int]:
        settled: list[Said] = []
        words: list[Said] = []
        for each in self.said:
            if each.type in PHASES and not (settled and each.hour < settled[-1].hour):
                words = sorted([*words, each], key=lambda word: word.hour)
                settled += words[:-MOST_WORDS]
                words = words[-MOST_WORDS:]
        phase, start = "LAUNCHED", -(10**6)
        for each in [*settled, *words]:
            after = {
                "ACTIVATED": "ACTIVE" if phase not in ("ACTIVE", "COMPLETED") else None,
                "MATCHING_STARTED": "MATCHING" if phase not in ("MATCHING", "COMPLETED") else None,
                "COACH_SELECTED": "ACTIVE" if phase == "MATCHING" else None,
                "DEACTIVATED": "DEACTIVATED" if phase not in ("DEACTIVATED", "COMPLETED") else None,
                "COMPLETED": "COMPLETED" if phase != "COMPLETED" else None,
            }.get(each.type)
            if after is not None:
                phase, start = after, each.hour
        return phase, start

    def dates(self, noun: str) -> list[int]:
        """The date each session (or call) counts with, from the records about it in the order of their own time."""
        found = []
        for session in {each.session for each in self.said if each.type.startswith(noun)}:
            own = [each for each in self.said if each.session == session and each.type.startswith(noun)]
            own.sort(key=lambda each: each.hour)
            planned = [place for place, each in enumerate(own) if each.type.endswith("SCHEDULED")]
            date = own[planned[-1]].date if planned else None
            since = own[planned[-1] + 1 :] if planned else own
            held = [each.hour for each in since if each.type.endswith("COMPLETED")]
            dropped = [each.hour for each in since if each.type.endswith("CANCELLED")]
            if held:
                found.append(min([*held, *([] if date is None else [date])]))
            elif date is not None:
                found.append(min([date, *dropped]))
        return found


@st.composite
def timelines(draw: st.DrawFn) -> list[Said]:
    """Up to 40 records about two engagements, some late, some about sessions nobody scheduled."""
    found: list[Said] = []
    arrived = 0
    for number in range(draw(st.integers(1, 40))):
        arrived += draw(st.integers(0, 6))
        hour = max(0, arrived - draw(st.sampled_from([0, 0, 0, 0, 2, 15])))
        engagement = draw(st.sampled_from(["e1", "e1", "e2"]))
        kind = draw(st.sampled_from(["launch", "phase", "phase", *["session"] * 5]))
        if kind == "launch":
            template = draw(st.sampled_from(["short", "short", "long", "default", "nonsense", None]))
            found.append(Said(number, arrived, hour, engagement, "LAUNCHED", template))
        elif kind == "phase":
            template = draw(st.sampled_from([None, None, None, "short"]))
            (name,) = draw(
                st.sampled_from([(each,) for each in PHASES * 3 if each != "COMPLETED"] + [(PHASES[4],)])
            )
            found.append(Said(number, arrived, hour, engagement, name, template))
        else:
            name = draw(st.sampled_from([*SESSIONS, "SESSION_SCHEDULED", "SESSION_SCHEDULED"]))
            date = hour + draw(st.integers(-15, 30)) if name.endswith("SCHEDULED") else None
            session = draw(st.sampled_from(["s1", "s2", "s3"]))
            found.append(Said(number, arrived, hour, engagement, name, session=session, date=date))
    return found


def playbook() -> Any:
    templates = {name: Template(hours and hours * HOUR_MS) for name, hours in THRESHOLDS.items()}
    return progress(templates=templates)


def tell(told: Coaching, record: Said) -> None:
    told.engine.move_time(MONDAY_MS + record.arrived * HOUR_MS)
    event = EngagementEvent(
        event_id=f"e{record.number}",
        member_id=record.engagement,
        occurred_at=MONDAY_MS + record.hour * HOUR_MS,
        engagement_id=record.engagement,
        type=record.type,
        template=record.template,
        session_id=record.session,
        session_at=None if record.date is None else MONDAY_MS + record.date * HOUR_MS,
        owner_id="o1",
    )
    told.engine.apply(event.member_id, event)
    told._take()


def end_of(records: list[Said]) -> int:
    return max(each.arrived for each in records) + 60


def play(records: list[Said], *, restarting: bool = False, until: int | None = None) -> list[Any]:
    """What comes out; each engagement has a member of its own, so that no other's late records count."""
    told = Coaching(playbook(), restarting=restarting)
    for record in records:
        tell(told, record)
    told.engine.move_time(MONDAY_MS + (end_of(records) if until is None else until) * HOUR_MS)
    told._take()
    return told.outputs


def hour_of(output: Any) -> int:
    return int((output.occurred_at - MONDAY_MS) // HOUR_MS)


@settings(max_examples=400)
@given(timelines(), st.booleans())
def test_the_status_is_that_of_the_reference_at_every_instant(records, restarting):
    outputs = play(records, restarting=restarting)
    for engagement in ("e1", "e2"):
        paper = Paper()
        for record in records:
            paper.wait(record.arrived)
            if record.engagement == engagement:
                paper.hear(record)
                paper.wait(record.arrived)
        paper.wait(end_of(records))
        found = [
            (hour_of(each), each.status)
            for each in outputs
            if isinstance(each, TrackChanged) and each.engagement_id == engagement
        ]
        assert found == paper.changes


@settings(max_examples=200)
@given(timelines())
def test_an_open_workflow_and_a_place_in_the_digest_belong_to_those_off_track_and_to_no_others(records):
    standing: dict[str, dict[str, bool]] = {"track": {}, "workflow": {}, "digest": {}}
    for output in play(records, restarting=False):
        match output:
            case TrackChanged():
                assert len({output_of(standing, name, output.engagement_id) for name in standing}) == 1
                standing["track"][output.engagement_id] = output.status == "OFF_TRACK"
            case WorkflowOpened() | WorkflowResolved():
                engagement = output.workflow_id.split(":")[2]
                standing["workflow"][engagement] = isinstance(output, WorkflowOpened)
            case DigestItem():
                standing["digest"][output.engagement_id] = output.off_track
    for engagement in ("e1", "e2"):
        assert len({output_of(standing, name, engagement) for name in standing}) == 1


def output_of(standing: dict[str, dict[str, bool]], name: str, engagement: str) -> bool:
    return standing[name].get(engagement, False)


@settings(max_examples=200)
@given(timelines())
def test_neither_a_restart_nor_other_members_change_anything(records):
    outputs = play(records, restarting=False)
    assert play(records, restarting=True) == outputs
    alone = play([each for each in records if each.engagement == "e1"], until=end_of(records))
    assert [each for each in outputs if each.member_id == "e1"] == alone
