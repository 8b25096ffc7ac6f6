"""The desk by itself: contract 6.1, "Desk", and 8, "Desk", as far as they do not speak of members."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.desk import DeskCore
from app.domain.entity import NEVER_MS
from app.domain.instants import HOUR_MS
from app.domain.playbook_set import PlaybookSet
from app.domain.pools import PoolSettings
from app.domain.transfer import TransferRules
from tests.domain.conftest import days, re_engager
from tests.domain.pool import EVENING, POOL, Pool, capacity, desk_core, request


def evening(day: int) -> str:
    return f"{day + EVENING:g}"


@pytest.fixture(params=[False, True], ids=["kept", "restarted"])
def make_pool(request: pytest.FixtureRequest) -> Any:
    return lambda **settings: Pool(restarting=request.param, **settings)


@pytest.fixture
def pool(make_pool: Any) -> Pool:
    return make_pool(slots_per_day=1)


def test_a_free_slot_is_given_at_once(pool: Pool):
    assert pool.ask(0, "a") == ["0 a transferred"]


def test_without_a_free_slot_the_first_attempt_has_failed_and_the_next_is_at_the_reset(pool: Pool):
    pool.ask(0, "a")
    pool.engine.move_time(days(0.1))
    assert pool.ask(0.1, "b") == ["0.1 b failed 1"]


def test_the_next_attempt_is_announced_for_the_reset():
    pool = Pool(slots_per_day=0)
    pool.engine.apply(POOL, request(0, "a", 1))
    (answer,) = pool.sink.take()
    assert (answer.next_attempt_at, answer.reason) == (days(EVENING), "capacity_full")


def test_the_waiting_are_served_in_the_order_of_their_requests_then_of_their_ids(make_pool: Any):
    pool = make_pool(slots_per_day=0, max_attempts=9)
    pool.ask(0.1, "c")
    pool.ask(0.05, "b")
    pool.ask(0.1, "a")
    pool.until(2)
    assert pool.capacity(2, 2) == ["2 b transferred", "2 a transferred"]
    assert pool.until(3) == [f"{evening(2)} c transferred"]


def test_who_is_not_served_at_a_reset_has_one_more_attempt_failed(pool: Pool):
    for member in "abc":
        pool.ask(0, member)
    assert pool.until(EVENING) == [f"{evening(0)} b transferred", f"{evening(0)} c failed 2"]
    assert pool.until(2) == [f"{evening(1)} c transferred"]


def test_after_the_last_attempt_the_desk_stops_trying(pool: Pool):
    pool.capacity(0, 0)
    assert pool.ask(0.1, "a") == ["0.1 a failed 1"]
    assert pool.until(9) == [f"{evening(0)} a failed 2", f"{evening(1)} a failed 3, final"]
    assert pool.capacity(9, 5) == []


def test_with_one_attempt_the_first_is_the_last_and_nobody_waits():
    pool = Pool(slots_per_day=0, max_attempts=1)
    assert pool.ask(0, "a") == ["0 a failed 1, final"]
    assert pool.capacity(0.1, 5) == []


def test_a_reset_that_is_due_comes_before_the_request(pool: Pool):
    pool.ask(0, "a")
    assert pool.ask(EVENING, "b") == [f"{evening(0)} b transferred"]


def test_the_waiting_come_before_the_request_at_a_reset(pool: Pool):
    pool.ask(0, "a")
    pool.ask(0, "b")
    assert pool.ask(EVENING, "a2") == [f"{evening(0)} b transferred", f"{evening(0)} a2 failed 1"]


def test_a_raise_serves_the_waiting_at_once_and_the_others_keep_their_count(pool: Pool):
    for member in "abcd":
        pool.ask(0, member)
    assert pool.capacity(0.1, 3) == ["0.1 b transferred", "0.1 c transferred"]
    assert pool.until(EVENING) == [f"{evening(0)} d transferred"]


def test_slots_given_after_a_raise_count_until_the_reset(pool: Pool):
    for member in "abc":
        pool.ask(0, member)
    pool.capacity(0.1, 3)
    pool.capacity(0.15, 2)
    assert pool.ask(0.2, "d") == ["0.2 d failed 1"]


def test_lowered_below_what_was_given_there_are_no_new_ones_until_the_reset():
    pool = Pool(slots_per_day=3)
    pool.ask(0, "a")
    pool.ask(0, "b")
    assert pool.capacity(0.1, 1) == []
    assert pool.ask(0.2, "c") == ["0.2 c failed 1"]
    assert pool.until(EVENING) == [f"{evening(0)} c transferred"]


def test_lowered_to_more_than_was_given_the_rest_is_still_there():
    pool = Pool(slots_per_day=20)
    pool.ask(0, "a")
    pool.capacity(0.1, 2)
    assert pool.ask(0.2, "b") == ["0.2 b transferred"]
    assert pool.ask(0.2, "c") == ["0.2 c failed 1"]


def test_no_slots_close_the_pool_also_over_resets():
    pool = Pool(slots_per_day=20)
    pool.capacity(0, 0)
    assert pool.ask(0.1, "a") == ["0.1 a failed 1"]
    assert pool.until(0.5) == [f"{evening(0)} a failed 2"]


def test_what_a_capacity_record_said_holds_after_the_reset_too(pool: Pool):
    pool.capacity(0, 2)
    pool.until(1)
    assert pool.ask(1, "a") + pool.ask(1, "b") == ["1 a transferred", "1 b transferred"]


def test_a_late_capacity_record_does_not_undo_a_newer_one(pool: Pool):
    pool.capacity(0.2, 0)
    pool.capacity(0.1, 9)
    assert pool.ask(0.3, "a") == ["0.3 a failed 1"]


def test_a_capacity_record_sent_again_is_ignored(pool: Pool):
    pool.capacity(0, 2, event_id="c")
    pool.capacity(0, 0, event_id="d")
    pool.capacity(0, 2, event_id="c")
    assert pool.ask(0.3, "a") == ["0.3 a failed 1"]


def test_who_withdraws_leaves_the_queue(pool: Pool):
    for member in "abc":
        pool.ask(0, member)
    assert pool.withdraw(0.1, "b") == []
    assert pool.until(EVENING) == [f"{evening(0)} c transferred"]


def test_a_slot_given_stays_used_though_its_member_withdraws(pool: Pool):
    pool.ask(0, "a")
    pool.withdraw(0.1, "a")
    assert pool.ask(0.2, "b") == ["0.2 b failed 1"]


def test_a_withdrawal_that_comes_before_its_request_is_remembered(pool: Pool):
    assert pool.withdraw(0, "a", number=1) == []
    assert pool.ask(0.1, "a", number=1) == []
    assert pool.ask(0.2, "a") == ["0.2 a transferred"]


def test_a_late_withdrawal_of_an_earlier_request_leaves_the_new_one(pool: Pool):
    pool.ask(0, "x")
    pool.ask(0, "a")
    pool.ask(0.1, "a")
    pool.withdraw(0.2, "a", number=1)
    assert pool.until(EVENING) == [f"{evening(0)} a transferred"]


@pytest.mark.parametrize("slots", [0, 1])
def test_a_request_that_comes_again_is_ignored_waiting_or_answered(slots: int):
    pool = Pool(slots_per_day=slots)
    assert len(pool.ask(0, "a", number=4)) == 1
    assert pool.ask(0, "a", number=4) == []
    assert pool.ask(0, "a", number=3) == []


def test_an_answered_request_is_known_for_a_day_at_least_and_then_forgotten(pool: Pool):
    pool.ask(0, "a", number=1)
    pool.until(1)
    assert pool.ask(1, "a", number=1) == []
    pool.until(5)
    desk = pool.engine.entities.get(POOL)
    assert desk is not None
    assert desk.tickets == {}
    assert pool.core.next_due_ms(desk) == NEVER_MS


def test_a_member_asked_for_by_two_playbooks_has_two_tickets(pool: Pool):
    assert pool.hear(request(0, "a", 1, playbook="one")) == ["0 a transferred"]
    assert pool.hear(request(0, "a", 2, playbook="two")) == ["0 a failed 1"]


def test_attempts_made_before_the_request_came_to_the_desk_count():
    pool = Pool(slots_per_day=0)
    assert pool.ask(0, "a", attempt=3) == ["0 a failed 3, final"]


def test_an_answer_carries_the_cause_of_what_brought_it_about():
    pool = Pool(slots_per_day=0)
    pool.engine.apply(POOL, request(0, "a", 1))
    pool.engine.move_time(days(EVENING))
    pool.engine.apply(POOL, capacity(0.5, 1))
    assert [answer.cause for answer in pool.sink.take()] == ["setup of a", "timer:reset", "capacity at 0.5"]


def test_an_answers_id_is_the_same_when_it_is_decided_again():
    ids = []
    for pool in (Pool(), Pool()):
        pool.engine.apply(POOL, request(0, "a", 1))
        ids.append([answer.event_id for answer in pool.sink.take()])
    assert ids == [["a/1#1"], ["a/1#1"]]


class TestDaysThatAreNotTwentyFourHoursLong:
    """In Los Angeles the clock goes forward on 8 March 2026 at 02:00, and back on 1 November at 02:00."""

    @pytest.mark.parametrize(
        ("reset_at", "zone", "after", "reset"),
        [
            ("17:00", "America/Los_Angeles", "2026-03-07T17:00", "2026-03-08T01:00"),
            ("17:00", "America/Los_Angeles", "2026-03-08T01:00", "2026-03-09T00:00"),
            ("17:00", "America/Los_Angeles", "2026-10-31T12:00", "2026-11-01T00:00"),
            ("17:00", "America/Los_Angeles", "2026-11-01T00:00", "2026-11-02T01:00"),
            ("02:30", "America/Los_Angeles", "2026-03-08T00:00", "2026-03-08T10:00"),
            ("02:30", "America/Los_Angeles", "2026-03-08T10:00", "2026-03-09T09:30"),
            ("01:30", "America/Los_Angeles", "2026-11-01T00:00", "2026-11-01T08:30"),
            ("01:30", "America/Los_Angeles", "2026-11-01T08:30", "2026-11-02T09:30"),
            ("02:15", "Australia/Lord_Howe", "2026-10-03T12:00", "2026-10-03T15:30"),
            ("00:00", "America/Sao_Paulo", "2018-11-03T12:00", "2018-11-04T03:00"),
        ],
    )
    def test_the_reset_is_once_a_day_at_the_wall_time_or_the_first_instant_after_the_gap(
        self, reset_at: str, zone: str, after: str, reset: str
    ):
        settings = PoolSettings(reset_at=reset_at, time_zone=zone)
        assert settings.next_reset_ms(epoch_ms(after)) == epoch_ms(reset)

    def test_slots_last_for_the_short_day_and_for_the_long_one(self):
        core = desk_core(time_zone="America/Los_Angeles")
        spring = core.settings(POOL).next_reset_ms(epoch_ms("2026-03-07T12:00"))
        autumn = core.settings(POOL).next_reset_ms(epoch_ms("2026-10-31T00:30"))
        next_reset_ms = core.settings(POOL).next_reset_ms
        assert next_reset_ms(spring) - spring == 23 * HOUR_MS
        assert next_reset_ms(autumn) - autumn == 25 * HOUR_MS


class TestChangedPlaybooks:
    def test_more_slots_serve_the_waiting_at_once(self):
        pool = Pool(slots_per_day=0)
        pool.ask(0, "a")
        desk = pool.engine.entities.get(POOL)
        assert desk is not None
        desk_core(slots_per_day=2).rearm(desk, pool.sink)
        (answer,) = pool.sink.take()
        assert (answer.type, answer.occurred_at) == ("TRANSFERRED", days(0))
        assert answer.cause.startswith("playbooks:")

    def test_without_a_managed_playbook_no_slot_is_given_away(self):
        pool = Pool(slots_per_day=0)
        pool.ask(0, "a")
        desk = pool.engine.entities.get(POOL)
        assert desk is not None
        unmanaged = re_engager(transfer=TransferRules(managed=False))
        DeskCore(PlaybookSet([unmanaged])).rearm(desk, pool.sink)
        assert pool.sink.take() == []
        assert desk.head.used == 0

    def test_a_capacity_record_outlives_them(self):
        pool = Pool(slots_per_day=20)
        pool.capacity(0, 0)
        pool.ask(0, "a")
        desk = pool.engine.entities.get(POOL)
        assert desk is not None
        pool.sink.take()
        desk_core(slots_per_day=5).rearm(desk, pool.sink)
        assert pool.sink.take() == []

    def test_another_time_of_the_reset_holds_from_now_on(self):
        pool = Pool(slots_per_day=1)
        pool.ask(0, "a")
        desk = pool.engine.entities.get(POOL)
        assert desk is not None
        later = desk_core(slots_per_day=1, reset_at="23:00")
        later.rearm(desk, pool.sink)
        assert later.next_due_ms(desk) == days(13 / 24)


def test_a_pool_no_playbook_names_follows_the_first_managed_one():
    core = desk_core(slots_per_day=7)
    assert core.settings("nobody-knows-it").slots_per_day == 7


def test_without_a_managed_playbook_the_defaults_hold():
    assert DeskCore(PlaybookSet([])).settings(POOL) == PoolSettings()


def test_a_large_queue_is_stored_in_parts_none_of_which_grows_with_it_alone():
    pool = Pool(slots_per_day=0)
    for number in range(5_000):
        pool.ask(0, f"member-{number}")
    desk = pool.engine.entities.get(POOL)
    assert desk is not None
    parts = dict(pool.core.dump(desk))
    assert len(parts) == 65
    assert max(len(part or b"") for part in parts.values()) < 10_000
    loaded = pool.core.load(POOL, parts.get)
    assert loaded is not None
    assert loaded.tickets == desk.tickets


def test_only_the_buckets_that_changed_are_written():
    pool = Pool(slots_per_day=0)
    for number in range(500):
        pool.ask(0, f"member-{number}")
    desk = pool.engine.entities.get(POOL)
    assert desk is not None
    list(pool.core.dump(desk))
    pool.ask(0.1, "one-more")
    assert len(list(pool.core.dump(desk))) == 2


def epoch_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
