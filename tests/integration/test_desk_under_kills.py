"""The last slots of a pool, wanted by members of every partition, while workers are killed with SIGKILL."""

import json
from collections import Counter
from typing import Any

import pytest

from app.domain.events import Activity, PoolCapacity
from app.wire.codec import Codec
from tests.integration.deployment import Deployment, Sent, Worker, until
from tests.integration.faults import Faults
from tests.integration.history import DAY_MS, HOUR_MS, START_MS
from tests.integration.oracle import assert_equals_simulate

pytestmark = pytest.mark.broker

PARTITIONS = 3
MEMBERS = 90
SLOTS = 7
PLAYBOOK = f"""
kind = "reengager"
[transfer]
slots_per_day = {SLOTS}
time_zone = "UTC"
"""
FEW = Faults(batch=6, wakes=3, slice=4, cached=8)
CODEC = Codec()


@pytest.fixture
def deployment(deploy) -> Deployment:
    deployment: Deployment = deploy(partitions=PARTITIONS)
    folder = deployment.folder / "playbooks"
    folder.mkdir()
    (folder / "re-engager.toml").write_text(PLAYBOOK)
    deployment.more["REENGAGE_PLAYBOOKS"] = str(folder)
    return deployment


def happened(kind: str, member: str, at_ms: int) -> Sent:
    record = Activity(
        event_id=f"{kind} {member}", member_id=member, occurred_at=at_ms, type=kind, channel="APP"
    )
    return Sent(record.topic, member.encode(), CODEC.encode(record))


def capacity(slots: int, at_ms: int) -> Sent:
    record = PoolCapacity(
        event_id=f"capacity {at_ms}", pool="default", occurred_at=at_ms, slots_per_day=slots
    )
    return Sent(record.topic, b"default", CODEC.encode(record))


def records(deployment: Deployment, topic: str) -> list[dict[str, Any]]:
    return [line for text in deployment.outputs() if (line := json.loads(text))["topic"] == topic]


def transferred(deployment: Deployment) -> Counter[str]:
    """How often each member was transferred."""
    return Counter(line["member_id"] for line in records(deployment, "workflow-resolved"))


def test_slots_given_never_exceed_capacity_and_nobody_waiting_is_lost_or_served_twice(deployment):
    members = [f"member-{number}" for number in range(MEMBERS)]
    kill_while(deployment, [happened("article.read", member, START_MS) for member in members])
    kill_while(deployment, [happened("setup.completed", member, START_MS + HOUR_MS) for member in members])
    first = transferred(deployment)
    assert first.total() == len(first) == SLOTS
    failed = records(deployment, "transfer-failed")
    assert {line["member_id"] for line in failed} == set(members) - set(first)
    assert {(line["attempts"], line["final"]) for line in failed} == {(1, False)}

    kill_while(deployment, [capacity(SLOTS + 5, START_MS + 2 * HOUR_MS)])
    raised = transferred(deployment)
    assert raised.total() == len(raised) == SLOTS + 5

    # The resets of two days are due by the instant of this word, which changes nothing itself.
    kill_while(deployment, [capacity(SLOTS + 5, START_MS + 2 * DAY_MS)])
    after = transferred(deployment)
    assert after.total() == len(after) == 3 * (SLOTS + 5)
    final = Counter(line["member_id"] for line in records(deployment, "transfer-failed") if line["final"])
    assert final.total() == len(final) == MEMBERS - 3 * (SLOTS + 5)
    assert not final.keys() & after.keys()
    assert_equals_simulate(deployment)


def kill_while(deployment: Deployment, sent: list[Sent]) -> None:
    """Two workers work on this; each is killed once something more was committed, and a third one finishes."""
    deployment.produce(sent)
    workers = [
        deployment.start_worker("--until-drained", data=name, faults=FEW) for name in ("data", "other")
    ]
    for worker in workers:
        kill_after_a_commit(deployment, worker)
    deployment.drain(faults=FEW)


def kill_after_a_commit(deployment: Deployment, worker: Worker) -> None:
    before = deployment.commits()
    until(lambda: deployment.commits() > before or not worker.running, "a commit")
    worker.kill()
    deployment.expel_dead_workers()
