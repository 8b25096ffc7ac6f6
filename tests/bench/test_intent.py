"""The benches of high intent measure what they say they measure."""

from __future__ import annotations

from collections import Counter

from app.domain.company_state import offset_ms, rank_of
from app.domain.crossings import CompanyUp
from app.domain.members import MemberCore
from app.playbooks.loader import DEFAULTS, load_playbooks
from bench import intent
from bench.company import Watched, Wave
from bench.playbooks import Contender, activities


def test_every_member_has_fifty_sessions_of_which_only_the_last_may_convert(monkeypatch):
    monkeypatch.setattr(intent, "MEMBERS", 2)
    found = list(intent.sessions("finished"))
    kinds = Counter((event.member_id, event.type) for event in found)
    assert kinds["m1", "transact.interaction"] == 50
    assert kinds["m1", "transact.closed"] == 49
    assert kinds["m1", "transact.finished"] == 1


def test_members_with_fifty_sessions_have_their_workflow_open_or_not(tmp_path, monkeypatch):
    monkeypatch.setattr(intent, "MEMBERS", 2)
    playbooks = load_playbooks(DEFAULTS)
    for last, is_open in (("finished", False), ("closed", True)):
        contender = Contender(tmp_path / last, playbooks, activities())
        contender.feed(intent.sessions(last))
        member = contender._store.get("m1")
        assert ("transact" in (member.hot.workflows or {})) is is_open
        contender.close()


def test_those_who_wait_wait_for_one_company(tmp_path):
    wave = Wave(3, 30)
    playbooks = load_playbooks(wave.write_playbooks(tmp_path / "p"))
    core, names = MemberCore(playbooks), [each.name for each in playbooks.playbooks]
    assert names == ["re-engager", "transact"]
    assert playbooks.by_name["transact"].release_ms == 30_000
    records = list(wave.waiting())
    assert len(records) == 6
    assert {record.member_id for record in records} == {"w0000000", "w0000001", "w0000002"}
    assert all(core.playbooks.reactions(record) for record in records)


def test_a_member_not_told_told_twice_or_at_another_instant_is_seen():
    watched = Watched(Wave(2, 900))
    watched.up_ms = 1_000_000

    def hear(member_id: str, off_ms: int = 0) -> None:
        at_ms = 1_000_000 + offset_ms(rank_of(member_id), 900_000) + off_ms
        fields = {"event_id": "e", "company_id": "acme", "cause": "back", "playbook": "p", "workflow_id": "w"}
        watched.hear(CompanyUp(member_id=member_id, occurred_at=at_ms, **fields), 1.0)

    hear("w0000000")
    assert list(watched.wrong()) == ["1 members told, in place of 2"]
    hear("w0000001")
    assert list(watched.wrong()) == []
    assert "2 members told within 900 s" in next(watched.facts())
    assert watched.repeated == 0
    hear("w0000001", 1)
    assert watched.repeated == 1
    assert list(watched.wrong()) == ["1 members were told with another instant than their own"]
