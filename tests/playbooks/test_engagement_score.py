"""The shipped set `engagement-score`: the source's four uses of a score, and nothing else."""

from __future__ import annotations

import pytest

from app.playbooks.loader import DEFAULTS, load_playbooks
from tests.domain.conftest import Story, told


@pytest.fixture
def story() -> Story:
    playbooks = load_playbooks(DEFAULTS / "engagement-score").playbooks
    story = Story(*playbooks)
    story.profile(-1, owner_id="o1")
    return story


def said(story: Story, at: float, operation: str, amount: int | None = None) -> list[str]:
    return [line for line in told(story.score(at, operation=operation, points=amount)) if "=" not in line]


def test_segmentation_a_high_score_has_a_tag_that_goes_with_it(story: Story):
    assert said(story, 0, "SET", 80) == ["0 +highly-engaged engagement-segment"]
    assert said(story, 1, "SET", 90) == []
    assert said(story, 2, "SET", 79) == ["2 -highly-engaged engagement-segment-left"]


def test_follow_up_a_low_score_opens_a_workflow_until_it_is_back(story: Story):
    said(story, 0, "SET", 30)
    assert said(story, 1, "SUBTRACT", 11) == [
        "1 opened engagement-follow-up:m1:1 score_condition",
        "1 nudge engagement-follow-up:m1:1#1 engagement-follow-up IN_APP m1",
    ]
    assert told(story.until(4)) == ["4 nudge engagement-follow-up:m1:1#2 engagement-follow-up-owner EMAIL o1"]
    assert said(story, 5, "ADD", 1) == ["5 resolved engagement-follow-up:m1:1 condition_false"]


def test_reward_a_very_high_score_earns_a_gift_each_time_it_is_reached(story: Story):
    said(story, 0, "SET", 90)
    assert said(story, 1, "ADD", 10) == ["1 nudge engagement-reward:m1#1 engagement-reward IN_APP m1"]
    assert said(story, 2, "ADD", 10) == []
    said(story, 3, "SUBTRACT", 20)
    assert said(story, 4, "ADD", 10) == ["4 nudge engagement-reward:m1#2 engagement-reward IN_APP m1"]


def test_data_cleaning_a_cleared_score_is_looked_at_until_there_is_one_again(story: Story):
    said(story, 0, "SET", 85)
    assert said(story, 1, "CLEAR") == [
        "1 opened engagement-data-cleaning:m1:1 score_condition",
        "1 -highly-engaged engagement-data-cleaning",
        "1 nudge engagement-data-cleaning:m1:1#1 engagement-data-cleaning IN_APP operators",
    ]
    assert said(story, 2, "SET", 50) == ["2 resolved engagement-data-cleaning:m1:1 condition_false"]


def test_a_member_without_a_score_is_left_alone(story: Story):
    assert told(story.activity(0)) == []
