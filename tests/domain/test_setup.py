"""A member's set-up: steps, completion, and what a new program makes of them (contract 6.1)."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.outputs import MemberSnapshot
from app.domain.setup import LONGEST_STEP, MOST_STEPS, SetUpRules
from tests.domain.conftest import Story, days, re_engager


def step(story: Story, at: float, name: Any = None, **fields: Any) -> None:
    attributes = {} if name is None else {"step": name}
    story.activity(at, type="setup.step_completed", channel="WEB", attributes=attributes, **fields)


def page(story: Story) -> MemberSnapshot:
    story.until(1_000)
    return [output for output in story.outputs if isinstance(output, MemberSnapshot)][-1]


def test_steps_are_shown_in_the_order_in_which_they_were_done(story: Story):
    step(story, 2, "photo")
    step(story, 1, "goals", arrived=2)
    step(story, 3, "coach")
    assert page(story).setup_steps == ["goals", "photo", "coach"]


def test_a_step_done_again_is_there_once_with_its_first_time(story: Story):
    step(story, 1, "goals")
    step(story, 2, "photo")
    step(story, 3, "goals")
    assert page(story).setup_steps == ["goals", "photo"]


@pytest.mark.parametrize(
    ("name", "shown"), [(None, "setup.step_completed"), ("", "setup.step_completed"), (3, "3")]
)
def test_a_step_without_a_name_goes_by_its_type(story: Story, name: Any, shown: str):
    step(story, 1, name)
    assert page(story).setup_steps == [shown]


def test_with_several_types_each_may_be_a_step():
    story = Story(re_engager(setup=SetUpRules(steps=frozenset({"goals.set", "photo.taken"}))))
    story.activity(1, type="goals.set")
    story.activity(2, type="photo.taken")
    assert page(story).setup_steps == ["goals.set", "photo.taken"]


def test_steps_do_not_complete_the_set_up(story: Story):
    step(story, 1, "last")
    assert page(story).setup_completed_at is None


def test_the_page_shows_when_the_set_up_was_completed_first(story: Story):
    story.activity(2, type="setup.completed")
    story.activity(3, type="setup.completed")
    assert page(story).setup_completed_at == days(2)


def test_a_late_completion_was_the_first_one(story: Story):
    story.activity(2, type="setup.completed")
    story.activity(1, type="setup.completed", arrived=2)
    assert page(story).setup_completed_at == days(1)


def test_a_program_takes_earlier_set_up_off_the_page(story: Story):
    step(story, 1, "goals")
    story.activity(1, type="setup.completed")
    story.transfer(2, type="PROGRAM_ASSIGNED")
    step(story, 3, "photo")
    shown = page(story)
    assert (shown.setup_steps, shown.setup_completed_at) == (["photo"], None)


def test_a_late_program_leaves_the_set_up_after_it(story: Story):
    step(story, 1, "goals")
    step(story, 3, "photo")
    story.activity(4, type="setup.completed")
    story.transfer(2, type="PROGRAM_ASSIGNED", arrived=5)
    shown = page(story)
    assert (shown.setup_steps, shown.setup_completed_at) == (["photo"], days(4))


def test_a_late_program_leaves_what_was_done_again_after_it(story: Story):
    """What was done before the program counts no more, though it was what counted until the program was told of."""
    for at in (1, 4):
        step(story, at, "goals")
        story.activity(at, type="setup.completed")
    requests = [each.occurred_at for each in story.outputs if each.topic == "transfer-requested"]
    assert requests == [days(1)]
    outputs = story.transfer(2, type="PROGRAM_ASSIGNED", arrived=5)
    assert [each.topic for each in outputs if each.topic == "transfer-requested"] == ["transfer-requested"]
    shown = page(story)
    assert (shown.setup_steps, shown.setup_completed_at) == (["goals"], days(4))


@pytest.mark.parametrize("order", [(1, 3, 5), (5, 3, 1), (3, 5, 1), (3, 1, 5)])
def test_of_what_was_done_three_times_first_and_last_are_known_in_whatever_order_they_came(
    story: Story, order: tuple[int, ...]
):
    for at in order:
        step(story, at, "goals", arrived=6)
        story.activity(at, type="setup.completed", arrived=6)
    assert page(story).setup_completed_at == days(1)
    story.transfer(2, type="PROGRAM_ASSIGNED", arrived=7)
    assert page(story).setup_completed_at == days(5)
    story.transfer(5, type="PROGRAM_ASSIGNED", arrived=8)
    shown = page(story)
    assert (shown.setup_steps, shown.setup_completed_at) == ([], None)


def test_late_steps_from_before_the_program_are_not_shown(story: Story):
    story.transfer(2, type="PROGRAM_ASSIGNED")
    step(story, 1, "goals", arrived=3)
    assert page(story).setup_steps == []


def test_a_member_cannot_have_any_number_of_steps_nor_names_of_any_length(story: Story):
    for number in range(MOST_STEPS + 5):
        step(story, number / 1000, f"{number}".rjust(LONGEST_STEP + 9, "x"))
    steps = page(story).setup_steps
    assert len(steps) <= MOST_STEPS
    assert max(len(name) for name in steps) == LONGEST_STEP


def test_one_activity_may_both_qualify_and_complete_the_set_up():
    story = Story(re_engager(setup=SetUpRules(completed_by=frozenset({"article.read"}))))
    topics = [output.topic for output in story.activity(0)]
    assert topics[:4] == ["tag-changed", "tag-changed", "workflow-opened", "transfer-requested"]
