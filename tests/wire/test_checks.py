"""What an input record must satisfy beyond its schema."""

import pytest

from app.domain.events import INPUTS
from app.wire.bad_record import BadRecord
from app.wire.checks import CHECKS
from app.wire.codec import Codec

NOW_MS = 1_767_607_200_000
codec = Codec()

VALID = {
    "activity": {"member_id": "m1", "type": "article.read", "channel": "APP"},
    "score": {"member_id": "m1", "operation": "ADD", "points": 1},
    "transfer": {"member_id": "m1", "type": "TRANSFERRED"},
    "profile": {"member_id": "m1"},
    "campaign": {
        "member_id": "m1",
        "response_id": "r1",
        "campaign_id": "c1",
        "is_response": True,
        "status": "New",
    },
    "engagement": {"member_id": "m1", "engagement_id": "g1", "type": "ACTIVATED"},
    "command": {"member_id": "m1", "type": "FORGET_MEMBER", "issued_by": "ann"},
    "company": {"company_id": "acme", "status": "OPERATIONAL"},
    "capacity": {"pool": "default", "slots_per_day": 0},
}


def record(topic, **changes):
    return codec.from_json(topic, {"event_id": "e1", "occurred_at": NOW_MS, **VALID[topic], **changes})


def refused(topic, **changes):
    with pytest.raises(BadRecord) as caught:
        CHECKS[topic](record(topic, **changes))
    assert caught.value.occurred_at == NOW_MS
    return caught.value.error, caught.value.message


def test_every_input_has_its_check():
    assert set(CHECKS) == set(INPUTS) == set(VALID)


@pytest.mark.parametrize("topic", sorted(VALID))
def test_a_right_record_is_let_through(topic):
    CHECKS[topic](record(topic))


@pytest.mark.parametrize(
    ("topic", "field"),
    [
        *((topic, INPUTS[topic].key_field) for topic in sorted(VALID)),
        *((topic, "event_id") for topic in sorted(VALID)),
        ("score", "score"),
        ("transfer", "pool"),
        ("transfer", "coach_id"),
        ("profile", "merged_into"),
        ("profile", "owner_id"),
        ("campaign", "response_id"),
        ("campaign", "campaign_id"),
        ("engagement", "engagement_id"),
        ("engagement", "session_id"),
    ],
)
def test_an_id_is_neither_empty_nor_longer_than_256_characters(topic, field):
    assert refused(topic, **{field: ""}) == ("bad_value", f"{field}: the id is empty")
    assert refused(topic, **{field: "x" * 257}) == (
        "bad_value",
        f"{field}: the id has 257 characters, more than 256",
    )
    CHECKS[topic](record(topic, **{field: "x" * 256}))


@pytest.mark.parametrize("kind", ["", "x" * 257])
def test_an_activitys_type_is_named_and_short(kind):
    assert refused("activity", type=kind) == (
        "bad_value",
        f"type: it has {len(kind)} characters, where 1 to 256 are expected",
    )


@pytest.mark.parametrize(
    ("topic", "changes", "message"),
    [
        ("score", {"operation": "ADD", "points": -1}, "points: -1 is negative, which only SET may be"),
        ("score", {"operation": "SUBTRACT", "points": -1}, "points: -1 is negative, which only SET may be"),
        ("score", {"operation": "ADD", "points": None}, "points: ADD needs them"),
        ("score", {"operation": "SUBTRACT", "points": None}, "points: SUBTRACT needs them"),
        ("score", {"operation": "SET", "points": None}, "points: SET needs them"),
        ("score", {"operation": "CLEAR", "points": 3}, "points: 3 is given, where CLEAR takes none"),
        ("transfer", {"attempt": -1}, "attempt: -1 is negative"),
        (
            "engagement",
            {"type": "SESSION_SCHEDULED", "session_at": NOW_MS},
            "session_id: SESSION_SCHEDULED needs it",
        ),
        (
            "engagement",
            {"type": "SESSION_SCHEDULED", "session_id": "s"},
            "session_at: SESSION_SCHEDULED needs it",
        ),
        (
            "engagement",
            {"type": "DISCOVERY_CALL_SCHEDULED", "session_id": "s"},
            "session_at: DISCOVERY_CALL_SCHEDULED needs it",
        ),
        ("engagement", {"type": "SESSION_COMPLETED"}, "session_id: SESSION_COMPLETED needs it"),
        ("engagement", {"type": "SESSION_CANCELLED"}, "session_id: SESSION_CANCELLED needs it"),
        ("engagement", {"type": "DISCOVERY_CALL_CANCELLED"}, "session_id: DISCOVERY_CALL_CANCELLED needs it"),
        ("engagement", {"session_at": -1}, "session_at: -1 lies outside the years 1970 to 9999"),
        ("command", {"type": "SNOOZE_NUDGES"}, "until: SNOOZE_NUDGES needs it"),
        ("command", {"type": "RESOLVE_WORKFLOW"}, "workflow_id: RESOLVE_WORKFLOW needs it"),
        (
            "command",
            {"type": "SNOOZE_NUDGES", "until": 2**62},
            "until: 4611686018427387904 lies outside the years 1970 to 9999",
        ),
        ("capacity", {"slots_per_day": -1}, "slots_per_day: -1 is negative"),
    ],
)
def test_what_a_type_needs_is_asked_for(topic, changes, message):
    assert refused(topic, **changes) == ("bad_value", message)


@pytest.mark.parametrize(
    ("topic", "changes"),
    [
        ("score", {"operation": "SET", "points": -5}),
        ("score", {"operation": "CLEAR", "points": None}),
        ("engagement", {"type": "SESSION_COMPLETED", "session_id": "s"}),
        ("command", {"type": "SNOOZE_NUDGES", "until": NOW_MS}),
        ("profile", {"consents": {"EMAIL": None, "SMS": True}}),
        ("profile", {"channels": []}),
    ],
)
def test_no_more_than_that_is_asked_for(topic, changes):
    CHECKS[topic](record(topic, **changes))


def test_consents_are_of_known_channels():
    assert refused("profile", consents={"EMIAL": True}) == (
        "unknown_enum",
        "consents: \"EMIAL\" is none of EMAIL, SMS, IN_APP, PUSH, WEBHOOK; did you mean 'EMAIL'?",
    )
