"""Score records that will not do: each is a dead letter with its place and reason, and changes nothing (contract 3, 8)."""

import json

import pytest

from app.playbooks.loader import load_playbooks
from app.tools.simulate import simulate

PLAYBOOKS = load_playbooks(None)
RECORD = {"topic": "score", "member_id": "m", "occurred_at": "2026-01-05T10:00:00Z", "operation": "ADD"}


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({}, "bad_value", "points: ADD needs them"),
        ({"points": -1}, "bad_value", "points: -1 is negative, which only SET may be"),
        ({"points": 2**63}, "bad_value", "points: 9223372036854775808 is out of the range of a long"),
        ({"points": 1.5}, "bad_value", "points: 1.5 is no whole number"),
        ({"points": "5"}, "bad_value", 'points: "5" is no whole number'),
        ({"operation": "SET"}, "bad_value", "points: SET needs them"),
        (
            {"operation": "SET", "points": -(2**63) - 1},
            "bad_value",
            "points: -9223372036854775809 is out of the range of a long",
        ),
        (
            {"operation": "TIMES", "points": 1},
            "unknown_enum",
            'operation: "TIMES" is none of ADD, SUBTRACT, SET, CLEAR',
        ),
        ({"points": 1, "score": ""}, "bad_value", "score: the id is empty"),
        ({"point": 1}, "unknown_field", "point: no such field; did you mean 'points'?"),
    ],
)
def test_it_is_a_dead_letter_that_makes_no_member(fields, error, message):
    result = simulate([json.dumps(RECORD | fields)], PLAYBOOKS)
    (letter,) = result.dead_letters
    assert (letter.error, letter.message, letter.source_line) == (error, message, 1)
    assert (letter.source_topic, letter.key) == ("score", "m")
    assert result.outputs == []
    assert result.snapshots == []


@pytest.mark.parametrize(
    "fields", [{"time_zone": "Europe/Atlantis"}, {"country": "XX"}, {"country": "DE", "region": "Atlantis"}]
)
def test_a_place_nobody_knows_stops_no_message_it_goes_by_utc_and_without_holidays(fields):
    lines = [
        {"topic": "profile", "member_id": "m", "occurred_at": "2026-01-05T21:30:00Z", **fields},
        RECORD | {"occurred_at": "2026-01-05T22:00:00Z", "operation": "SET", "points": 5},
        {"topic": "clock", "occurred_at": "2026-01-06T09:00:00Z"},
    ]
    result = simulate(map(json.dumps, lines), PLAYBOOKS)
    assert result.dead_letters == []
    (nudge,) = [output for output in result.outputs if output.topic == "nudge"]
    assert 0 <= nudge.occurred_at - 1_767_686_400_000 < 15 * 60_000  # 6 January, 08:00, and the spread
