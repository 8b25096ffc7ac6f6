"""Activities that say what became of a nudge (contract 6.6)."""

from __future__ import annotations

import pytest

from app.domain.policy import NUDGE_CHANNELS
from tests.domain.conftest import Story, days
from tests.domain.scoring import policy
from tests.domain.test_nudges import change, hello


@pytest.fixture
def story() -> Story:
    story = Story(hello(), policy=policy(channels=["EMAIL"]))
    story.profile(-1, email="a@example.org")
    return story


def consents(story: Story) -> dict[str, bool]:
    return story.member().cold().profile.consents or {}


class TestUnsubscribed:
    def test_consent_to_the_channel_is_revoked_at_once(self, story):
        story.activity(0, type="nudge.unsubscribed", attributes={"channel": "EMAIL"})
        assert consents(story) == {"EMAIL": False}
        assert change(story, 1) == ["1 no nudge p:m1#1 hello no_consent"]

    def test_a_later_profile_may_give_it_again_and_a_late_unsubscribe_does_not_undo_it(self, story):
        story.profile(2, consents={"EMAIL": True})
        story.activity(1, type="nudge.unsubscribed", attributes={"channel": "EMAIL"}, arrived=2)
        assert consents(story) == {"EMAIL": True}

    @pytest.mark.parametrize("attributes", [{}, {"channel": None}, {"channel": "FAX"}, {"channel": 1}])
    def test_one_that_names_no_channel_revokes_all(self, story, attributes):
        story.activity(0, type="nudge.unsubscribed", attributes=attributes)
        assert consents(story) == dict.fromkeys(NUDGE_CHANNELS, False)


class TestFeedback:
    def test_it_is_kept_with_the_nudge_the_first_time(self, story):
        change(story, 0)
        for at, word in [(1, "delivered"), (3, "opened"), (2, "opened"), (4, "opened"), (5, "clicked")]:
            attributes = {"nudge_id": "p:m1#1"}
            story.activity(at, type=f"nudge.{word}", attributes=attributes, arrived=max(at, 3))
        (sent,) = story.member().cold().sent
        assert sent.feedback == {"delivered": days(1), "opened": days(2), "clicked": days(5)}

    @pytest.mark.parametrize("attributes", [{}, {"nudge_id": "p:m1#9"}, {"nudge_id": 1}])
    def test_of_a_nudge_nobody_knows_nothing_is_kept(self, story, attributes):
        change(story, 0)
        story.activity(1, type="nudge.bounced", attributes=attributes)
        (sent,) = story.member().cold().sent
        assert sent.feedback is None
