"""Inputs that do not keep pace with each other: one busy among idle ones, one that stands still, one that is days late,
and another producer's transaction left open. Nothing is lost, the order is that of arrival, and memory stays bounded.
"""

import asyncio
import json
import threading
from contextlib import contextmanager

import pytest
from aiokafka import AIOKafkaProducer

from app.domain.events import ScoreCommand
from app.service.worker import free_port
from tests.integration.deployment import Sent, until
from tests.integration.faults import Faults
from tests.integration.history import DAY_MS, HOUR_MS, START_MS, History
from tests.integration.oracle import assert_equals_simulate
from tests.integration.sending import CODEC, activity, profile
from tests.integration.watching import metric

pytestmark = pytest.mark.broker


def score(member, at_ms, event_id):
    record = ScoreCommand(event_id=event_id, member_id=member, occurred_at=at_ms, operation="ADD", points=1)
    return Sent("score", member.encode(), CODEC.encode(record))


def order_taken(deployment):
    """The event ids of the inputs, in the order in which the worker took them."""
    lines = [json.loads(line) for line in deployment.merged_inputs()]
    return [line["event_id"] for line in lines if "event_id" in line]


def test_one_busy_input_among_idle_ones_is_worked_off_while_it_is_filled(deploy):
    """The six others are known to be empty by every fetch: no record waits for one of them to get something."""
    deployment = deploy(partitions=1)
    worker = deployment.start_worker("--port", str(port := free_port()))
    worker.wait_until_ready()
    ended = threading.Event()
    slices = 0

    def fill():
        nonlocal slices
        while not ended.is_set():
            at_ms = START_MS + slices * HOUR_MS
            deployment.produce(activity(f"m{n}", at_ms, f"e{slices}-{n}") for n in range(200))
            slices += 1

    filling = threading.Thread(target=fill)
    filling.start()
    try:
        until(
            lambda: metric(port, "reengage_records_applied_total", processor="members") >= 1_000, "progress"
        )
    finally:
        ended.set()
        filling.join()
    worker.stop()
    deployment.drain()
    assert len(order_taken(deployment)) == slices * 200
    assert_equals_simulate(deployment)


def test_while_one_input_stands_still_the_others_wait_in_bounded_memory(deploy):
    """Fetches of `profile` are answered late. What came before its records is taken before them, and not sooner."""
    deployment = deploy(partitions=1)
    faults = Faults(buffered=60_000, withheld="profile", withheld_takes=150)
    worker = deployment.start_worker(faults=faults)
    worker.wait_until_ready()
    for number in range(4):
        at_ms = START_MS + number * DAY_MS
        deployment.produce([profile(f"p{number}", at_ms, f"{number}-profile")])
        deployment.produce(
            activity(f"m{n % 50}", at_ms + n, f"{number}-{n}", text="x" * 100) for n in range(400)
        )
        deployment.produce([score("m1", at_ms, f"{number}-score")])
    deployment.wait_for_output('"p3"')
    worker.stop()
    assert "full: activity" in worker.log()
    assert "overfed" not in worker.log()
    deployment.drain()
    taken = order_taken(deployment)
    assert [event_id.partition("-")[0] for event_id in taken] == sorted(
        event_id.partition("-")[0] for event_id in taken
    )
    assert taken[::402] == [f"{number}-profile" for number in range(4)]
    assert_equals_simulate(deployment)


@pytest.mark.soak
def test_a_source_that_is_days_late_moves_no_time_and_loses_no_fact(deploy):
    """Transfers come when what happened a week later has been applied."""
    deployment = deploy()
    history = list(History(81, records=800))
    worker = deployment.start_worker()
    late = []
    for start in range(0, len(history), 200):
        part = history[start : start + 200]
        deployment.produce([sent for sent in part if sent.topic != "transfer"] + late)
        late = [sent for sent in part if sent.topic == "transfer"]
    deployment.produce(late)
    worker.stop()
    deployment.drain()
    assert_equals_simulate(deployment)


@contextmanager
def open_transaction(deployment, records, timeout_ms=60_000):
    """Another system's transaction that has written these; ends it by commit when left."""
    loop = asyncio.new_event_loop()
    producer = None

    async def begin():
        nonlocal producer
        producer = AIOKafkaProducer(
            bootstrap_servers=deployment.broker,
            transactional_id=f"{deployment.prefix}foreign",
            transaction_timeout_ms=timeout_ms,
        )
        await producer.start()
        await producer.begin_transaction()
        for sent in records:
            await producer.send_and_wait(deployment.prefix + sent.topic, sent.value, sent.key, partition=0)

    loop.run_until_complete(begin())
    try:
        yield lambda: loop.run_until_complete(producer.commit_transaction())
    finally:
        loop.run_until_complete(producer.stop())
        loop.close()


def test_behind_an_open_transaction_of_another_producer_its_topic_waits_and_then_goes_on(deploy):
    """The other topics go on: what is not committed is not there. Committed, it is late and counts; given up, it never was."""
    deployment = deploy(partitions=1)
    worker = deployment.start_worker(faults=Faults(batch=20))
    worker.wait_until_ready()
    with open_transaction(deployment, [activity("held", START_MS, "held")]) as commit:
        deployment.produce([activity("behind", START_MS + DAY_MS, "behind")])
        deployment.produce([profile("beside", START_MS + DAY_MS, "beside")])
        deployment.wait_for_output('"beside"')
        assert not [line for line in deployment.outputs() if '"held"' in line or '"behind"' in line]
        commit()
        deployment.wait_for_output('"held"')
        deployment.wait_for_output('"behind"')
    with open_transaction(deployment, [activity("given-up", START_MS, "given-up")], timeout_ms=1_000):
        deployment.produce([activity("last", START_MS + 2 * DAY_MS, "last")])
        deployment.wait_for_output('"last"')
    worker.stop()
    deployment.drain()
    assert sorted(order_taken(deployment)) == ["behind", "beside", "held", "last"]
    assert order_taken(deployment).index("held") < order_taken(deployment).index("behind")
    assert_equals_simulate(deployment)


@pytest.mark.soak
def test_a_large_backlog_beside_an_input_that_stands_still_takes_no_more_memory_than_its_bound(deploy):
    """120 MB wait behind 4 MiB of buffer and 2 MiB of one fetch."""
    deployment = deploy(partitions=1)
    text = "x" * 1_000
    for number in range(12):
        at_ms = START_MS + number * HOUR_MS
        deployment.produce(activity(f"m{n % 500}", at_ms, f"{number}-{n}", text=text) for n in range(10_000))
    deployment.produce([profile("last", START_MS + DAY_MS, "last")])
    faults = Faults(withheld="profile", withheld_takes=400)
    worker = deployment.start_worker("--port", str(port := free_port()), faults=faults)
    worker.wait_until_ready()
    peak = 0.0

    def applied():
        nonlocal peak
        peak = max(peak, metric(port, "process_resident_memory_bytes"))
        return metric(port, "reengage_records_applied_total", processor="members") > 120_000

    for _ in range(5):
        try:
            until(applied, "all records")
            break
        except AssertionError:
            continue
    assert applied()
    assert peak < 400e6
    worker.stop()
