"""The bench of engagements compares what it says it compares."""

from __future__ import annotations

from itertools import islice

from app.domain.engagement_state import unpack_calendar
from app.playbooks.loader import DEFAULTS, load_playbooks
from bench import playbooks
from bench.engagements import ENGAGEMENTS, SESSIONS, engaged, visits
from bench.playbooks import Contender


def test_its_members_have_as_many_tracked_engagements_as_it_says(tmp_path, monkeypatch):
    monkeypatch.setattr(playbooks, "BATCHES", 1)
    contender = Contender(tmp_path / "c", load_playbooks(DEFAULTS), visits(), cold=True)
    contender.feed(engaged(members=2))
    assert contender.round_us() > 0
    member = contender._store.get("m1")
    engagements = member.engagements()
    assert len(engagements) == ENGAGEMENTS
    assert all(len(unpack_calendar(each).sessions) == SESSIONS for each in engagements.values())
    assert {each.tracks["progress"].status for each in engagements.values()} == {"ON_TRACK"}
    contender.close()


def test_its_visits_are_of_one_member_after_the_other():
    assert [event.member_id for event in islice(visits(), 3)] == ["m0", "m1", "m2"]
