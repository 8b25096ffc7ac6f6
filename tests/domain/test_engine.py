"""Which timer fires before which record, over all entities of a partition (contract 5)."""

import pytest

from app.domain.engine import TimerFailed
from app.domain.entity import StoreError
from app.domain.errors import UserError
from app.domain.memory import MemoryDeadlines
from tests.domain.conftest import Story, days, re_engager, told

SECOND = 1 / 86_400


def fired(story: Story, outputs) -> list[tuple[float, str]]:
    return [(output.occurred_at, output.member_id) for output in outputs if output.topic == "tag-changed"]


def test_silent_entities_fire_in_order_of_due_and_key(story: Story):
    for member, at in (("b", 0), ("a", 0), ("0", 1)):
        story.activity(at, member, arrived=1)
    assert fired(story, story.until(30)) == [(days(7), "a"), (days(7), "b"), (days(8), "0")]


def test_a_record_of_one_member_moves_time_for_the_others(story: Story):
    story.activity(0, "silent")
    outputs = story.profile(8, "other")
    assert fired(story, outputs)[0] == (days(7), "silent")


def test_the_time_of_a_partition_never_goes_back(story: Story):
    story.activity(0)
    story.until(8)
    assert story.until(6) == []
    assert story.engine.time_ms == days(8)


def test_a_silent_entity_waits_for_the_grace(make_story):
    story = make_story(grace_ms=2000)
    story.activity(0)
    assert story.until(7 + 1.999 * SECOND) == []
    assert told(story.until(7 + 2 * SECOND)) == ["7 +inactive inactive"]


def test_but_its_own_record_does_not(make_story):
    story = make_story(grace_ms=2000)
    story.activity(0)
    assert told(story.activity(7, channel="WEB")) == ["7 +inactive inactive"]


def test_a_deadline_moved_later_is_found_where_it_now_is(story: Story):
    story.activity(0)
    story.activity(5)
    assert story.until(11) == []
    assert told(story.until(12)) == ["12 +inactive inactive"]


def test_a_deadline_moved_later_is_indexed_anew_only_when_the_old_one_is_reached(story: Story):
    story.activity(0)
    first = story.engine.deadlines.first()
    story.activity(5)
    assert story.engine.deadlines.first() == first == (days(7), "m1")
    story.until(7)
    assert story.engine.deadlines.first() == (days(12), "m1")


def test_a_deadline_moved_earlier_and_later_again_fires_once(make_story):
    """The page's timer comes before the tag's, and leaves entries behind in the index."""
    story = make_story()
    story.activity(0)
    story.activity(1 * SECOND)
    story.transfer(2 * SECOND)
    story.activity(3 * SECOND)
    assert told(story.until(30)) == [f"{7 + 3 * SECOND:g} +inactive inactive"]


def test_a_timer_set_behind_the_partitions_time_fires_at_once(story: Story):
    story.profile(0)
    story.until(40)
    assert told(story.activity(20, arrived=40)) == [
        "20 -inactive activity",
        "20 opened re-engager:m1:1 first_activity",
        "27 +inactive inactive",
    ]


def test_a_duplicate_is_neither_kept_nor_indexed(story: Story):
    story.activity(0, event_id="x")
    before = story.engine.deadlines.first()
    story.activity(0, event_id="x")
    assert story.engine.deadlines.first() == before


class TestBudget:
    @pytest.fixture
    def wave(self, story: Story) -> Story:
        """Nine members who fall inactive on day 7."""
        for number in range(9):
            story.activity(0, f"m{number}")
        return story

    def test_it_bounds_the_entities_woken_and_the_rest_follow(self, wave: Story):
        wave.engine.wakes_left = 4
        assert len(fired(wave, wave.until(8))) == 4
        assert wave.until(9) == []
        wave.engine.wakes_left = 4
        assert fired(wave, wave.until(9)) == [(days(7), f"m{number}") for number in range(4, 8)]

    def test_the_mark_tells_how_far_it_came(self, wave: Story):
        wave.engine.wakes_left = 4
        wave.until(8)
        assert wave.engine.mark == (days(7), "m4")
        wave.engine.wakes_left = 100
        wave.until(8)
        assert wave.engine.mark == (days(8) + 1, "")

    def test_a_member_still_to_be_woken_is_up_to_date_before_its_own_record(self, wave: Story):
        wave.engine.wakes_left = 4
        wave.until(8)
        assert told(wave.activity(8, "m8")) == ["7 +inactive inactive", "8 -inactive activity"]

    def test_a_ceiling_is_not_passed(self, wave: Story):
        wave.engine.ceiling = (days(7), "m2")
        assert len(fired(wave, wave.until(8))) == 2
        wave.engine.ceiling = None
        assert len(fired(wave, wave.until(8))) == 7


class TestFailingTimers:
    def test_a_bug_in_a_timer_names_the_entity(self, story: Story, monkeypatch: pytest.MonkeyPatch):
        story.activity(0)
        monkeypatch.setattr(story.core, "fire", lambda *_: 1 / 0)
        with pytest.raises(TimerFailed) as caught:
            story.until(8)
        assert caught.value.key == "m1"

    @pytest.mark.parametrize(
        "error", [BrokenPipeError(), StoreError("gone", damaged=False), UserError("r", "p", "x")]
    )
    def test_what_fails_outside_the_rules_is_no_bug_of_theirs(
        self, story: Story, monkeypatch: pytest.MonkeyPatch, error: Exception
    ):
        def fail(*_: object) -> None:
            raise error

        story.activity(0)
        monkeypatch.setattr(story.core, "fire", fail)
        with pytest.raises(type(error)):
            story.until(8)

    def test_a_spoilt_entity_holds_up_nobody(self, story: Story):
        story.activity(0, "m1")
        story.activity(0, "m2")
        story.engine.spoilt.add("m1")
        assert fired(story, story.until(8)) == [(days(7), "m2")]


class TestMemoryDeadlines:
    def test_the_earliest_comes_first_and_goes_when_popped(self):
        deadlines = MemoryDeadlines()
        assert deadlines.first() is None
        for entry in ((2, "a"), (1, "b"), (1, "a")):
            deadlines.put(*entry)
        order = []
        while (entry := deadlines.first()) is not None:
            order.append(entry)
            deadlines.pop()
        assert order == [(1, "a"), (1, "b"), (2, "a")]

    def test_an_entry_is_held_once(self):
        deadlines = MemoryDeadlines()
        deadlines.put(1, "a")
        deadlines.put(1, "a")
        deadlines.pop()
        assert deadlines.first() is None


def test_one_core_serves_engines_of_several_partitions(make_story):
    one, other = make_story(), make_story()
    other.engine.core = one.engine.core
    one.activity(0)
    other.activity(0)
    assert told(one.until(7)) == told(other.until(7)) == ["7 +inactive inactive"]


def test_playbooks_with_one_due_time_fire_in_one_wake(make_story):
    story = make_story(re_engager("a"), re_engager("b", tag="quiet"))
    story.activity(0)
    story.engine.wakes_left = 1
    assert told(story.until(7)) == ["7 +inactive inactive", "7 +quiet inactive"]
