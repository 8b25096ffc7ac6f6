"""What a member silent for two years gives up (contract 5, "Bounds")."""

from __future__ import annotations

from app.domain.bounds import UNTOUCHED_MS
from app.domain.entity import NEVER_MS
from app.domain.instants import DAY_MS
from app.domain.outputs import MemberSnapshot
from app.domain.state import IDS_PART
from tests.domain.conftest import RestartingEntities, Story, days, told

YEARS = UNTOUCHED_MS / DAY_MS


def has_ids(story: Story) -> bool:
    hot = story.member().hot
    return bool(hot.recent or hot.older_ids)


def test_after_two_years_of_nothing_the_recent_ids_go_and_nothing_else(story: Story):
    for number in range(20):
        story.profile(number / 100, owner_id=f"o{number}")
    before = story.member().hot
    assert story.until(0.19 + YEARS - 0.001) == []
    assert has_ids(story)
    assert story.until(0.19 + YEARS) == []
    assert not has_ids(story)
    assert (before.sequence, before.tags, before.owner_id) == (1, {"inactive": days(0)}, "o19")
    assert story.member().hot.now_ms == days(0.19)


def test_any_record_or_timer_within_them_begins_the_two_years_anew(story: Story):
    story.profile(0)
    story.activity(1)
    story.transfer(1.5)
    story.until(1.5 + YEARS)
    assert has_ids(story)
    # The last thing that happened is the tag, seven days after the activity.
    story.until(8 + YEARS)
    assert not has_ids(story)


def test_with_a_workflow_open_nothing_goes(story: Story):
    story.activity(0)
    story.until(3 * YEARS)
    assert has_ids(story)


def test_a_record_that_comes_exactly_then_meets_a_member_who_has_given_them_up(story: Story):
    story.profile(0, event_id="e")
    assert story.profile(0, event_id="e") == []
    outputs = story.profile(YEARS, event_id="e", owner_id="new")
    assert [type(output) for output in outputs] == [MemberSnapshot]


def test_once_pruned_a_member_waits_for_nothing_until_it_is_touched_again(story: Story):
    story.profile(0)
    story.until(YEARS)
    assert story.core.next_due_ms(story.member()) == NEVER_MS
    story.profile(YEARS + 1)
    assert story.core.next_due_ms(story.member()) == days(2 * YEARS + 1)


def test_the_stored_part_goes_too():
    story = Story()
    story.engine.entities = entities = RestartingEntities(story.core)
    for number in range(20):
        story.profile(number / 100)
    story.member()
    assert IDS_PART in entities.parts["m1"]
    story.until(1 + YEARS)
    story.member()
    assert IDS_PART not in entities.parts["m1"]
    assert told(story.activity(2 + YEARS))[0] == f"{2 + YEARS:g} -inactive activity"
