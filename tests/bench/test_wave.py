"""The wave waits for one morning, and each of its nudges has an instant of its own, which the bench knows beforehand."""

import pytest

from app.domain.engine import Engine
from app.domain.instants import HOUR_MS
from app.domain.members import MemberCore
from app.domain.memory import MemoryDeadlines, MemoryEntities
from app.domain.outputs import Nudge
from app.domain.sink import Sink
from app.playbooks.loader import load_playbooks
from bench.wave import Wave, _Watched

NOON_MS = 1_767_614_400_000
"""2026-01-05T12:00Z."""


def nudges(sink):
    return [output for output in sink.take() if isinstance(output, Nudge)]


@pytest.mark.parametrize("spread_s", [0, 30])
@pytest.mark.parametrize("end_ms", [NOON_MS, NOON_MS - 9 * HOUR_MS])
def test_all_wait_until_the_end_and_leave_at_the_instants_the_bench_expects(tmp_path, end_ms, spread_s):
    wave = Wave(50, end_ms, spread_s)
    core = MemberCore(load_playbooks(wave.write_playbooks(tmp_path / "playbooks")))
    engine = Engine(core, MemoryEntities(), MemoryDeadlines(), Sink())
    for score in wave.scores():
        engine.move_time(score.occurred_at)
        engine.apply(score.member_id, score)
    engine.move_time(end_ms - 1)
    assert nudges(engine.sink) == []
    engine.move_time(end_ms + spread_s * 1000)
    sent = nudges(engine.sink)
    assert {nudge.member_id: nudge.occurred_at for nudge in sent} == {
        score.member_id: wave.due_ms(score.member_id) for score in wave.scores()
    }
    assert len({nudge.occurred_at for nudge in sent}) == (1 if spread_s == 0 else 50)


def test_a_nudge_missing_sent_twice_or_at_another_instant_is_seen():
    wave = Wave(2, NOON_MS, 30)
    watched = _Watched(wave)
    fields = {"sequence": 1, "cause": "timer:nudge", "nudge_id": "n", "recipient_role": "MEMBER"}
    fields |= {"recipient_id": "w", "channel": "IN_APP", "template": "t"}

    def hear(member_id, at_ms):
        watched.hear(Nudge(event_id="e", member_id=member_id, occurred_at=at_ms, **fields), 1.0)

    hear("w0000000", wave.due_ms("w0000000"))
    assert list(watched.wrong()) == ["1 nudges, in place of 2"]
    hear("w0000001", wave.due_ms("w0000001") + 1)
    assert list(watched.wrong()) == ["1 nudges carry another instant than their own"]
    hear("w0000001", wave.due_ms("w0000001"))
    assert watched.repeated == 1
