"""High intent and companies in real workers: on what they recorded, `simulate` gives what they gave."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.domain.company_state import offset_ms, rank_of
from app.domain.crossings import CompanyUp
from app.domain.events import Activity, CompanyStatus
from app.wire.codec import Codec
from app.wire.partitioner import murmur2_partition
from tests.integration.deployment import Deployment, Sent, until
from tests.integration.faults import FEW, Faults
from tests.integration.history import HOUR_MS, START_MS
from tests.integration.intent_history import RELEASE_MS, IntentHistory, write_playbooks
from tests.integration.oracle import assert_equals_simulate, remade
from tests.integration.sending import one_of_each_partition

pytestmark = pytest.mark.broker

MINUTE_MS = 60_000
WAITING = 60
CODEC = Codec()


@pytest.fixture
def playbooks(tmp_path: Path) -> str:
    return write_playbooks(tmp_path / "playbooks")


def test_a_drained_worker_has_put_out_what_simulate_gives(deploy, playbooks, monkeypatch):
    deployment = deploy(REENGAGE_PLAYBOOKS=playbooks)
    deployment.produce(IntentHistory(1, records=4_000))
    deployment.drain()
    assert_equals_simulate(deployment)
    outputs = [json.loads(line) for line in deployment.outputs()]
    resolutions = {line["resolution"] for line in outputs if line["topic"] == "workflow-resolved"}
    assert resolutions == {"converted", "expired", "merged", "forgotten"}
    assert any(line.get("attributed_nudge") for line in outputs)
    segments = {line["template"] for line in outputs if line["topic"] == "nudge"}
    assert {"known_error:maintenance", "unknown_exit", "multiple_attempts"} <= segments

    inputs = deployment.merged_inputs()
    recorded = Counter(answer_of(json.loads(line)) for line in inputs if f'"{CompanyUp.topic}"' in line)
    assert len(recorded) > 50
    assert recorded == Counter(answer_of(line) for line in remade(inputs, playbooks, CompanyUp, monkeypatch))


@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_a_crash_at_each_step_of_a_commit_loses_and_repeats_nothing(deploy, playbooks, guarantee):
    deployment = deploy(REENGAGE_PLAYBOOKS=playbooks, REENGAGE_GUARANTEE=guarantee)
    deployment.produce(IntentHistory(2, records=1_500))
    deployment.crash_at_each_step(guarantee)
    deployment.drain(faults=Faults(**FEW))
    assert_equals_simulate(deployment, repeats=guarantee == "at_least_once")


def test_killed_in_the_middle_of_a_release_each_is_released_once_at_its_own_instant(deploy, playbooks):
    deployment = deploy(partitions=3, REENGAGE_PLAYBOOKS=playbooks)
    members = [f"m{number}" for number in range(WAITING)]
    home = murmur2_partition(b"acme", 3)
    assert {murmur2_partition(member.encode(), 3) for member in members} == {0, 1, 2}
    deployment.produce([seen_maintenance(member) for member in members])
    deployment.produce([closed(member) for member in members])
    deployment.drain()
    up_ms = START_MS + HOUR_MS
    # What comes after it takes the company's partition on through the release, in steps of a few minutes.
    steps = [other_company(deployment, home, up_ms + minute * MINUTE_MS) for minute in range(2, 240, 2)]
    deployment.produce([status("acme", up_ms), *steps])
    assert sum(kill_in_the_release(deployment) for _ in range(3))
    deployment.drain()
    answers = [record for _, _, record in deployment.records(CompanyUp.topic)]
    told = {answer.member_id: answer.occurred_at for answer in answers}
    assert len(answers) == len(told) == WAITING
    assert told == {member: up_ms + offset_ms(rank_of(member), RELEASE_MS) for member in members}
    assert_equals_simulate(deployment)


def kill_in_the_release(deployment: Deployment) -> bool:
    """Kill a worker when it has released some more; whether it lived until then and left some waiting."""
    worker = deployment.start_worker("--until-drained", faults=Faults(batch=2, wakes=2, slice=4, cached=2))
    enough = len(deployment.records(CompanyUp.topic)) + 5
    until(
        lambda: len(deployment.records(CompanyUp.topic)) > enough or not worker.running,
        "a release",
    )
    lived = worker.running
    worker.kill()
    deployment.expel_dead_workers()
    return lived and len(deployment.records(CompanyUp.topic)) < WAITING


def seen_maintenance(member: str) -> Sent:
    attributes = {"name": "Viewed Under Maintenance Page", "company_id": "acme"}
    return sent(happened(member, "transact.interaction", START_MS, attributes), member)


def closed(member: str) -> Sent:
    return sent(happened(member, "transact.closed", START_MS + MINUTE_MS, {}), member)


def happened(member: str, kind: str, at_ms: int, attributes: dict[str, Any]) -> Activity:
    return Activity(
        event_id=f"{kind} {member}",
        member_id=member,
        occurred_at=at_ms,
        type=kind,
        channel="APP",
        attributes=attributes,
    )


def status(company: str, at_ms: int) -> Sent:
    record = CompanyStatus(
        event_id=f"{company} {at_ms}", company_id=company, occurred_at=at_ms, status="OPERATIONAL"
    )
    return sent(record, company)


def other_company(deployment: Deployment, partition: int, at_ms: int) -> Sent:
    """A record of some company of this partition that nobody waits for."""
    return status(one_of_each_partition("other", deployment.partitions)[partition], at_ms)


def sent(record: Activity | CompanyStatus, key: str) -> Sent:
    return Sent(record.topic, key.encode(), CODEC.encode(record))


def answer_of(line: dict[str, Any]) -> tuple[Any, ...]:
    names = "event_id", "occurred_at", "cause", "member_id", "company_id", "playbook", "workflow_id"
    return tuple(line[name] for name in names)
