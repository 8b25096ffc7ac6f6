from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain import score_index
from app.domain.score_index import ScoreIndex
from tests.domain.reactivating import on
from tests.domain.scoring import on_score, points, rule

values = st.one_of(st.none(), st.integers(-6, 6))
single = st.one_of(
    st.builds("{} {}".format, st.sampled_from(["=", "!=", ">", ">=", "<", "<="]), st.integers(-5, 5)),
    st.sampled_from(["is empty", "is not empty"]),
)
playbooks = st.lists(st.tuples(single, st.sampled_from(["on_crossing", "on_every_change"])), max_size=12)


def index_of(listeners: list[Any]) -> ScoreIndex:
    index = ScoreIndex()
    for playbook in listeners:
        index.add(playbook, playbook)
    return index


@given(playbooks, st.lists(st.tuples(values, values), min_size=1, max_size=20))
def test_those_are_concerned_who_would_do_something_in_their_order(written, changes):
    listeners = [on_score(f"p{place}", when, fire=fire) for place, (when, fire) in enumerate(written)]
    index = index_of(listeners)
    for before, after in changes:
        wanted = [playbook for playbook in listeners if playbook.is_concerned(before, after)]
        assert list(index.concerned(before, after)) == wanted


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=6), st.lists(st.tuples(values, values), min_size=1))
def test_a_reactivation_is_concerned_by_the_crossing_of_its_threshold_alone(thresholds, changes):
    listeners = [on(name=f"r{place}", threshold=each) for place, each in enumerate(thresholds)]
    index = index_of([*listeners, on_score("p", "> 3")])
    for before, after in changes:
        crossed = [
            playbook
            for playbook, threshold in zip(listeners, thresholds, strict=True)
            if after is not None and after >= threshold and (before is None or before < threshold)
        ]
        assert list(index.concerned(before, after))[: len(crossed)] == crossed
        assert len(index.concerned(before, after)) - len(crossed) in (0, 1)


def test_points_playbooks_see_every_change():
    earning = points(rules=[rule()], decay={"points": 1, "every": "1d"})
    index = index_of([earning, on_score("p", "> 9")])
    assert index.concerned(1, 2) == (earning,)


def test_it_does_not_grow_without_bound(monkeypatch):
    monkeypatch.setattr(score_index, "MOST_PAIRS", 10)
    index = index_of([on_score(f"p{number}", f"> {number}") for number in range(40)])
    for number in range(100):
        assert len(index.concerned(0, number)) == min(number, 40)
        assert len(index._concerned) <= 10
