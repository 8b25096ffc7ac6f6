"""What tests share: one real Kafka a session, names of their own on it, and waiting without sleeping."""

import asyncio
import itertools
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from docker.errors import DockerException
from hypothesis import HealthCheck, settings
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from app.broker.distribution import KAFKA_VERSION
from app.broker.embedded import EmbeddedBroker
from app.broker.properties import server_properties

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every process they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test asserts how long something takes: beside other work an example of a millisecond can take a second.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

SESSION = f"test-{uuid.uuid4().hex[:8]}-"
_numbers = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for the session's broker is marked `broker`, so that all the others can be run without one."""
    for item in items:
        if "broker" in getattr(item, "fixturenames", ()):
            item.add_marker("broker")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real Kafka for the session: REENGAGE_BROKER, else in a container, else embedded."""
    configured = os.environ.get("REENGAGE_BROKER")
    if configured:
        yield configured
        asyncio.run(_delete_topics_of_session(configured))
        return
    try:
        container, address = _start_container()
    except (DockerException, TimeoutError):
        with EmbeddedBroker(tmp_path_factory.mktemp("broker")) as embedded:
            yield embedded.address()
        return
    yield address
    container.stop()


@pytest.fixture
def topic_prefix() -> str:
    """A topic prefix no other test has."""
    return f"{SESSION}{next(_numbers)}-"


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Waits until a condition holds, and fails when it does not within `timeout_s`."""

    def wait(condition: Callable[[], object], timeout_s: float = 20) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "what was waited for did not happen"
            time.sleep(0.02)

    return wait


@pytest.fixture
def ended() -> Callable[[int], bool]:
    """Whether a process has ended; one that nobody has collected yet has."""

    def has_ended(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return has_ended


def _start_container() -> tuple[DockerContainer, str]:
    """Kafka in a container, set as the embedded one is, and its address; DockerException where no engine answers."""
    docker.from_env(timeout=3).ping()
    container = DockerContainer(f"apache/kafka:{KAFKA_VERSION}")
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    address = f"{container.get_container_host_ip()}:{port}"
    # The broker reaches itself at PLAINTEXT, inside; clients reach it at HOST, through the mapped port.
    settings = server_properties(
        node_id=1,
        data=Path("/tmp/kafka"),  # noqa: S108  inside the container
        ports={"PLAINTEXT": 9092, "CONTROLLER": 9093, "HOST": 9094},
        protocols={"HOST": "PLAINTEXT"},
        extra={
            "listeners": "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093,HOST://0.0.0.0:9094",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:9092,HOST://{address}",
        },
    )
    for name, value in settings.items():
        container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
    container.with_bind_ports(9094, port)
    container.waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    return container.start(), address


async def _delete_topics_of_session(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        ours = [name for name in await admin.list_topics() if name.startswith(SESSION)]
        if ours:
            await admin.delete_topics(ours)
    finally:
        await admin.close()
