"""What-ifs: what other playbooks would have decided, against an expectation that owes nothing to the code under test."""

import json
from collections import Counter

import pytest

from app.domain.events import Activity, ScoreCommand, TransferEvent
from app.tools import produce as producing
from app.tools.replay.order import Order
from app.tools.reports.form import Form
from app.wire.lines import format_record
from tests.integration.history import HOUR_MS, START_MS
from tests.integration.replaying import printed, replay, replay_command, replay_printing

pytestmark = pytest.mark.broker

REENGAGER = """
kind = "reengager"
[inactivity]
after = "{after}"
"""
REWARD = """
kind = "score"
when = ">= {points}"
actions = [{{ do = "nudge", template = "reward" }}]
"""
POLICY = 'quiet = { from = "00:00", to = "00:00" }\ncaps = {}\nholidays = false\n'
GAPS_H = range(96, 216, 6)
"""How long each member stays away, in hours: four to nine days."""


def write(folder, after, points):
    folder.mkdir()
    (folder / "re-engager.toml").write_text(REENGAGER.format(after=after))
    (folder / "reward.toml").write_text(REWARD.format(points=points))
    (folder / "policy.toml").write_text(POLICY)
    return folder


def active(member, at_ms):
    return Activity(
        event_id=f"a{at_ms}", member_id=member, occurred_at=at_ms, type="article.read", channel="APP"
    )


@pytest.fixture
def deployment(deploy):
    """Each member comes once, is transferred by hand, stays away for its gap, returns, and earns as many points as hours."""
    deployment = deploy()
    deployment.more["REENGAGE_PLAYBOOKS"] = str(write(deployment.folder / "playbooks", "7d", 170))
    records = []
    for gap_h in GAPS_H:
        member = f"away-{gap_h}"
        records.append(active(member, START_MS))
        records.append(
            TransferEvent(
                event_id="t",
                member_id=member,
                occurred_at=START_MS + HOUR_MS,
                type="TRANSFERRED",
                mode="MANUAL",
            )
        )
        back_ms = START_MS + gap_h * HOUR_MS
        records.append(active(member, back_ms))
        records.append(
            ScoreCommand(event_id="s", member_id=member, occurred_at=back_ms, operation="ADD", points=gap_h)
        )
    records.sort(key=lambda record: record.occurred_at)
    events = deployment.folder / "events.jsonl"
    events.write_text("".join(format_record(record.topic, record) + "\n" for record in records))
    # In line order over all topics, so that live takes them by time, as the what-if does.
    assert producing.run(deployment.settings(), events) == 0
    deployment.drain()
    return deployment


def test_a_lower_threshold_opens_and_nudges_exactly_those_between_the_two(deployment):
    playbooks = write(deployment.folder / "what-if", "5d", 150)
    code, out = replay_printing(deployment, "what-if-", playbooks=(playbooks,), diff=True, form=Form.JSON)
    found = json.loads(out)
    counts = {each["topic"]: each for each in found["counts"]}
    opened = [gap_h for gap_h in GAPS_H if 5 * 24 <= gap_h < 7 * 24]
    nudged = [gap_h for gap_h in GAPS_H if 150 <= gap_h < 170]
    assert (code, found["equal"]) == (1, False)
    assert counts["workflow-opened"] == {
        "topic": "workflow-opened",
        "live": len(GAPS_H) + sum(gap_h >= 7 * 24 for gap_h in GAPS_H),
        "replay": len(GAPS_H) + sum(gap_h >= 5 * 24 for gap_h in GAPS_H),
        "same": len(GAPS_H)
        + sum(gap_h >= 7 * 24 for gap_h in GAPS_H)
        - counts["workflow-opened"]["different"],
        "different": sum(gap_h >= 7 * 24 for gap_h in GAPS_H),
        "only_in_live": 0,
        "only_in_replay": len(opened),
    }
    assert (counts["nudge"]["only_in_live"], counts["nudge"]["only_in_replay"]) == (0, len(nudged))
    assert counts["workflow-resolved"]["same"] == len(GAPS_H)
    kinds = Counter((each["topic"], each["change"]) for each in found["examples"])
    assert kinds["workflow-opened", "only_in_replay"] == kinds["workflow-opened", "different"] == 3
    (example, *_) = (each for each in found["examples"] if each["change"] == "only_in_replay")
    assert example["reason"].startswith("returned, activity article.read, inactive_days 5")
    assert example["live"] is None
    (example, *_) = (each for each in found["examples"] if each["change"] == "different")
    assert example["fields"] == ["context"]


def test_the_same_playbooks_make_no_difference(deployment):
    """By time, with new names for what only counts."""
    assert replay(deployment, "same-", order=Order.EVENT_TIME, diff=True) == 0


def test_the_live_topics_stay_as_they_were(deployment):
    before = printed(deployment, "")
    assert replay(deployment, "what-if-", playbooks=(write(deployment.folder / "what-if", "1d", 1),)) == 0
    assert printed(deployment, "") == before


def test_people_get_a_table_with_the_numbers_first(deployment):
    playbooks = write(deployment.folder / "what-if", "5d", 150)
    code, out, said = replay_command(deployment, "what-if-", "--playbooks", str(playbooks), "--diff")
    assert code == 1, said
    lines = out.splitlines()
    assert "only in the replay" in lines[1]
    assert "workflow-opened" in lines[3]
    assert "opened, resolved or nudged differently" in out
    assert "live has its nearest" in out
