"""How a member stands: next wake and what for, and what each outcome still waits for."""

from __future__ import annotations

from app.domain.explain.standing import standing_of
from tests.domain.conftest import days, re_engager
from tests.domain.explain.watching import WatchedStory
from tests.domain.scoring import HELLO, OPEN, on_score, points, policy, rule


def standing(story: WatchedStory, at: float):
    return standing_of(story.core.playbooks, story.watched.member, days(at))


def waits(story: WatchedStory, at: float) -> dict[str, str | None]:
    found = standing(story, at).waiting
    return {each.outcome.says: each.failed and each.failed.says for each in found}


def test_nobody_has_heard_of_the_member():
    found = standing_of(WatchedStory().core.playbooks, None, days(0))
    assert (found.known, found.wakes, found.facts) == (False, [], {})


def test_it_says_when_the_member_is_woken_next_and_what_for():
    follow_up = on_score("low", "< 10", OPEN, {**HELLO, "after": "3d", "recipient": "owner"})
    story = WatchedStory(
        re_engager(), points(rules=[rule()], decay={"points": 5, "every": "2d"}), follow_up, policy=policy()
    )
    story.activity(0)
    wakes = standing(story, 1).wakes
    assert [(wake.timer[0], wake.timer[1], wake.purpose) for wake in wakes] == [
        (days(2), "decay", "takes 5 points of engagement, unless some are earned before"),
        (days(3), "nudge", 'judges nudge "hello" to the owner'),
        (days(7), "inactive", 'adds tag "inactive", unless there is a qualifying activity before'),
    ]


def test_each_outcome_says_what_it_still_waits_for():
    story = WatchedStory(re_engager(), on_score("low", "< 10", HELLO), policy=policy(caps={"1d": 1}))
    story.activity(0)
    story.profile(0, email="a@example.org")
    story.score(1, operation="SET", points=20)
    assert waits(story, 2) == {
        'tag "inactive" is added': "last activity 2 d ago, needs 7 d",
        "a workflow opens": "not inactive: last activity 2 d ago, needs 7 d",
        "a transfer is asked for": "the set-up is not completed",
        "its actions are taken": 'engagement is 20, needs "< 10"',
        'nudge "hello" would be sent at once': None,
    }


def test_asking_moves_nothing():
    story = WatchedStory(re_engager(), on_score("low", "< 10", HELLO), policy=policy())
    story.activity(0)
    story.score(1, operation="SET", points=5)
    member = story.member()
    before = dict(member.dump())
    standing(story, 100)
    assert member.hot.now_ms == days(1)
    assert before.items() <= dict(member.dump()).items() | before.items()
    assert story.until(6.9) == []


def test_a_merged_away_member_says_where_it_went():
    story = WatchedStory()
    story.activity(0)
    story.profile(1, merged_into="m2")
    found = standing(story, 2)
    assert (found.known, found.merged_into, found.merged_ms) == (False, "m2", days(1))


def test_a_forgotten_member_is_none():
    story = WatchedStory()
    story.activity(0)
    story.command(1, type="FORGET_MEMBER")
    found = standing(story, 2)
    assert (found.known, found.merged_into, found.facts) == (False, None, {})
