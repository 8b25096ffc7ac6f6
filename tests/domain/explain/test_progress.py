"""Engagement progress explained: as it happened, on random histories, and in the words a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from app.domain.events import EngagementEvent
from app.domain.explain.standing import standing_of
from app.domain.explain.watch import WatchedMembers
from app.domain.instants import DAY_MS, HOUR_MS
from app.domain.members import MemberCore
from app.domain.playbook_set import PlaybookSet
from app.domain.progress import Template
from tests.domain import test_progress_property as history
from tests.domain.coaching import Coaching, progress
from tests.domain.conftest import MONDAY_MS, days
from tests.domain.explain.test_agreement import assert_explained

if TYPE_CHECKING:
    from app.domain.explain.step import Step

CORE = MemberCore(
    PlaybookSet([history.playbook(), progress("other", templates={"default": Template(DAY_MS)})])
)


@given(history.timelines())
def test_tracks_are_explained_as_they_changed(records):
    """Both engagements of one member, tracked by two playbooks."""
    arrivals = [
        (
            MONDAY_MS + record.arrived * HOUR_MS,
            EngagementEvent(
                event_id=f"e{record.number}",
                member_id="m1",
                occurred_at=MONDAY_MS + record.hour * HOUR_MS,
                engagement_id=record.engagement,
                type=record.type,
                template=record.template,
                session_id=record.session,
                session_at=None if record.date is None else MONDAY_MS + record.date * HOUR_MS,
                owner_id="o1",
            ),
        )
        for record in records
    ]
    assert_explained(CORE, arrivals, MONDAY_MS + history.end_of(records) * HOUR_MS, ["m1"])


class WatchedCoaching(Coaching):
    """A story of engagements of which `steps` are those of member m1."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.watched = WatchedMembers(self.core.playbooks, "m1")
        self.watched.tell = self.steps.append
        self.engine.core = self.watched

    def why_not(self) -> dict[str, str | None]:
        return {
            each.outcome.says: each.failed and each.failed.says
            for each in self.steps[-1].considered
            if not each.happened
        }


@pytest.mark.parametrize(
    ("tell", "failed"),
    [
        (lambda story: story.launch(0), "the clock does not run: the engagement is LAUNCHED"),
        (lambda story: story.start(0, template="none such"), 'template "none such" has no threshold'),
        (
            lambda story: (story.start(0), story.schedule(1, "s1", 9)),
            "engagement e1 is ON_TRACK",
        ),
        (
            lambda story: (story.start(0), story.pass_until(22), story.schedule(23, "s1", 1)),
            "last session or start 22 d ago, off track after 21 d",
        ),
    ],
)
def test_what_is_not_put_on_track_says_why(tell, failed):
    story = WatchedCoaching()
    tell(story)
    assert story.why_not()["engagement e1 becomes ON_TRACK"] == failed


def test_what_brings_it_back_on_track_and_resolves_is_told():
    story = WatchedCoaching()
    story.start(0)
    story.pass_until(22)
    assert [
        each.happened for each in story.steps[-1].considered if each.outcome.topic == "track-changed"
    ] == [True]
    story.schedule(23, "s1", 30)
    happened = {each.outcome.says for each in story.steps[-1].considered if each.happened}
    assert happened == {"engagement e1 becomes ON_TRACK", "the workflow is resolved"}


def test_it_says_when_it_would_go_off_track():
    story = WatchedCoaching()
    story.start(0)
    story.schedule(1, "s1", 9)
    standing = standing_of(story.core.playbooks, story.watched.member, days(2))
    (off, opens) = standing.waiting
    assert off.failed.says == opens.failed.says == "a session or call lies ahead, at 2026-01-14T10:00:00.000Z"
    (wake,) = standing.wakes
    assert wake.purpose == "engagement e1 goes off track, unless a session is scheduled or held before"
    assert standing.facts["engagements.e1.tracks.progress.status"] == "ON_TRACK"
