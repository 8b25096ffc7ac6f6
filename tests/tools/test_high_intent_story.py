"""High intent through `simulate`: a story of two members and a company, as a user would try it out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from app.domain.company_state import offset_ms, rank_of
from app.domain.playbook_set import PlaybookSet
from app.playbooks.high_intent import HighIntentModel
from app.playbooks.loader import DEFAULTS, load_playbooks
from app.tools.simulate import Simulated, simulate

START_MS = 1767607200000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
PLAYBOOKS = load_playbooks(DEFAULTS / "high-intent")
RELEASE_MS = 15 * MINUTE_MS


def at(minute: float) -> int:
    return START_MS + round(minute * MINUTE_MS)


def happened(minute: float, kind: str, member: str = "ana", **attributes: Any) -> dict[str, Any]:
    fields = {"topic": "activity", "occurred_at": at(minute), "member_id": member}
    return {**fields, "type": f"transact.{kind}", "channel": "APP", "attributes": attributes}


def maintenance(minute: float, member: str = "ana") -> dict[str, Any]:
    return happened(minute, "interaction", member, name="Viewed Under Maintenance Page", company_id="acme")


def company(minute: float, status: str = "OPERATIONAL") -> dict[str, Any]:
    return {"topic": "company", "occurred_at": at(minute), "company_id": "acme", "status": status}


def clock(minute: float) -> dict[str, Any]:
    return {"topic": "clock", "occurred_at": at(minute)}


def play(*lines: dict[str, Any], **options: Any) -> Simulated:
    return simulate([json.dumps(line) for line in lines], PLAYBOOKS, **options)


def nudges(result: Simulated) -> list[tuple[str, int]]:
    return [(each.member_id, each.occurred_at) for each in result.outputs if each.topic == "nudge"]


def released(minute: float, member: str) -> int:
    return at(minute) + offset_ms(rank_of(member), RELEASE_MS)


def test_members_hear_of_it_an_hour_after_the_company_released_them():
    lines = [
        each
        for place, member in enumerate(("ana", "ben"))
        for each in (maintenance(place, member), happened(place + 1, "closed", member))
    ]
    result = play(*lines, company(60), clock(200))
    assert sorted(nudges(result)) == [(member, released(60, member) + HOUR_MS) for member in ("ana", "ben")]
    assert [each.reason for each in result.outputs if each.topic == "workflow-opened"] == [
        "known_error:maintenance"
    ] * 2
    assert result.dead_letters == []


def test_the_order_of_lines_does_not_matter():
    lines = [maintenance(0), happened(1, "closed"), company(60), company(61, "UNDER_MAINTENANCE"), clock(300)]
    assert play(*reversed(lines)).outputs == [
        replace(each, cause=each.cause.translate(MIRRORED)) for each in play(*lines).outputs
    ]


MIRRORED = str.maketrans("12345", "54321")
"""The number of a line among five, counted from the other end."""


def test_of_one_instant_the_company_comes_first():
    """Topic ranks: so it came back between page and end."""
    result = play(maintenance(0), happened(1, "closed"), company(1), clock(100))
    assert nudges(result) == [("ana", at(61))]


def test_a_company_nobody_waits_for_says_nothing():
    assert play(company(0), company(1, "UNDER_MAINTENANCE"), clock(10)).outputs == []


def test_a_company_record_that_is_not_valid_is_a_dead_letter():
    (letter,) = play(company(0, "OPERATIONL")).dead_letters
    assert letter.error == "unknown_enum"


def test_with_partitions_what_crossed_is_taken_as_it_was_recorded():
    wait_and_up = {
        "event_id": "transact:ana:1/1",
        "cause": "line-3",
        "member_id": "ana",
        "company_id": "acme",
    }
    wait_and_up |= {"playbook": "transact", "workflow_id": "transact:ana:1"}
    up = {"topic": "internal-company-up", "occurred_at": at(63), "partition": 2, **wait_and_up}
    lines = [{**line, "partition": 2} for line in (maintenance(0), happened(1, "closed"), clock(300))]
    own = {**company(60), "partition": 1}
    assert nudges(play(*lines[:2], own, lines[2], in_order=True)) == []
    assert nudges(play(*lines[:2], own, up, lines[2], in_order=True)) == [("ana", at(123))]


@pytest.mark.parametrize("after", ["1h", "0s"])
@pytest.mark.parametrize("members", [3, 60])
def test_without_a_span_everybody_is_told_by_the_companys_record(members: int, after: str):
    """With `0s` that is the last instant of the lines, too."""
    keys = {"name": "h", "kind": "high_intent", "deep_link": "app://x", "release": "0s"}
    model = HighIntentModel.model_validate({**keys, "nudges": [{"after": after}]})
    names = [f"m{number}" for number in range(members)]
    lines = [each for name in names for each in (maintenance(0, name), happened(1, "closed", name))]
    playbooks = PlaybookSet([model.compile()], PLAYBOOKS.policy)
    shown = [json.dumps(line) for line in (*lines, company(60), *([clock(200)] if after == "1h" else []))]
    due = at(120 if after == "1h" else 60)
    assert nudges(simulate(shown, playbooks)) == [(name, due) for name in sorted(names)]
