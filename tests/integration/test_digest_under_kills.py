"""One owner's engagements go off track at one instant on every partition, while workers are killed with SIGKILL."""

import json
from typing import Any

import pytest

from app.domain.events import Activity, EngagementEvent
from app.domain.outputs import Nudge
from app.wire.codec import Codec
from app.wire.partitioner import murmur2_partition
from tests.integration.deployment import Deployment, Sent, Worker, until
from tests.integration.faults import Faults
from tests.integration.history import DAY_MS, HOUR_MS, START_MS
from tests.integration.oracle import assert_equals_simulate, assert_in_place_and_order
from tests.integration.sending import one_of_each_partition

pytestmark = pytest.mark.broker

PARTITIONS = 3
MEMBERS = 90
BACK = 12
"""How many are back on track before the digest is due."""

PLAYBOOK = 'kind = "progress"\ntemplates.weekly = { threshold = "1w" }\n'
FEW = Faults(batch=6, wakes=3, slice=4, cached=8)
CODEC = Codec()
OFF_MS = START_MS + 7 * DAY_MS
MINUTE_MS = HOUR_MS // 60


@pytest.fixture
def deployment(deploy) -> Deployment:
    deployment: Deployment = deploy(partitions=PARTITIONS)
    folder = deployment.folder / "playbooks"
    folder.mkdir()
    (folder / "progress.toml").write_text(PLAYBOOK)
    deployment.more["REENGAGE_PLAYBOOKS"] = str(folder)
    return deployment


def said(kind: str, member: str, at_ms: int, **fields: Any) -> Sent:
    record = EngagementEvent(
        event_id=f"{kind} {member} {at_ms}",
        member_id=member,
        occurred_at=at_ms,
        engagement_id=f"of-{member}",
        type=kind,
        **fields,
    )
    return Sent(record.topic, member.encode(), CODEC.encode(record))


def started(member: str, at_ms: int) -> list[Sent]:
    """An engagement of the owner `o1` that is off track a week later."""
    return [
        said("LAUNCHED", member, at_ms, template="weekly", owner_id="o1", coach_id="k1"),
        said("ACTIVATED", member, at_ms),
    ]


def time_passes(at_ms: int) -> list[Sent]:
    """A word of somebody on each partition, who has nothing to do with it."""
    return [
        Sent(
            Activity.topic,
            name.encode(),
            CODEC.encode(
                Activity(
                    event_id=f"{name} {at_ms}",
                    member_id=name,
                    occurred_at=at_ms,
                    type="article.read",
                    channel="WEB",
                )
            ),
        )
        for name in one_of_each_partition("other", PARTITIONS)
    ]


def sent_to_owner(deployment: Deployment) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in deployment.outputs()]
    return [line for line in lines if line["topic"] == Nudge.topic and line["recipient_role"] == "OWNER"]


def test_they_are_in_one_nudge_and_none_is_lost_or_there_twice(deployment):
    members = [f"member-{number}" for number in range(MEMBERS)]
    partitions = {murmur2_partition(member.encode(), PARTITIONS) for member in members}
    assert len(partitions) == PARTITIONS
    # One more, an hour later: the owner's time comes to the digest with it, and it is not in that.
    starts = [*((member, START_MS) for member in members), ("late", START_MS + HOUR_MS)]
    deployment.produce(sent for start in starts for sent in started(*start))
    deployment.drain()
    # All of them cross at the same instant.
    kill_while(deployment, time_passes(OFF_MS + MINUTE_MS))
    assert sent_to_owner(deployment) == []

    back = members[:BACK]
    scheduled = {"session_id": "s1", "session_at": OFF_MS + DAY_MS}
    kill_while(
        deployment, [said("SESSION_SCHEDULED", each, OFF_MS + 5 * MINUTE_MS, **scheduled) for each in back]
    )
    assert sent_to_owner(deployment) == []

    kill_while(deployment, time_passes(OFF_MS + 2 * HOUR_MS))
    (nudge,) = sent_to_owner(deployment)
    assert nudge["occurred_at"] == "2025-01-13T00:15:00.000Z"
    assert nudge["context"] == {
        "count": str(MEMBERS - BACK),
        "engagements": ",".join(sorted(f"of-{member}" for member in members[BACK:])),
    }
    assert_equals_simulate(deployment)
    assert_in_place_and_order(deployment)


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
