"""A replay that follows the journal against what the workers wrote: the same bytes, whatever happened to the workers."""

import json
import random
import shutil
import signal
from itertools import chain

import pytest

from app.domain.errors import UserError
from app.domain.outputs import OUTPUTS
from app.playbooks.loader import load_playbooks
from app.tools.replay.order import Order
from app.tools.reports.form import Form
from app.tools.simulate import simulate
from app.wire.lines import format_record
from tests.integration import intent_history, nudge_history, progress_history, reactivation_history
from tests.integration.deployment import until
from tests.integration.desk_history import PLAYBOOK, DeskHistory
from tests.integration.faults import Faults
from tests.integration.history import DAY_MS, START_MS, History
from tests.integration.nudge_history import NudgeHistory, write_playbooks
from tests.integration.replaying import (
    assert_equal_to_live,
    inputs_by_time,
    journal,
    printed,
    records_of,
    replay,
    replay_command,
    replay_printing,
)

pytestmark = pytest.mark.broker

SMALL = Faults(batch=20, wakes=3, slice=4, cached=8)


def kill_twice(deployment, records, rnd):
    """Have workers take the records, two of which are killed on the way."""
    third = len(records) // 3
    for start in (0, third):
        deployment.produce(records[start : start + third])
        worker = deployment.start_worker(faults=SMALL)
        deployment.wait_for_commits(rnd.randint(3, 12))
        worker.kill()
        deployment.expel_dead_workers()
    deployment.produce(records[2 * third :])
    deployment.drain(faults=SMALL)


def test_a_replay_gives_what_live_gave_byte_for_byte(deploy):
    """Late records, duplicates, dead letters, waves of timers cut into slices, and two workers killed on the way."""
    deployment = deploy()
    kill_twice(deployment, list(History(11, records=3_000, members=120)), random.Random(11))
    assert replay(deployment, "again-") == 0
    assert_equal_to_live(deployment, "again-")


def test_the_comparison_finds_it_equal_and_says_what_was_compared(deploy):
    deployment = deploy()
    deployment.produce(History(13, records=800))
    deployment.drain()
    code, printed = replay_printing(deployment, "again-", diff=True, form=Form.JSON)
    found = json.loads(printed)
    assert (code, found["equal"], found["members"], found["examples"]) == (0, True, 0, [])
    counts = {each["topic"]: each for each in found["counts"]}
    opened = [line for line in deployment.outputs() if '"topic":"workflow-opened"' in line]
    assert counts["workflow-opened"]["live"] == counts["workflow-opened"]["same"] == len(opened) > 10


def test_killed_at_each_step_of_a_commit_it_carries_on_where_it_was(deploy):
    """Each time further on; what was committed is neither repeated nor left out."""
    deployment = deploy()
    deployment.produce(History(14, records=600, members=30))
    deployment.drain(faults=SMALL)
    for step in ("decided", "states", "produced", "committing", "committed", "written"):
        faults = Faults(crash_at=step, crash_after=3, replayed=25)
        code, _, said = replay_command(deployment, "again-", faults=faults)
        assert code == -signal.SIGKILL, (step, said)
    assert replay(deployment, "again-") == 0
    assert_equal_to_live(deployment, "again-")


def test_it_goes_on_with_what_the_workers_have_done_since(deploy):
    deployment = deploy()
    records = list(History(15, records=900))
    deployment.produce(records[:500])
    deployment.drain()
    assert replay(deployment, "again-") == 0
    deployment.produce(records[500:])
    deployment.drain()
    assert replay(deployment, "again-") == 0
    assert_equal_to_live(deployment, "again-")


def test_desks_merges_scores_nudges_and_the_wall_clock_come_out_as_they_did(deploy):
    """A worker that lives: what crosses between members and desks, and timers that the wall clock has fired."""
    deployment = deploy(partitions=3, REENGAGE_IDLE="1s")
    folder = deployment.folder / "playbooks"
    deployment.more["REENGAGE_PLAYBOOKS"] = write_playbooks(folder)
    (folder / "re-engager.toml").write_text(PLAYBOOK)
    worker = deployment.start_worker(faults=SMALL)
    deployment.produce(NudgeHistory(19, records=500))
    deployment.produce(DeskHistory(19, records=500, partitions=3))
    until(lambda: any(entry[3] > START_MS + 300 * DAY_MS for entry in journal(deployment)), "the wall clock")
    worker.stop()
    assert replay(deployment, "again-") == 0
    assert_equal_to_live(deployment, "again-")
    assert journal(deployment, "again-") == journal(deployment)


