"""A cluster that holds its clients back by quotas: everything takes longer, and nothing else is different."""

import asyncio
import json
from typing import Any

import pytest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String

from app.broker.topics import admin_client
from app.service.worker import free_port
from tests.integration.deployment import Sent, until
from tests.integration.faults import Faults
from tests.integration.history import DAY_MS, START_MS
from tests.integration.oracle import assert_equals_simulate
from tests.integration.sending import activity, profile
from tests.integration.watching import health, metric

pytestmark = pytest.mark.broker

_ENTITY = Array(("entity_type", String()), ("entity_name", String()))


class _AlterQuotasResponse(Response):
    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("entries", Array(("error_code", Int16), ("error_message", String()), ("entity", _ENTITY))),
    )


class _AlterQuotasStruct(RequestStruct):
    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = _AlterQuotasResponse
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", _ENTITY),
                ("ops", Array(("key", String()), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


class _AlterQuotas(Request[_AlterQuotasStruct]):
    """Sets a quota of a client id."""

    API_KEY = 49

    def __init__(self, client_id: str, key: str, value: float | None) -> None:
        self._entry = ([("client-id", client_id)], [(key, value or 0.0, value is None)])

    def build(self, request_struct_class: type[_AlterQuotasStruct]) -> _AlterQuotasStruct:
        return request_struct_class([self._entry], False)


def set_quota(deployment: Any, key: str, value: float | None) -> None:
    async def alter() -> None:
        async with admin_client({"bootstrap_servers": deployment.broker}) as admin:
            answer = await admin._send_request(_AlterQuotas(deployment.settings().app, key, value))
            assert [entry[0] for entry in answer.entries] == [0], answer

    asyncio.run(alter())


def day_of(number: int, members: int) -> list[Sent]:
    """What comes on one day: much of one input, and a little of another."""
    records = []
    for each in range(members):
        member, at_ms = f"m{each}", START_MS + number * DAY_MS + each
        records.append(activity(member, at_ms, f"{number}-a{each}", text="x" * 1_500))
        if each % 7 == number % 7:
            records.append(profile(member, at_ms, f"{number}-p{each}", owner_id=f"o{number}"))
    return records


@pytest.mark.parametrize(
    ("key", "bytes_per_s", "what"),
    [("consumer_byte_rate", 80_000.0, "reading"), ("producer_byte_rate", 20_000.0, "writing")],
)
def test_a_worker_that_the_cluster_holds_back_does_all_the_same(deploy, key, bytes_per_s, what):
    deployment = deploy(partitions=1)
    days = [day_of(number, members=50) for number in range(15)]
    set_quota(deployment, key, bytes_per_s)
    faults = Faults(batch=40, buffered=200_000)
    worker = deployment.start_worker("--port", str(port := free_port()), faults=faults)
    worker.wait_until_ready()
    for day in days:
        deployment.produce(day)
    count = sum(map(len, days))
    seen = set()

    def all_applied():
        seen.add(health(port)["status"])
        return metric(port, "reengage_records_applied_total", processor="members") == count

    until(all_applied, "all")
    assert "cut off" not in seen
    assert metric(port, "reengage_throttled_seconds_total", what=what) > 0
    assert metric(port, "reengage_partition_failures_total") == 0
    worker.stop()
    set_quota(deployment, key, None)
    deployment.drain()
    lines = [json.loads(line) for line in deployment.merged_inputs()]
    taken = [int(line["event_id"].partition("-")[0]) for line in lines if "event_id" in line]
    assert taken == sorted(taken)
    assert_equals_simulate(deployment)


@pytest.mark.soak
def test_what_a_log_gets_at_once_goes_into_one_request(deploy):
    """Larger transactions would wait for the quota in their middle, longer than they may take, again and again."""
    deployment = deploy(partitions=1)
    set_quota(deployment, "producer_byte_rate", 20_000.0)
    deployment.produce(
        [profile(f"m{each}", START_MS + each, f"p{each}", email="x" * 3_000) for each in range(1_000)]
    )
    worker = deployment.start_worker("--port", str(port := free_port()))
    until(lambda: metric(port, "reengage_records_applied_total", processor="members") == 1_000, "all", 500.0)
    # The first that meets the quota does not know of it yet.
    assert metric(port, "reengage_partition_failures_total") <= 1
    worker.stop()
    set_quota(deployment, "producer_byte_rate", None)
    assert_equals_simulate(deployment)
