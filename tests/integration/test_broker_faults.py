"""The broker fails under load: killed and started again, or frozen until everybody's time is up. Nothing is lost or doubled.

It is a broker of this file's own, with times short enough that a test sees them run out.
"""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec.structs import replace

from app.wire.topics import JOURNAL
from tests.integration.deployment import until
from tests.integration.faults import Faults
from tests.integration.freezing import revive, wait_until_frozen
from tests.integration.history import History
from tests.integration.load import Load, endless
from tests.integration.oracle import assert_equals_simulate
from tests.integration.states import assert_folder_holds_the_changelog

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("mended")]

SESSION_MS = 1_500
TRANSACTION_MS = 1_500
BEYOND_S = 4.0
"""So long a broker is frozen that sessions and transactions have run out; it looks at transactions every second."""

QUICK = Faults(
    batch=20,
    wakes=3,
    slice=4,
    cached=8,
    # So that a transaction is open most of the time.
    slow_ms=60,
    heartbeat_ms=200,
    session_ms=SESSION_MS,
    transaction_ms=TRANSACTION_MS,
)
GUARANTEES = ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.soak)]


@pytest.fixture(scope="module")
def broker(own):
    """What deployments of this file are made on."""
    return own.address()


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_broker_that_is_killed_and_started_again_under_load_loses_and_doubles_nothing(
    own, deploy, guarantee
):
    def restart():
        own.kill()
        own.start()

    under_load(deploy(partitions=2, REENGAGE_GUARANTEE=guarantee), restart, times=2)


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_broker_frozen_until_sessions_and_transactions_have_run_out_loses_and_doubles_nothing(
    own, deploy, guarantee
):
    def freeze():
        own.pause()
        time.sleep(BEYOND_S)
        own.resume()

    under_load(deploy(partitions=2, REENGAGE_GUARANTEE=guarantee), freeze, times=1)


@pytest.mark.soak
def test_a_worker_whose_transaction_ran_out_while_it_was_frozen_does_its_batch_again(deploy):
    """Nobody has taken over: it is the broker who has ended what the worker believes to have open."""
    deployment = deploy(partitions=1)
    deployment.produce(History(32, records=600, partitions=1))
    worker = deployment.start_worker(faults=replace(QUICK, crash_at="produced", crash_after=4, freeze=True))
    wait_until_frozen(worker)
    assert journal_ends(deployment, "read_committed") < journal_ends(deployment, "read_uncommitted")
    until(
        lambda: journal_ends(deployment, "read_committed") == journal_ends(deployment, "read_uncommitted"),
        "the end of the transaction",
    )
    revive(worker)
    deployment.wait_for_commits(3)
    assert "is broken and will be opened again" in worker.log()
    worker.stop()
    deployment.drain()
    assert_equals_simulate(deployment)
    assert_folder_holds_the_changelog(deployment)


def journal_ends(deployment, isolation):
    """Where the journal ends; read committed, before the first open transaction."""

    async def measure():
        where = TopicPartition(f"{deployment.prefix}{JOURNAL}", 0)
        async with AIOKafkaConsumer(
            bootstrap_servers=deployment.broker, isolation_level=isolation
        ) as consumer:
            return (await consumer.end_offsets([where]))[where]

    return asyncio.run(measure())


def under_load(deployment, hurt, *, times, faults=QUICK):
    """Two workers at work while the broker is hurt; they go on by themselves, and everything is compared."""
    workers = [deployment.start_worker(data=name, faults=faults) for name in ("one", "two")]
    for worker in workers:
        worker.wait_until_ready()
    with Load(deployment, endless(31, partitions=2)):
        for _ in range(times):
            deployment.wait_for_commits(6)
            hurt()
        deployment.wait_for_commits(6)
    for worker in workers:
        worker.stop()
    deployment.drain()
    assert_equals_simulate(deployment, repeats=deployment.settings().guarantee == "at_least_once")
    assert_folder_holds_the_changelog(deployment)


@pytest.mark.soak
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_a_broker_is_killed_and_frozen_again_and_again(own, deploy, guarantee):
    """Twenty times, in turn: away for a moment, frozen for less than a session, and for longer than a transaction."""
    seconds = iter([0.0, 1.0, BEYOND_S, 2.0] * 5)

    def hurt():
        if not (frozen_s := next(seconds)):
            own.kill()
            own.start()
            return
        own.pause()
        time.sleep(frozen_s)
        own.resume()

    deployment = deploy(partitions=2, REENGAGE_GUARANTEE=guarantee)
    under_load(deployment, hurt, times=20)


@pytest.mark.soak
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_a_broker_frozen_for_longer_than_the_real_timeouts_is_waited_for(own, deploy, guarantee):
    """Sessions of 10 s, transactions of 30 s, as workers have them; and then some, for the answers that come too late."""

    def freeze():
        own.pause()
        time.sleep(50)
        own.resume()

    real = Faults(batch=20, wakes=3, slice=4, cached=8, slow_ms=60)
    deployment = deploy(partitions=2, REENGAGE_GUARANTEE=guarantee)
    under_load(deployment, freeze, times=1, faults=real)
