"""Promoting a backfill, while events go on coming and the command is killed again and again."""

import itertools
import json
import random
import signal
from collections import defaultdict

import pytest

from app.playbooks.loader import load_playbooks
from app.tools.simulate import simulate
from app.wire.lines import format_record
from tests.integration.faults import Faults
from tests.integration.history import DAY_MS, HOUR_MS, START_MS, History
from tests.integration.oracle import assert_equals_simulate
from tests.integration.replaying import inputs_by_time, printed, replay_command
from tests.integration.test_worker_equals_simulate import Activities

pytestmark = pytest.mark.broker

MEMBERS = 40
DAYS = 40
BACKFILL = ("--order", "event-time")
STEPS = itertools.cycle(("promoted", "produced", "committing"))


def lives(seed):
    """Activities of all members in order of time; on the last day everybody is there, so that no timer is left due."""
    rnd, active = random.Random(seed), Activities()
    instants = sorted(
        (START_MS + rnd.randrange(DAYS * 24) * HOUR_MS, f"m{rnd.randrange(MEMBERS)}") for _ in range(400)
    )
    instants += [(START_MS + DAYS * DAY_MS, f"m{number}") for number in range(MEMBERS)]
    return [active.of(member, at_ms) for at_ms, member in instants]


@pytest.fixture
def decided_otherwise(deploy):
    """A deployment whose workers have decided half a history under other playbooks; and the other half."""
    deployment = deploy()
    folder = deployment.folder / "playbooks"
    folder.mkdir()
    (folder / "re-engager.toml").write_text('kind = "reengager"\n[inactivity]\nafter = "2d"\n')
    records = lives(21)
    deployment.produce(records[:220])
    deployment.more["REENGAGE_PLAYBOOKS"] = str(folder)
    deployment.drain()
    del deployment.more["REENGAGE_PLAYBOOKS"]
    return deployment, records[220:]


def decisions(lines):
    return sorted(
        line for line in lines if json.loads(line)["topic"] not in ("member-snapshot", "dead-letter")
    )


def simulated(deployment):
    found = simulate(inputs_by_time(deployment), load_playbooks(deployment.settings().playbooks))
    return decisions(format_record(each.topic, each) for each in found.outputs)


def assert_no_gap_and_no_double(lines):
    sequences = defaultdict(list)
    for line in map(json.loads, lines):
        sequences[line["member_id"]].append(line["sequence"])
    for member, found in sequences.items():
        assert sorted(found) == list(range(1, len(found) + 1)), member


def test_promoted_under_load_and_killed_again_and_again_it_is_as_if_it_had_always_been_so(decided_otherwise):
    """The live outputs are those of the right playbooks, each once, and the worker goes on where the replay ended."""
    deployment, coming = decided_otherwise
    assert replay_command(deployment, "backfill-", *BACKFILL)[0] == 0
    backfilled = decisions(printed(deployment, "backfill-"))
    assert backfilled != decisions(printed(deployment, ""))
    for kill in itertools.count(1, 3):
        deployment.produce(coming[:10])
        del coming[:10]
        faults = Faults(crash_at=next(STEPS), crash_after=kill)
        code, _, said = replay_command(deployment, "backfill-", *BACKFILL, "--promote", faults=faults)
        if code == 0:
            break
        assert code == -signal.SIGKILL, said
    assert kill > 5
    assert decisions(printed(deployment, "")) == backfilled
    deployment.produce(coming)
    deployment.drain()
    lines = decisions(printed(deployment, ""))
    assert_no_gap_and_no_double(lines)
    assert lines == simulated(deployment)


def test_a_worker_does_not_start_on_what_is_promoted_in_part(decided_otherwise):
    deployment, _ = decided_otherwise
    faults = Faults(crash_at="promoted", crash_after=6)
    assert (
        replay_command(deployment, "backfill-", *BACKFILL, "--promote", faults=faults)[0] == -signal.SIGKILL
    )
    worker = deployment.start_worker("--until-drained")
    assert worker.exit_code() == 2
    assert "unfinished-promotion" in worker.log()
    code, _, said = replay_command(deployment, "backfill-", *BACKFILL)
    assert (code, "unfinished-promotion" in said) == (2, True)
    deployment.expel_dead_workers()
    code, _, said = replay_command(deployment, "backfill-", *BACKFILL, "--promote")
    assert code == 0, said
    deployment.drain()


def test_it_is_refused_while_a_worker_runs_and_a_dry_run_says_what_it_would_do(decided_otherwise):
    deployment, _ = decided_otherwise
    worker = deployment.start_worker()
    worker.wait_until_ready()
    code, out, said = replay_command(deployment, "backfill-", *BACKFILL, "--promote", "--dry-run")
    assert (code, "workers-running" in said, "members-1" in out) == (2, True, True)
    worker.stop()
    before = printed(deployment, "")
    code, out, said = replay_command(deployment, "backfill-", *BACKFILL, "--promote", "--dry-run")
    assert (code, printed(deployment, "")) == (0, before), said


def test_promoted_once_it_is_not_promoted_again(decided_otherwise):
    deployment, coming = decided_otherwise
    assert replay_command(deployment, "backfill-", *BACKFILL, "--promote")[0] == 0
    deployment.produce(coming)
    deployment.drain()
    lines = printed(deployment, "")
    code, _, said = replay_command(deployment, "backfill-", *BACKFILL, "--promote")
    assert (code, "promoted before" in said, printed(deployment, "")) == (0, True, lines)
    assert "error[promoted]" in replay_command(deployment, "backfill-", *BACKFILL, "--diff")[2]
    old = str(deployment.folder / "playbooks")
    said = replay_command(deployment, "journal-", "--order", "journal", "--playbooks", old)[2]
    assert "promoted-history" in said


def test_a_replay_of_the_journal_promoted_leaves_everything_as_it_was_and_the_worker_goes_on(deploy):
    deployment = deploy()
    records = list(History(23, records=900))
    deployment.produce(records[:600])
    deployment.drain()
    before = printed(deployment, "")
    assert replay_command(deployment, "again-", "--promote")[0] == 0
    assert printed(deployment, "") == before
    deployment.produce(records[600:])
    deployment.drain()
    assert_equals_simulate(deployment)
