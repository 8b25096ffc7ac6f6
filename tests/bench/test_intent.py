"""The benches of high intent measure what they say they measure."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from app.domain.company_state import offset_ms, rank_of
from app.domain.members import MemberCore
from app.playbooks.loader import DEFAULTS, load_playbooks
from bench import intent
from bench.company import Wave, report, waiting, wave_of, write_playbooks
from bench.playbooks import Contender, activities

RELEASE_MS = 900_000


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
    playbooks = load_playbooks(write_playbooks(tmp_path / "p", 30))
    core, names = MemberCore(playbooks), [each.name for each in playbooks.playbooks]
    assert names == ["re-engager", "transact"]
    assert playbooks.by_name["transact"].release_ms == 30_000
    records = list(islice(waiting(3), 10))
    assert len(records) == 6
    assert {record.member_id for record in records} == {"w0000000", "w0000001", "w0000002"}
    assert all(core.playbooks.reactions(record) for record in records)


def wave(told: list[tuple[str, int, int]]) -> Wave:
    return wave_of(told, 0, RELEASE_MS, (1, 2, 3), (1, 2, 3))


def test_a_wave_is_right_if_everybody_was_told_once_at_the_own_instant(capsys):
    right = [
        (f"m{n}", at_ms, at_ms + 5) for n in range(9) for at_ms in [offset_ms(rank_of(f"m{n}"), RELEASE_MS)]
    ]
    assert report(wave(right), 9, 900)
    assert not report(wave(right), 10, 900)
    assert not report(wave([*right, right[0]]), 9, 900)
    assert not report(wave([*right[:-1], ("m8", 1, 2)]), 9, 900)
    assert sum(wave(right).tenths) == 9
    assert "0 more than once" in capsys.readouterr().out


def test_slow_answers_are_told(capsys):
    right = [("m1", offset_ms(rank_of("m1"), RELEASE_MS), 0)]
    assert not report(wave_of(right, 0, RELEASE_MS, (1, 2, 3), (1, 251, 300)), 1, 900)
    assert "p99 251 ms" in capsys.readouterr().out
