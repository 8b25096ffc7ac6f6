"""High intent explained: as it happened, on random histories, and in the words a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from app.domain.explain.standing import standing_of
from app.domain.explain.watch import WatchedMembers
from app.domain.outputs import Output
from tests.domain import test_high_intent_property as history
from tests.domain.explain.test_agreement import assert_steps
from tests.domain.explain.watching import all_says
from tests.domain.intents import LATE, MAINTENANCE, Sessions, instant

if TYPE_CHECKING:
    from app.domain.explain.step import Step


class WatchedSessions(Sessions):
    """A story of sessions of which `steps` are those of one member."""

    def __init__(self, watched: str = "m1", **keys: Any) -> None:
        super().__init__(**keys)
        self.steps: list[Step] = []
        self.watched = WatchedMembers(self.core.playbooks, watched)
        self.watched.tell = self.steps.append
        self.engine.core = self.watched

    def why_not(self, topic: str = "workflow-opened") -> list[str | None]:
        return [
            each.failed and each.failed.says
            for each in self.steps[-1].considered
            if each.outcome.topic == topic and not each.happened
        ]


@given(history.histories)
def test_sessions_segments_and_plans_are_explained_as_they_happened(drawn):
    plain, _ = history.play(drawn)
    story = WatchedSessions("a", rules=history.RULES, **history.KEYS)
    now = 0
    for gap, late, member, what in drawn:
        now += gap
        history.say(story, now - late, now, member, *what)
    story.wait(now + history.MONTH)
    assert story.outputs == plain
    assert_steps(story.steps, [o for o in plain if isinstance(o, Output) and o.member_id == "a"])


@pytest.mark.parametrize(
    ("tell", "failed"),
    [
        (lambda story: story.start(0), "a session begins"),
        (lambda story: story.page(0), "a session begins"),
        (lambda story: story.close(0), "close says nothing of a session that runs"),
        (lambda story: story.finish(0), "the session ended with success"),
        (
            lambda story: story.fail(0, "Home"),
            "no segment applies: last page Home, 1 unsuccessful of 2, no late page seen",
        ),
        (
            lambda story: (story.fail(0), story.fail(10)),
            "workflow i:m1:1 is open, and goes on",
        ),
        (lambda story: story.activity(0, type="article.read"), None),
    ],
)
def test_what_opens_nothing_says_why(tell, failed):
    story = WatchedSessions()
    tell(story)
    (why,) = story.why_not()
    assert why == failed or (failed is None and why.startswith("type article.read is not in ["))


def test_the_segment_is_told_with_what_it_rests_on():
    story = WatchedSessions()
    story.fail(0, LATE)
    (opened,) = [each for each in story.steps[-1].considered if each.happened]
    assert all_says(opened) == [
        (True, "close ends the session without success"),
        (True, f"segment unknown_exit: last page {LATE}, 1 unsuccessful of 2, a late page seen"),
        (True, "no workflow is open"),
    ]


def test_the_page_alone_is_no_success():
    story = WatchedSessions()
    story.fail(0)
    story.page(10, "Viewed Task Completed Page", state="started")
    (why,) = story.why_not("workflow-resolved")
    assert why == (
        'page {"name": "Viewed Task Completed Page", "state": "started"} is not the success,'
        ' {"name": "Viewed Task Completed Page", "state": "completed"}'
    )


def test_a_plan_that_waits_for_the_company_says_so():
    story = WatchedSessions()
    story.fail(0, MAINTENANCE, company_id="acme")
    standing = standing_of(story.core.playbooks, story.watched.member, instant(5))
    would = [each for each in standing.waiting if each.outcome.says.startswith("nudge")]
    assert {each.failed.says for each in would} == {"waits until acme works again"}
    (wake,) = standing.wakes
    assert wake.purpose == "resolves the workflow `expired`, unless it is resolved before"


def test_a_company_that_works_again_has_the_plan_timed():
    story = WatchedSessions(release="0s")
    story.fail(0, MAINTENANCE, company_id="acme")
    story.status(60)
    (timed,) = [each for each in story.steps[-1].considered if each.outcome.says.startswith("what is left")]
    assert timed.holds
    assert [name for _, name, _, _ in story.steps[-1].armed] == ["nudge"] * 3
