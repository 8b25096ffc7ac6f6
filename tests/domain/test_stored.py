"""Every version of a stored part can be read for ever; the fixtures were written by the version in their name."""

from pathlib import Path

import pytest

from app.domain.errors import UserError
from app.domain.intent_state import HighIntentState, IntentHistory, Session
from app.domain.state import Cold, Hot, Profile, ReengagerState, Workflow
from app.domain.stored import decode_cold, decode_hot, decode_ids, encode_cold, encode_hot, encode_ids

FIXTURES = Path(__file__).parent / "fixtures"

HOT = Hot(
    armed_for="0123456789ab",
    now_ms=1768212000000,
    sequence=5,
    born=True,
    timers=[(1768212005000, "snapshot", "", ""), (1768816800000, "inactive", "re-engager", "")],
    recent=bytes(range(16)),
    older_ids=True,
    has_cold=True,
    page_stale=True,
    snapshot_ms=1768212000000,
    last_in_app_ms=1768212000001,
    openings={"re-engager": 2},
    nudges={"re-engager:m1:2": 1},
    tags={"vip": 1767607200000},
    workflows={"re-engager": Workflow("reengager", 2, "returned", 1768212000000)},
    states={"re-engager": ReengagerState("inactive", 1768212000001)},
    owner_id="o1",
    coach_id="c1",
    company_id="f1",
    location_id="l1",
)
IDS = bytes(range(64))
COLD = Cold(
    profile=Profile(
        time_zone="Europe/Zurich",
        country="CH",
        region="ZH",
        email="a@example.com",
        phone="+41440000000",
        channels=["EMAIL", "SMS"],
        consents={"EMAIL": True, "SMS": False},
        lead_status="Open",
        record_type="INVITED",
        program="p1",
        pool="west",
        told_ms={"email": 1767607200000, "consents.SMS": 1767607200001},
    )
)


def test_hot_of_version_1_is_read():
    assert decode_hot((FIXTURES / "hot-1.bin").read_bytes()) == HOT


def test_ids_of_version_1_are_read():
    assert decode_ids((FIXTURES / "ids-1.bin").read_bytes()) == IDS


def test_cold_of_version_1_is_read():
    assert decode_cold((FIXTURES / "cold-1.bin").read_bytes()) == COLD


def test_what_is_written_today_is_read_today():
    assert decode_hot(encode_hot(HOT)) == HOT
    assert decode_ids(encode_ids(IDS)) == IDS
    assert decode_cold(encode_cold(COLD)) == COLD


def test_the_names_all_members_share_are_one_object():
    one, other = decode_hot(encode_hot(HOT)), decode_hot(encode_hot(HOT))
    assert one.timers[1][1] is other.timers[1][1]
    assert one.timers[1][2] is other.timers[1][2]
    assert one.states["re-engager"].tag is other.states["re-engager"].tag
    assert one.armed_for is other.armed_for


@pytest.mark.parametrize("decode", [decode_hot, decode_ids, decode_cold])
def test_a_part_of_a_newer_version_is_refused_with_what_to_do(decode):
    with pytest.raises(UserError, match="newer one") as caught:
        decode(b"\xff")
    assert caught.value.reference == "state-too-new"


def test_sessions_are_read_as_they_were_written():
    state = HighIntentState(Session(1, 2, "Page", 2, "acme", "login", is_late=True), 1, has_history=True)
    hot = Hot("0123456789ab", states={"transact": state, "re-engager": ReengagerState("inactive")})
    assert decode_hot(encode_hot(hot)) == hot
    cold = Cold(intents={"transact": IntentHistory([1, 2], 1, "known_error:mfa", "Page", from_ms=2)})
    assert decode_cold(encode_cold(cold)) == cold
