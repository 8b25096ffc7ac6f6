"""The bench of playbooks compares what it says it compares."""

from __future__ import annotations

from itertools import islice

from app.domain.playbook_set import PlaybookSet
from app.domain.scores import ScoreChange
from bench import playbooks
from bench.playbooks import Contender, activities, applying, others, score_events, ten_scores


def test_three_playbooks_apply_to_its_score_events_and_the_others_to_none():
    crowd = list(others(197))
    assert len({playbook.name for playbook in crowd}) == 197
    together = PlaybookSet([*applying(), *crowd])
    event = next(score_events())
    change = ScoreChange(event.score, 4, 5, 0)
    assert len(together.score_reactions(change)) == 3
    assert len(PlaybookSet(crowd).score_reactions(change)) == 0
    assert PlaybookSet(crowd).reactions(next(activities())) == ()


def test_a_round_applies_events_to_members_with_the_scores_they_were_given(tmp_path, monkeypatch):
    monkeypatch.setattr(playbooks, "BATCHES", 1)
    contender = Contender(tmp_path / "c", PlaybookSet(applying()), activities(), cold=True)
    contender.feed(islice(ten_scores(), 20))
    assert contender.round_us() > 0
    member = contender._store.get("m1")
    assert len(member.hot.scores) == 10
    assert member.hot.last_in_app_ms is not None
    contender.close()
