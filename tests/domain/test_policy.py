"""The nudge policy's questions (contract 6.6, and 8 under Policy)."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar import is_public_holiday, local_time, minute_of_day, zone_of
from app.domain.instants import DAY_MS, HOUR_MS, MINUTE_MS, iso_instant
from app.domain.nudge_state import Sent
from app.domain.policy import Policy, hold_out_rank, spread_offset_ms
from app.domain.state import Profile
from app.playbooks.policy import PolicyModel
from tests.domain.scoring import policy
from tests.domain.test_calendar import ZONES, ms


def quiet(start: str, end: str, **keys) -> Policy:
    return policy(quiet={"from": start, "to": end}, **keys)


def test_the_defaults_are_those_of_the_file():
    compiled = PolicyModel().compile()
    assert Policy(version=compiled.version) == compiled


class TestChannels:
    @pytest.mark.parametrize(
        ("profile", "wanted", "found"),
        [
            (Profile(email="a"), [], "EMAIL"),
            (Profile(), [], "IN_APP"),
            (Profile(phone="1"), ["SMS"], "no_consent"),
            (Profile(phone="1", consents={"SMS": True}), ["SMS"], "SMS"),
            (Profile(email="a", consents={"EMAIL": False}), [], "IN_APP"),
            (Profile(email="a", consents={"EMAIL": False}), ["EMAIL"], "no_consent"),
            (Profile(), ["EMAIL"], "no_channel"),
            (Profile(email=""), ["EMAIL"], "no_channel"),
            (Profile(consents={"EMAIL": True}), ["EMAIL", "SMS"], "no_channel"),
            (Profile(email="a", channels=["SMS"]), ["EMAIL"], "no_channel"),
            (Profile(email="a", channels=[]), ["EMAIL"], "EMAIL"),
            (Profile(channels=["PUSH", "IN_APP"]), [], "IN_APP"),
            (Profile(channels=["PUSH"]), [], "no_consent"),
            (Profile(channels=["PUSH"], consents={"PUSH": True}), [], "PUSH"),
            (Profile(), ["WEBHOOK", "IN_APP"], "IN_APP"),
        ],
    )
    def test_one_list_counts_and_in_it_the_first_with_an_address_and_consent(self, profile, wanted, found):
        assert found in policy().channel_for(profile, wanted)


class TestWaiting:
    @pytest.mark.parametrize(
        ("zone", "start", "end", "at", "until"),
        [
            # Across midnight.
            ("America/New_York", "21:00", "08:00", "2026-01-06T03:00", "2026-01-06T13:00"),
            ("America/New_York", "21:00", "08:00", "2026-01-06T08:00", "2026-01-06T13:00"),
            ("America/New_York", "21:00", "08:00", "2026-01-06T17:00", "2026-01-06T17:00"),
            ("UTC", "21:00", "08:00", "2026-01-06T21:00", "2026-01-07T08:00"),
            ("UTC", "21:00", "08:00", "2026-01-06T20:59", "2026-01-06T20:59"),
            ("UTC", "21:00", "08:00", "2026-01-06T08:00", "2026-01-06T08:00"),
            ("UTC", "21:00", "08:00", "2026-01-06T07:59", "2026-01-06T08:00"),
            # Within a day; none at all; unknown zone.
            ("UTC", "12:00", "13:00", "2026-01-06T12:30", "2026-01-06T13:00"),
            ("UTC", "08:00", "08:00", "2026-01-06T08:00", "2026-01-06T08:00"),
            ("Nowhere/Land", "21:00", "08:00", "2026-01-06T22:00", "2026-01-07T08:00"),
            # Summer time begins in the night: an hour less. North, then south.
            ("Europe/Berlin", "21:00", "08:00", "2026-03-28T22:00", "2026-03-29T06:00"),
            ("Australia/Sydney", "21:00", "08:00", "2026-10-03T13:00", "2026-10-03T21:00"),
            # It ends: an hour more.
            ("Europe/Berlin", "21:00", "08:00", "2026-10-24T20:00", "2026-10-25T07:00"),
            ("Australia/Sydney", "21:00", "08:00", "2026-04-04T12:00", "2026-04-04T22:00"),
            # The end does not exist: the first instant after the gap.
            ("Europe/Berlin", "21:00", "02:30", "2026-03-28T22:00", "2026-03-29T01:00"),
            ("America/Santiago", "20:00", "00:30", "2026-09-06T01:00", "2026-09-06T04:00"),
            # The end comes twice: the first lets go, and what comes between the two waits for the second.
            ("Europe/Berlin", "21:00", "02:30", "2026-10-24T22:00", "2026-10-25T00:30"),
            ("Europe/Berlin", "21:00", "02:30", "2026-10-25T01:10", "2026-10-25T01:30"),
            # Put back to before the start: quiet ends with it, and begins again.
            ("Europe/Berlin", "02:30", "05:00", "2026-10-25T00:40", "2026-10-25T01:00"),
            ("Europe/Berlin", "02:30", "05:00", "2026-10-25T01:40", "2026-10-25T04:00"),
            # The start does not exist: quiet from the first instant after the gap.
            ("Europe/Berlin", "02:30", "05:00", "2026-03-29T01:00", "2026-03-29T03:00"),
        ],
    )
    def test_quiet_hours_are_those_of_the_members_clock(self, zone, start, end, at, until):
        found = quiet(start, end).open_from_ms(ms(at), Profile(time_zone=zone))
        assert iso_instant(found) == f"{until}:00.000Z"

    @pytest.mark.parametrize(
        ("country", "region", "at", "until"),
        [
            ("DE", None, "2026-01-01T12:00", "2026-01-02T07:00"),
            ("DE", None, "2025-12-31T22:00", "2026-01-02T07:00"),
            ("DE", "BY", "2026-01-06T12:00", "2026-01-07T07:00"),
            ("DE", "BE", "2026-01-06T12:00", "2026-01-06T12:00"),
            ("DE", None, "2026-12-24T22:00", "2026-12-27T07:00"),
            (None, None, "2026-01-01T12:00", "2026-01-01T12:00"),
            ("XX", None, "2026-01-01T12:00", "2026-01-01T12:00"),
        ],
    )
    def test_a_public_holiday_is_waited_for_with_the_quiet_hours_after_it(self, country, region, at, until):
        profile = Profile(time_zone="Europe/Berlin", country=country, region=region)
        found = quiet("21:00", "08:00", holidays=True).open_from_ms(ms(at), profile)
        assert iso_instant(found) == f"{until}:00.000Z"

    def test_without_quiet_hours_a_holiday_ends_at_midnight(self):
        profile = Profile(time_zone="Europe/Berlin", country="DE")
        found = policy(holidays=True).open_from_ms(ms("2026-01-01T12:00"), profile)
        assert iso_instant(found) == "2026-01-01T23:00:00.000Z"

    def test_holidays_count_only_if_the_policy_says_so(self):
        assert policy().open_from_ms(ms("2026-01-01T12:00"), Profile(country="DE")) == ms("2026-01-01T12:00")

    @given(
        st.integers(ms("2024-01-01T00:00"), ms("2027-01-01T00:00")),
        st.integers(0, 95),
        st.integers(0, 95),
        st.sampled_from(ZONES),
        st.sampled_from([None, "DE", "AU", "CL"]),
    )
    def test_what_waits_is_let_go_at_the_first_minute_that_is_neither(self, at_ms, start, end, name, country):
        def wall(quarter: int) -> str:
            return f"{quarter // 4:02}:{quarter % 4 * 15:02}"

        rules = quiet(wall(start), wall(end), holidays=True)
        profile = Profile(time_zone=name, country=country)
        found = rules.open_from_ms(at_ms, profile)

        def closed(moment_ms: int) -> bool:
            moment = local_time(moment_ms, zone_of(name))
            minute = minute_of_day(moment)
            ahead = (minute - start * 15) % 1440 < (end - start) * 15 % 1440
            return ahead or is_public_holiday(moment.date(), country, None)

        assert not closed(found)
        assert at_ms <= found < at_ms + 6 * DAY_MS
        if found > at_ms:
            assert found % MINUTE_MS == 0
            assert all(closed(between) for between in range(at_ms, found, 7 * MINUTE_MS))
            assert closed(found - 1)


class TestSpread:
    def test_a_members_offset_is_always_the_same_and_within_the_spread(self):
        offsets = {spread_offset_ms(f"m{n}", 15 * MINUTE_MS) for n in range(1_000)}
        assert spread_offset_ms("m1", 15 * MINUTE_MS) == spread_offset_ms("m1", 15 * MINUTE_MS)
        assert min(offsets) >= 0
        assert max(offsets) < 15 * MINUTE_MS
        assert len(offsets) > 900

    def test_offsets_are_spread_evenly(self):
        offsets = [spread_offset_ms(f"m{n}", 10_000) // 1_000 for n in range(10_000)]
        assert all(850 < offsets.count(second) < 1_150 for second in range(10))

    def test_no_spread_is_no_offset(self):
        assert spread_offset_ms("m1", 0) == 0

    def test_it_comes_on_top_of_the_end_of_the_waiting(self):
        rules = quiet("21:00", "08:00", spread="15m")
        released = rules.released_ms(ms("2026-01-06T22:00"), Profile(), "m1")
        assert released == ms("2026-01-07T08:00") + spread_offset_ms("m1", 15 * MINUTE_MS)


class TestHoldOut:
    @given(st.text(min_size=1), st.text(min_size=1), st.floats(0, 100), st.floats(0, 100))
    def test_raising_the_percentage_only_adds_members(self, playbook, member, one, two):
        low, high = sorted((one, two))
        if policy(hold_out_percent=low).holds_out(playbook, member):
            assert policy(hold_out_percent=high).holds_out(playbook, member)

    def test_nobody_at_0_and_everybody_at_100(self):
        for n in range(1_000):
            assert not policy().holds_out("p", f"m{n}")
            assert policy(hold_out_percent=100).holds_out("p", f"m{n}")

    def test_the_share_is_as_asked_and_differs_from_playbook_to_playbook(self):
        rules = policy(hold_out_percent=12.5)
        one = {n for n in range(20_000) if rules.holds_out("p", f"m{n}")}
        two = {n for n in range(20_000) if rules.holds_out("q", f"m{n}")}
        assert 2_300 < len(one) < 2_700
        assert 200 < len(one & two) < 450

    def test_the_rank_is_the_same_in_every_process(self):
        assert hold_out_rank("transact", "m1") == pytest.approx(82.422936, abs=1e-6)


class TestCaps:
    @pytest.mark.parametrize(
        ("caps", "sent", "capped"),
        [
            ({}, [0, 0, 0], False),
            ({"1d": 1}, [], False),
            ({"1d": 1}, [0.001], True),
            ({"1d": 1}, [0], False),
            ({"1d": 1}, [1], True),
            ({"1d": 2}, [0.5], False),
            ({"1d": 0}, [], True),
            ({"1d": 1, "7d": 3}, [-5, -4, -3], True),
            ({"1d": 1, "7d": 3}, [-6, -4, -3], False),
        ],
    )
    def test_they_are_rolling(self, caps, sent, capped):
        nudges = [Sent("n", round(at * DAY_MS), "EMAIL") for at in sent]
        assert policy(caps=caps).is_capped(DAY_MS, nudges) is capped

    def test_sent_nudges_are_remembered_for_the_longest_cap_and_for_attribution(self):
        assert policy(caps={"1d": 1}).remember_ms == 7 * DAY_MS
        assert policy(caps={"30d": 1}).remember_ms == 30 * DAY_MS
        assert policy().remember_ms == 7 * DAY_MS


def test_a_holiday_is_one_of_the_members_own_date():
    profile = Profile(time_zone="Pacific/Auckland", country="NZ")
    assert is_public_holiday(date(2026, 1, 1), "NZ", None)
    found = policy(holidays=True).open_from_ms(ms("2025-12-31T12:00"), profile)
    assert found == ms("2026-01-02T11:00")
    assert found - ms("2025-12-31T12:00") > 24 * HOUR_MS
