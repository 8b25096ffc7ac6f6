"""`explain` from the topics: the decisions it tells of a member are those the workers made, whatever happened to them."""

import random
from pathlib import Path

import pytest

from app.domain.errors import UserError
from tests.integration import intent_history, nudge_history, progress_history, reactivation_history
from tests.integration.deployment import Sent
from tests.integration.desk_history import PLAYBOOK, DeskHistory
from tests.integration.explained import assert_explained_as_it_was, explained, live_outputs, outputs_of
from tests.integration.faults import Faults
from tests.integration.history import History

pytestmark = pytest.mark.broker

SMALL = Faults(batch=20, wakes=3, slice=4, cached=8)


def test_of_a_drained_history_with_late_and_bad_records_every_decision_is_told(deploy):
    deployment = deploy()
    deployment.produce(History(11, records=2_000, members=60))
    deployment.drain()
    assert_explained_as_it_was(deployment)


def test_it_is_told_whatever_fits_in_a_batch_and_where_waves_of_timers_are_cut_short(deploy):
    deployment = deploy(partitions=3)
    deployment.produce(History(12, records=1_200, members=30, partitions=3, bad=0.2))
    deployment.drain(faults=SMALL)
    assert_explained_as_it_was(deployment, members=20)


def test_it_is_told_after_workers_were_killed(deploy):
    deployment = deploy()
    records, rnd = list(History(13, records=1_200, members=30)), random.Random(13)
    for start in range(0, len(records), 400):
        deployment.produce(records[start : start + 400])
        worker = deployment.start_worker(faults=SMALL)
        deployment.wait_for_commits(rnd.randint(1, 10))
        worker.kill()
        deployment.expel_dead_workers()
    deployment.drain(faults=SMALL)
    assert_explained_as_it_was(deployment, members=20)


def test_nudges_scores_merges_and_forgotten_members_are_told(deploy, tmp_path):
    deployment = deploy(REENGAGE_PLAYBOOKS=written(tmp_path, nudge_history.FILES))
    deployment.produce(nudge_history.NudgeHistory(14, records=2_000))
    deployment.drain(faults=Faults(batch=50, wakes=3, slice=4, cached=8))
    assert_explained_as_it_was(deployment, members=20)


def test_the_answers_of_desks_are_told_in_the_order_in_which_they_were_recorded(deploy, tmp_path):
    deployment = deploy(REENGAGE_PLAYBOOKS=written(tmp_path, {"re-engager.toml": PLAYBOOK}))
    deployment.produce(DeskHistory(15, records=800))
    deployment.drain()
    assert_explained_as_it_was(deployment, members=20)


def write_progress(folder: Path) -> str:
    folder.mkdir()
    return written(folder, {"progress.toml": progress_history.PLAYBOOK})


@pytest.mark.parametrize(
    ("write", "history"),
    [
        (reactivation_history.write_playbooks, reactivation_history.ReactivationHistory),
        (intent_history.write_playbooks, intent_history.IntentHistory),
        (write_progress, progress_history.ProgressHistory),
    ],
    ids=["reactivation", "high_intent", "progress"],
)
def test_every_other_kind_of_playbook_is_told(deploy, tmp_path, write, history):
    deployment = deploy(REENGAGE_PLAYBOOKS=write(tmp_path / "playbooks"))
    deployment.produce(history(18, records=1_500))
    deployment.drain(faults=Faults(batch=100, wakes=5, slice=4, cached=8))
    assert_explained_as_it_was(deployment, members=10)


def written(folder: Path, files: dict[str, str]) -> str:
    """A folder of playbooks with these files."""
    for name, content in files.items():
        (folder / name).write_text(content, "utf-8")
    return str(folder)


def test_at_an_instant_the_timeline_is_a_beginning_of_the_whole(deploy):
    deployment = deploy()
    deployment.produce(History(16, records=1_000, members=12))
    deployment.drain()
    live = live_outputs(deployment)
    member = max(live, key=lambda member: len(live[member]))
    middle = live[member][len(live[member]) // 2]["occurred_at"]
    lines = explained(deployment, member, at=middle)
    told = outputs_of(lines)
    assert told == live[member][: len(told)]
    assert len(told) > len(live[member]) // 2
    assert all(output["occurred_at"] <= middle for output in told)
    assert lines[-1]["at"] == middle


def test_up_to_any_instant_it_holds_all_that_came_out_by_then(deploy):
    deployment = deploy()
    deployment.produce(History(17, records=1_000, members=12))
    deployment.drain()
    for member, outputs in live_outputs(deployment).items():
        for output in outputs[:: max(1, len(outputs) // 3)]:
            at = output["occurred_at"]
            told = outputs_of(explained(deployment, member, at=at))
            assert told == [each for each in outputs if each["occurred_at"] <= at], (member, at)


def test_what_no_worker_has_taken_yet_is_told_as_what_it_will_decide(deploy):
    deployment = deploy()
    records = list(History(17, records=600, members=12, bad=0.0))
    deployment.produce(records[:400])
    deployment.drain()
    deployment.produce(records[400:])
    lines = [line for number in range(12) for line in _explained_if_known(deployment, records, number)]
    assert {line["recorded"] for line in lines if "recorded" in line} == {True, False}
    assert all(line["place"] is not None for line in lines if line["what"] == "input")


def _explained_if_known(deployment, records: list[Sent], number: int):
    key = sorted({record.key for record in records if record.key})[number]
    return explained(deployment, key.decode())


def test_what_other_playbooks_decided_is_marked_with_their_hash(deploy, tmp_path):
    deployment = deploy()
    deployment.produce(History(19, records=300, members=6, bad=0.0))
    deployment.drain()
    member = next(iter(live_outputs(deployment)))
    lines = explained(deployment, member)
    assert {line["other_playbooks_hash"] for line in lines[1:-1]} == {None}
    (tmp_path / "other.toml").write_text('kind = "reengager"\ninactivity = { after = "1d" }\n')
    deployment.more["REENGAGE_PLAYBOOKS"] = str(tmp_path)
    changed = explained(deployment, member)
    was = lines[0]["playbooks_hash"]
    assert {line["other_playbooks_hash"] for line in changed[1:-1]} == {was}
    assert changed[0]["playbooks_hash"] != was


def test_a_member_of_whom_nothing_is_there_is_named_as_unknown(deploy):
    deployment = deploy()
    with pytest.raises(UserError, match="unknown-member"):
        explained(deployment, "nobody")
