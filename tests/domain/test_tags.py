from app.domain.member import Member
from app.domain.playbook_set import PlaybookSet
from app.domain.sink import Sink
from app.domain.state import Hot
from app.domain.tags import add_tag, carries, remove_tag
from app.domain.turn import Turn
from tests.domain.conftest import days


def turn() -> Turn:
    return Turn(Member("m1", Hot("h")), Sink(), days(0), "e1", PlaybookSet([]))


def test_a_tag_that_is_there_stays_as_it_is():
    under_way = turn()
    add_tag(under_way, None, "vip", "first")
    add_tag(under_way, None, "vip", "second")
    assert [output.reason for output in under_way.sink.outputs] == ["first"]
    assert carries(under_way, "vip")


def test_removing_tells_since_when_it_was_carried():
    under_way = turn()
    add_tag(under_way, None, "vip", "r")
    assert remove_tag(under_way, None, "vip", "r") == days(0)
    assert not carries(under_way, "vip")


def test_removing_what_is_not_there_says_nothing():
    under_way = turn()
    assert remove_tag(under_way, None, "vip", "r") is None
    assert under_way.sink.outputs == []
    assert not under_way.page_urgent