def test_all_five_systems_come_out_as_they_did_and_by_time_as_simulate_has_them(deploy):
    """Members, desks, companies and owners' digests; late records and duplicates, and two workers killed on the way."""
    deployment = deploy(partitions=3)
    folder = deployment.folder / "playbooks"
    for place, history in enumerate((reactivation_history, intent_history, nudge_history)):
        # The last one's policy holds.
        written = history.write_playbooks(deployment.folder / f"playbooks-{place}")
        shutil.copytree(written, folder, dirs_exist_ok=True)
    (folder / "re-engager.toml").write_text(PLAYBOOK)
    (folder / "progress.toml").write_text(progress_history.PLAYBOOK)
    deployment.more["REENGAGE_PLAYBOOKS"] = str(folder)
    histories = (
        nudge_history.NudgeHistory(51, records=400),
        DeskHistory(52, records=400, partitions=3),
        intent_history.IntentHistory(53, records=400),
        progress_history.ProgressHistory(54, records=400),
        reactivation_history.ReactivationHistory(55, records=400),
    )
    kill_twice(deployment, list(chain.from_iterable(zip(*histories, strict=False))), random.Random(5))
    assert replay(deployment, "again-", diff=True) == 0
    assert_equal_to_live(deployment, "again-")
    assert replay(deployment, "by-time-", order=Order.EVENT_TIME) == 0
    found = simulate(inputs_by_time(deployment), load_playbooks(folder))
    expected = [format_record(each.topic, each) for each in (*found.outputs, *found.snapshots)]
    assert [
        line for line in printed(deployment, "by-time-") if '"topic":"dead-letter"' not in line
    ] == expected


def test_over_changed_playbooks_it_says_so_and_takes_both_sets(deploy):
    deployment = deploy()
    first, second = (deployment.folder / name for name in ("first", "second"))
    for folder, days in ((first, 5), (second, 3)):
        folder.mkdir()
        (folder / "re-engager.toml").write_text(f'kind = "reengager"\n[inactivity]\nafter = "{days}d"\n')
    records = list(History(20, records=1_200))
    for folder, part in ((first, records[:600]), (second, records[600:])):
        deployment.produce(part)
        deployment.more["REENGAGE_PLAYBOOKS"] = str(folder)
        deployment.drain(faults=SMALL)
    with pytest.raises(UserError, match=load_playbooks(first).hash) as refused:
        replay(deployment, "again-")
    assert refused.value.reference == "other-playbooks"
    assert replay(deployment, "again-", order=Order.JOURNAL, playbooks=(first,)) == 0
    assert_equal_to_live(deployment, "again-")


@pytest.mark.parametrize("days", [10, 25])
def test_a_window_holds_the_live_outputs_of_its_instants(deploy, days):
    """Up to an instant: what live had put out when its time passed it. From it on: all the rest."""
    deployment = deploy(partitions=1)
    deployment.produce(sent for sent in History(22, records=800, bad=0) if sent.topic == "activity")
    deployment.drain()
    instant_ms = START_MS + days * DAY_MS
    assert replay(deployment, "since-", since_ms=instant_ms + 1) == 0
    assert replay(deployment, "until-", until_ms=instant_ms) == 0
    sequenced = tuple(topic for topic in OUTPUTS if topic not in ("member-snapshot", "dead-letter"))
    live, since, until_then = (records_of(deployment, under, sequenced) for under in ("", "since-", "until-"))
    assert since == [record for record in live if record.occurred_at > instant_ms]
    assert until_then
    early = [record for record in live if record.occurred_at <= instant_ms]
    assert all(record in early for record in until_then)
