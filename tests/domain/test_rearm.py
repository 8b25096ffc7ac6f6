"""Contract 5, "Changed playbooks"."""

import pytest

from app.domain.members import MemberCore
from app.domain.playbook_set import PlaybookSet
from tests.domain.conftest import Story, days, re_engager, told


def change(story: Story, *playbooks) -> list[str]:
    """Open the partition under other playbooks and visit all members, as the worker's sweep does."""
    story.engine.core = story.core = MemberCore(PlaybookSet(playbooks))
    for member in story.engine.entities.by_key.values():
        story.engine.rearm(member)
    return told(story._take())


def test_a_longer_span_moves_the_timer(story: Story):
    story.activity(0)
    assert change(story, re_engager(after=10)) == []
    assert told(story.until(20)) == ["10 +inactive inactive"]


def test_a_shorter_span_that_is_over_already_makes_inactive_at_once_at_the_members_now(story: Story):
    story.activity(0)
    story.activity(5, channel="WEB")
    assert change(story, re_engager(after=3)) == ["5 +inactive inactive"]


def test_a_shorter_span_that_is_not_over_moves_the_timer(story: Story):
    story.activity(0)
    assert change(story, re_engager(after=3)) == []
    assert told(story.until(20)) == ["3 +inactive inactive"]


def test_a_tag_that_a_longer_span_does_not_justify_goes_and_opens_nothing(story: Story):
    story.activity(0)
    story.transfer(1)
    story.activity(8, channel="WEB")
    assert change(story, re_engager(after=10)) == ["8 -inactive playbook_changed"]
    assert told(story.until(20)) == ["10 +inactive inactive"]


def test_a_tag_that_is_still_right_stays(story: Story):
    story.activity(0)
    story.until(8)
    assert change(story, re_engager(after=5)) == []
    assert story.member().hot.timers == []


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_a_tag_handed_from_one_to_another_stays(names: str):
    first, second = names
    story = Story(re_engager(first, tag="x"), re_engager(second, tag="y"))
    story.activity(0)
    story.until(8)
    changed = change(story, re_engager(first, tag="y"), re_engager(second, tag="z"))
    assert sorted(changed) == ["7 +z inactive", "7 -x playbook_changed"]
    left = [each for each in told(story.activity(9)) if "activity" in each and "-" in each[:4]]
    assert sorted(left) == ["9 -y activity", "9 -z activity"]


def test_a_playbook_that_is_gone_takes_its_workflow_and_its_tag_with_it(story: Story):
    story.activity(0)
    story.until(8)
    assert change(story) == ["7 resolved re-engager:m1:1 playbook_removed", "7 -inactive playbook_removed"]
    assert story.member().hot.timers == []
    assert told(story.activity(9)) == []


def test_what_it_puts_out_names_no_playbook_and_a_cause(story: Story):
    story.activity(0)
    change(story)
    output = story.outputs[-2]
    assert (output.playbook, output.playbook_version) == (None, None)
    assert output.cause == f"playbooks:{story.core.playbooks_hash}"


def test_openings_go_on_counting_when_a_playbook_comes_back(story: Story):
    story.activity(0)
    change(story)
    change(story, re_engager())
    assert told(story.activity(9)) == [
        "7 +inactive inactive",
        "9 -inactive activity",
        "9 opened re-engager:m1:2 returned",
    ]


def test_another_tag_replaces_the_old_one(story: Story):
    story.activity(0)
    story.until(8)
    assert change(story, re_engager(tag="dormant")) == ["7 -inactive playbook_changed", "7 +dormant inactive"]


def test_a_new_playbook_takes_the_last_activity_in_the_app_for_its_own(story: Story):
    story.activity(0)
    assert change(story, re_engager(), re_engager("new", tag="quiet", after=3)) == []
    assert told(story.until(5)) == ["3 +quiet inactive"]


def test_for_a_new_playbook_somebody_never_in_the_app_was_never_active(story: Story):
    story.profile(0)
    assert change(story, re_engager(), re_engager("new", tag="quiet")) == ["0 +quiet never_active"]


def test_only_the_first_look_does_anything(story: Story):
    story.activity(0)
    change(story, re_engager(after=10))
    assert change(story, re_engager(after=10)) == []


def test_a_member_is_brought_up_to_date_when_it_is_met_before_the_sweep_comes(story: Story):
    story.activity(0)
    story.engine.core = MemberCore(PlaybookSet([re_engager(after=3, version="v2")]))
    assert told(story.activity(4, channel="WEB")) == ["3 +inactive inactive"]


def test_a_member_is_brought_up_to_date_when_its_timer_fires(story: Story):
    story.activity(0)
    story.engine.core = MemberCore(PlaybookSet([re_engager(after=10, version="v2")]))
    assert told(story.until(20)) == ["10 +inactive inactive"]


def test_now_and_counters_stay(story: Story):
    story.activity(0)
    change(story)
    assert story.member().hot.now_ms == days(0)
    assert story.member().hot.sequence == 4
