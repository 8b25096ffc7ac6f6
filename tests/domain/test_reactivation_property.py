"""Reactivation told a second time, from the log alone; and what must make no difference to it."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.engine import Engine
from app.domain.events import Activity, CampaignResponse, MemberProfile, OperatorCommand, ScoreCommand
from app.domain.members import MemberCore
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.playbook_set import PlaybookSet
from app.domain.sink import Sink
from tests.domain.conftest import MONDAY_MS, RestartingEntities
from tests.domain.reactivating import MINUTE_MS, on

STEP = 7
WAIT, LOOK_BACK = 20, 120
END = 100_000


class Arrival(NamedTuple):
    """A record, as the reference sees it; minutes."""

    arrived: int
    at: int
    what: str
    fields: dict[str, Any]


class Word(NamedTuple):
    """What one campaign record, or one reactivation, said of a response, and when that was."""

    response_id: str
    at: int
    status: str
    campaign: str
    is_response: bool
    mark: bool = False


class Reference:
    """One playbook that listens to prompts, and keeps no state of responses: they are read off all words said of them.

    Its playbook: any sign or all, the default inserted or the prompt kept, leads inactive when Recycled.
    """

    def __init__(self, *, needs_all: bool, skips: bool, default: bool) -> None:
        self.needs_all, self.skips, self.default = needs_all, skips, default
        self.words: list[Word] = []
        self.leads: list[tuple[int, str]] = []
        self.now = -(10**9)
        self.trigger: tuple[int, str] | None = None
        self.said: list[tuple[int, str]] = []
        self.open_for: str | None = None
        self.opened = self.inserted = 0

    def hear(self, arrivals: list[Arrival]) -> list[tuple[int, str]]:
        for arrived, at, what, fields in arrivals:
            self.fire(arrived)
            self.fire(at)
            self.now = max(self.now, at)
            if what == "campaign":
                self.campaign(Word(at=at, **fields))
            elif what == "lead":
                before = self.lead()
                self.leads.append((at, fields["lead_status"]))
                if self.lead() == "Recycled" != before:
                    self.close("lead_inactive")
            self.fire(arrived)
        self.fire(END)
        return self.said

    def lead(self) -> str | None:
        """Of words of one instant the one said last."""
        return (
            max(enumerate(self.leads), key=lambda each: (each[1][0], each[0]))[1][1] if self.leads else None
        )

    def state_of(self, response_id: str) -> tuple[int, Word] | None:
        """First instant and newest word."""
        words = [
            (each.at, place, each) for place, each in enumerate(self.words) if each.response_id == response_id
        ]
        return (min(words)[0], max(words)[2]) if words else None

    def campaign(self, word: Word) -> None:
        known = self.state_of(word.response_id)
        was_prompt = known is not None and known[1].campaign == "prompt" and known[1].is_response
        self.words.append(word)
        now = self.state_of(word.response_id)
        assert now is not None
        if self.open_for == word.response_id and now[1].status not in ("Open", "Working"):
            self.close("response_closed")
        is_prompt = now[1].campaign == "prompt" and now[1].is_response
        if is_prompt and not was_prompt and self.trigger is None:
            self.trigger = (word.at, word.response_id)

    def close(self, resolution: str) -> None:
        if self.open_for is not None:
            self.said.append((self.now, f"resolved {self.opened} {resolution}"))
            self.open_for = None

    def fire(self, until: int) -> None:
        if self.trigger is None or self.trigger[0] + WAIT > until:
            return
        (at, prompt), self.trigger = self.trigger, None
        self.now = max(self.now, at + WAIT)
        self.decide(at, prompt)

    def decide(self, at: int, prompt: str) -> None:
        known = {each.response_id: self.state_of(each.response_id) for each in self.words}
        if self.skips and any(
            word.status in ("Open", "Working") and word.campaign != "prompt"
            for _, word in filter(None, known.values())
        ):
            return
        for is_response, action in ((True, "RESPONSE_REACTIVATED"), (False, "NON_RESPONSE_ACTIVATED")):
            found = [
                (first, response_id)
                for response_id, (first, word) in ((key, each) for key, each in known.items() if each)
                if word.is_response is is_response
                and word.campaign == "webinar"
                and self.is_eligible(response_id, first, word, at)
            ]
            if found:
                self.activate(action, max(found)[1], mark=True)
                return
        if self.default:
            self.inserted += 1
            response_id = f"default:react:m1:{self.inserted}"
            self.words.append(Word(response_id, self.now, "new", "web", is_response=True))
            self.activate("DEFAULT_INSERTED", response_id, mark=False)
        else:
            self.activate("PROMPT_KEPT", prompt, mark=False)

    def is_eligible(self, response_id: str, first: int, word: Word, at: int) -> bool:
        marked = any(each.mark for each in self.words if each.response_id == response_id)
        signs = [not marked, word.status == "Resolved", at - first <= LOOK_BACK]
        return all(signs) if self.needs_all else any(signs)

    def activate(self, action: str, response_id: str, *, mark: bool) -> None:
        state = self.state_of(response_id)
        assert state is not None
        self.words.append(state[1]._replace(at=self.now, status="Open", mark=mark))
        self.said.append((self.now, f"{action} {response_id}"))
        if self.open_for is None:
            self.opened += 1
            self.said.append((self.now, f"opened {self.opened}"))
        self.open_for = response_id


def playbook(*, needs_all: bool, skips: bool, default: bool) -> Any:
    return on(
        "response_prompt",
        eligible="all" if needs_all else "any",
        skip_if_active=skips,
        look_back=f"{LOOK_BACK}m",
        active_status="Open",
        exclude_campaigns=["web"],
        inactive_statuses=["Recycled"],
        default_response={"campaign_id": "web"} if default else None,
        notify=[],
    )


def record_of(number: int, arrival: Arrival, member: str = "m1") -> Any:
    common = {
        "event_id": f"e{number}",
        "member_id": member,
        "occurred_at": MONDAY_MS + arrival.at * MINUTE_MS,
    }
    match arrival.what:
        case "campaign":
            fields = dict(arrival.fields)
            return CampaignResponse(**common, campaign_id=fields.pop("campaign"), **fields)
        case "lead":
            return MemberProfile(**common, **arrival.fields)
        case "score":
            return ScoreCommand(**common, **arrival.fields)
        case "command":
            return OperatorCommand(**common, issued_by="op", **arrival.fields)
        case _:
            return Activity(**common, type="reactivation.requested", channel="WEB")


def actual(arrivals: list[Arrival], rule: Any) -> list[tuple[int, str]]:
    engine = make_engine(MemberCore(PlaybookSet([rule])))
    outputs = play(engine, arrivals)
    return [told for output in outputs if (told := tell(output)) is not None]


def tell(output: Any) -> tuple[int, str] | None:
    minute = (getattr(output, "occurred_at", 0) - MONDAY_MS) // MINUTE_MS
    match getattr(output, "topic", ""):
        case "reactivation":
            return minute, f"{output.action} {output.response_id}"
        case "workflow-opened":
            return minute, f"opened {output.workflow_id.rpartition(':')[2]}"
        case "workflow-resolved":
            return minute, f"resolved {output.workflow_id.rpartition(':')[2]} {output.resolution}"
        case _:
            return None


def make_engine(core: MemberCore, entities: Any = None, grace_ms: int = 0) -> Engine[Any]:
    return Engine(core, entities or MemoryEntities(), MemoryDeadlines(), Sink(), grace_ms=grace_ms)


def play(engine: Engine[Any], arrivals: list[Arrival], members: list[str] | None = None) -> list[Any]:
    for number, arrival in enumerate(arrivals):
        record = record_of(number, arrival, members[number] if members else "m1")
        engine.move_time(MONDAY_MS + arrival.arrived * MINUTE_MS)
        engine.apply(record.member_id, record)
    engine.move_time(MONDAY_MS + END * MINUTE_MS + engine.grace_ms)
    return engine.sink.take()


def of_member(outputs: list[Any], member: str) -> list[Any]:
    return [output for output in outputs if getattr(output, "member_id", None) == member]


steps = st.sampled_from([0, 1, 5, 19, 20, 21, 60, LOOK_BACK - WAIT, LOOK_BACK, LOOK_BACK + 1])
response_ids = st.sampled_from(["r1", "r2", "r3", "p1", "p2", "default:react:m1:1"])
campaign_fields = st.fixed_dictionaries(
    {
        "response_id": response_ids,
        "status": st.sampled_from(["Resolved", "Resolved", "Closed", "Closed", "Working", "Open"]),
        "campaign": st.sampled_from(["webinar", "webinar", "prompt", "prompt", "web"]),
        "is_response": st.booleans(),
    }
)
leads = st.fixed_dictionaries({"lead_status": st.sampled_from(["Open", "New", "Recycled"])})


@st.composite
def histories(draw: st.DrawFn, *, whole: bool = False, late: bool = True) -> list[Arrival]:
    """Up to 25 records; `whole`: of all topics that matter, else campaigns and leads."""
    arrivals, clock = [], 0
    scores = st.fixed_dictionaries(
        {"operation": st.just("SET"), "points": st.sampled_from([0, 99, 100, 150])}
    )
    commands = st.sampled_from(
        [{"type": "FORGET_MEMBER"}, {"type": "RESOLVE_WORKFLOW", "workflow_id": "react:m1:1"}]
    )
    words = ["campaign"] * 6 + ["lead"] + (["score", "score", "asked", "asked", "command"] if whole else [])
    of = {
        "campaign": campaign_fields,
        "lead": leads,
        "score": scores,
        "command": commands,
        "asked": st.just({}),
    }
    for _ in range(draw(st.integers(1, 25))):
        clock += draw(steps)
        at = clock - (draw(st.sampled_from([0, 0, 0, 1, 19, 20, 60, 200])) if late else 0)
        what = draw(st.sampled_from(words))
        arrivals.append(Arrival(clock, at, what, draw(of[what])))
    return arrivals


def told(minute: int, response_id: str, campaign: str, *, is_response: bool) -> Arrival:
    fields = {
        "response_id": response_id,
        "status": "Resolved",
        "campaign": campaign,
        "is_response": is_response,
    }
    return Arrival(minute, minute, "campaign", fields)


TOLD_BEFORE_IT_WAS_INSERTED = [
    told(0, "default:react:m1:1", "webinar", is_response=False),
    told(21, "r1", "webinar", is_response=False),
    told(121, "r1", "prompt", is_response=True),
    told(141, "r2", "prompt", is_response=True),
    told(141, "default:react:m1:1", "webinar", is_response=False),
    told(141, "r1", "webinar", is_response=False),
]


@settings(max_examples=600)
@given(histories(), st.booleans(), st.booleans(), st.booleans())
@example(arrivals=TOLD_BEFORE_IT_WAS_INSERTED, needs_all=True, skips=False, default=True)
def test_the_core_says_what_the_reference_says(arrivals, needs_all, skips, default):
    settings_ = {"needs_all": needs_all, "skips": skips, "default": default}
    assert actual(arrivals, playbook(**settings_)) == Reference(**settings_).hear(arrivals)


ALL = MemberCore(
    PlaybookSet(
        [
            on(notify=["owner", "member"], default_response={"campaign_id": "web"}),
            on("response_prompt", name="prompted", skip_if_active=False, active_status="Open"),
            on("invocable", name="asked", wait="0s", eligible="all", skip_if_active=False),
            on("active_status", name="back", wait="1h"),
        ]
    )
)


@given(histories(whole=True))
def test_a_restart_between_any_two_records_changes_nothing(arrivals):
    restarting = play(make_engine(ALL, RestartingEntities(ALL)), arrivals)
    assert restarting == play(make_engine(ALL), arrivals)


@given(
    histories(whole=True, late=False),
    st.lists(st.sampled_from("abc"), min_size=25, max_size=25),
    st.sampled_from([0, 2000]),
)
def test_for_records_in_time_other_members_and_the_grace_change_nothing(arrivals, members, grace_ms):
    together = play(make_engine(ALL, grace_ms=grace_ms), arrivals, members)
    for member in "abc":
        alone = [
            record_of(number, arrival, member)
            for number, arrival in enumerate(arrivals)
            if members[number] == member
        ]
        engine = make_engine(ALL)
        for record in alone:
            engine.move_time(record.occurred_at)
            engine.apply(member, record)
        engine.move_time(MONDAY_MS + END * MINUTE_MS)
        assert of_member(together, member) == of_member(engine.sink.take(), member)


@given(histories(whole=True))
def test_one_workflow_at_a_time_no_response_twice_and_no_gap(arrivals):
    outputs = play(make_engine(ALL), arrivals)
    sequenced = [output for output in outputs if hasattr(output, "sequence")]
    assert [output.sequence for output in sequenced] == list(range(1, len(sequenced) + 1))
    open_now: dict[str, str] = {}
    inserted: list[str] = []
    for output in sequenced:
        if output.topic == "workflow-opened":
            assert open_now.setdefault(output.playbook, output.workflow_id) == output.workflow_id
        elif output.topic == "workflow-resolved":
            assert open_now.pop(output.playbook) == output.workflow_id
        elif output.topic == "reactivation" and output.action == "DEFAULT_INSERTED":
            inserted.append(output.response_id)
    assert inserted == [f"default:react:m1:{number}" for number in range(1, len(inserted) + 1)]
