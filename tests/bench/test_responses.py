"""The bench of responses compares what it says it compares."""

from __future__ import annotations

from itertools import islice

from app.domain.responses import MOST_RESPONSES, responses_of
from app.playbooks.loader import DEFAULTS, load_playbooks
from bench import playbooks
from bench.playbooks import Contender, batches
from bench.responses import hundred_responses, profiles


def test_a_round_applies_events_to_members_with_all_the_responses_that_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(playbooks, "BATCHES", 1)
    contender = Contender(tmp_path / "c", load_playbooks(DEFAULTS), profiles(), cold=True)
    for batch in batches(hundred_responses(members=2), size=64):
        contender.feed(iter(batch))
    assert contender.round_us() > 0
    member = contender._store.get("m1")
    assert len(responses_of(member)) == MOST_RESPONSES
    assert member.cold().profile.email is not None
    assert not member.hot.workflows
    contender.close()


def test_batches_lose_no_response():
    assert sum(len(batch) for batch in batches(islice(hundred_responses(3), 130), size=64)) == 130
