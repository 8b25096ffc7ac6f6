import pytest

from app.domain.member import Member
from app.domain.playbook import KIND_ORDER
from app.domain.playbook_set import PlaybookSet
from app.domain.sink import Sink
from app.domain.state import Hot
from app.domain.turn import Turn
from app.domain.workflow import (
    ANY_KIND,
    CLOSED,
    MOVES,
    OPEN,
    IllegalMove,
    open_workflow,
    playbook_of,
    resolve_workflow,
    stem,
    workflow_id,
)
from tests.domain.conftest import days, re_engager


def turn() -> Turn:
    return Turn(Member("m1", Hot("h")), Sink(), days(0), "e1", PlaybookSet([]))


def test_ids_name_playbook_member_and_opening():
    assert workflow_id(stem("p"), "m:1", 3) == "p:m:1:3"


def test_ids_of_kinds_with_a_workflow_per_engagement_name_it_too():
    assert workflow_id(stem("p", "e:1"), "m1", 3) == "p:m1:e:1:3"
    assert playbook_of(stem("p", "e:1")) == playbook_of(stem("p")) == "p"


def test_every_move_opens_or_closes_a_workflow_of_a_known_kind():
    for move in MOVES:
        assert {move.before, move.after} == {CLOSED, OPEN}
        assert move.kind in (*KIND_ORDER, ANY_KIND)
        assert move.when


def test_no_move_stands_in_the_table_twice():
    assert len({(move.kind, move.after, move.name) for move in MOVES}) == len(MOVES)


def test_a_reason_that_is_not_in_the_table_is_a_bug():
    with pytest.raises(IllegalMove):
        open_workflow(turn(), re_engager(), "re-engager", "because", {})


def test_a_resolution_that_is_not_in_the_table_is_a_bug():
    under_way = turn()
    open_workflow(under_way, re_engager(), "re-engager", "returned", {})
    with pytest.raises(IllegalMove):
        resolve_workflow(under_way, re_engager(), "re-engager", "because")


def test_resolving_what_is_not_open_is_a_bug():
    with pytest.raises(IllegalMove):
        resolve_workflow(turn(), re_engager(), "re-engager", "operator")
