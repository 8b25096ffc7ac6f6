"""What a worker says of itself while its cluster does not answer: not that all is well, and nothing hasty."""

import urllib.error
import urllib.request

import pytest
from msgspec.structs import replace

from app.service.worker import free_port
from tests.integration.deployment import until
from tests.integration.faults import Faults
from tests.integration.history import History
from tests.integration.watching import health, metric, page

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("mended")]

SESSION_MS = 1_500
SHORT = Faults(heartbeat_ms=200, session_ms=SESSION_MS)
PATIENT = replace(SHORT, session_ms=30_000)
"""So long no broker takes for a restart."""

PARTITIONS = 8
"""Of all processors: two of each."""


@pytest.fixture(scope="module")
def broker(own):
    """What deployments of this file are made on."""
    return own.address()


def begun(deployment, faults):
    """The port of a worker that is at work, and has something behind it."""
    worker = deployment.start_worker("--port", str(port := free_port()), faults=faults)
    worker.wait_until_ready()
    deployment.produce(History(71, records=100))
    until(lambda: is_caught_up(port), "a worker that is well")
    return port


def is_caught_up(port):
    report = health(port)
    lags = {each["lag"] for each in report.get("partitions", ())}
    return report.get("status") == "ready" and lags == {0} and len(report["partitions"]) == PARTITIONS


def http_status(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as unavailable:
        return unavailable.code


@pytest.mark.parametrize(("hurt", "mend"), [("kill", "start"), ("pause", "resume")])
def test_a_worker_whose_broker_is_gone_says_so_until_it_answers_again(own, deploy, hurt, mend):
    port = begun(deploy(), SHORT)
    assert metric(port, "reengage_group_silence_seconds") * 1_000 < SESSION_MS
    getattr(own, hurt)()
    until(lambda: health(port)["status"] == "cut off", "a worker that says it is cut off")
    assert http_status(port) == 503
    assert {each["lag"] for each in health(port)["partitions"]} == {None}
    assert "reengage_lag_records{" not in page(port, "metrics")
    assert metric(port, "reengage_group_silence_seconds") * 1_000 > SESSION_MS
    assert metric(port, "reengage_partitions") == 0

    getattr(own, mend)()
    until(lambda: is_caught_up(port), "a worker that is well again")
    assert http_status(port) == 200
    assert metric(port, "reengage_group_silence_seconds") * 1_000 < SESSION_MS
    until(lambda: metric(port, "reengage_partitions", phase="ready") == PARTITIONS, "all its partitions")


@pytest.mark.parametrize("hurt", ["kill", "stop"])
def test_a_broker_that_is_restarted_within_the_session_cuts_nobody_off(own, deploy, hurt):
    """The group may be joined anew meanwhile, which is said as ever."""
    port = begun(deploy(), PATIENT)
    seen = set()

    def is_well():
        seen.add(health(port)["status"])
        return is_caught_up(port)

    getattr(own, hurt)()
    assert health(port)["status"] == "ready"
    own.start()
    until(is_well, "a worker that is well again")
    assert seen <= {"ready", "joining", "not ready"}
