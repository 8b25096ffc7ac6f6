"""Which activities may repeat, and for whom."""

import pytest

from app.domain.member import Member
from app.domain.playbook_set import PlaybookSet
from app.domain.repeats import Move, can_repeat, is_moved, moves_of
from app.domain.state import Hot, PointsState, ReengagerState
from tests.domain.conftest import re_engager
from tests.domain.scoring import points, rule


def test_an_activity_of_re_engagers_alone_may_repeat():
    one = re_engager("a", activities=frozenset({"x.y"}))
    two = re_engager("b", tag="t", activities=frozenset({"x.y", "x.z"}))
    first = Move("a", one.channels, one.after_ms)
    second = Move("b", two.channels, two.after_ms)
    assert moves_of(PlaybookSet([two, one])) == {"x.y": (first, second), "x.z": (second,)}


def test_one_that_anything_else_is_done_about_may_not():
    playbook = re_engager("a", activities=frozenset({"x.y", "setup.completed", "nudge.opened"}))
    assert set(moves_of(PlaybookSet([playbook]))) == {"x.y"}
    earning = points(rules=[rule(on="x.y")])
    assert not moves_of(PlaybookSet([playbook, earning]))


def test_without_re_engagers_none_does():
    assert not moves_of(PlaybookSet([points(rules=[rule(on="x.y")])]))


@pytest.mark.parametrize(
    ("hot", "can"),
    [
        (Hot("", born=True), True),
        (Hot("", born=False), False),
        (Hot("", born=True, page_stale=True), False),
    ],
)
def test_who_can_repeat(hot, can):
    assert can_repeat(Member("m", hot)) == can


@pytest.mark.parametrize(
    ("hot", "moved"),
    [
        (Hot("", states={"r": ReengagerState("inactive", 1)}), True),
        (Hot("", states={"r": ReengagerState("inactive", 1)}, tags={"other": 1}), True),
        (Hot("", states={"r": ReengagerState("inactive", 1)}, tags={"inactive": 1}), False),
        (Hot("", states={"r": ReengagerState("inactive", None)}), False),
        (Hot("", states={"r": PointsState()}), False),
        (Hot("", states={}), False),
    ],
)
def test_who_is_moved(hot, moved):
    assert is_moved(Member("m", hot), re_engager("r")) == moved
