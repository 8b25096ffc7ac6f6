"""The Faust app: agents, web server and the worker's life, with Kafka left to the intake."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from app.runtime.hosting.app import App
from app.runtime.processor import Processor
from tests.runtime.conftest import ThingCore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from app.runtime.processor import Host

PROCESSORS = [
    Processor(name=name, inputs=(), key_field="member_id", rerouted="", make_core=ThingCore)
    for name in ("members", "desk")
]


class FakePartition:
    """Notes what its agent hands it."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self.accepted: list[tuple[int, list[Any]]] = []
        self.got_one = asyncio.Event()

    def accept(self, lease: int, batch: list[Any]) -> None:
        self.accepted.append((lease, batch))
        self.got_one.set()


class FakeIntake:
    """Stands where the intake does; tells when it runs and how it ended."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.ended_by: type[BaseException] | None = None
        self.failure: BaseException | None = None

    async def run(self) -> None:
        self.running.set()
        if self.failure is not None:
            raise self.failure
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ended_by = asyncio.CancelledError
            raise


@pytest.fixture
async def make_app(make_host: Callable[..., Host], tmp_path: Path) -> AsyncIterator[Callable[..., App]]:
    """Apps whose intake is fake; those that run are stopped in the end."""
    made: list[App] = []

    def make(*, web_port: int = 0) -> App:
        app = App(
            make_host(client_options={"bootstrap_servers": "127.0.0.1:1"}),
            PROCESSORS,
            folder=tmp_path / "faust",
            web_port=web_port,
            on_progress=lambda *_: None,
            consumer_options={},
        )
        app.intake: Any = FakeIntake()
        made.append(app)
        return app

    yield make
    for app in made:
        if app.started:
            await app.stop()


async def test_a_batch_reaches_its_partition_through_the_processors_agent(make_app: Callable[..., App]):
    app = make_app()
    await app.start()
    members, desk = FakePartition(PROCESSORS[0]), FakePartition(PROCESSORS[1])
    await app._deliver(members, 1, ["a"])
    await app._deliver(desk, 2, ["b"])
    await app._deliver(members, 3, ["c"])
    async with asyncio.timeout(20):
        await desk.got_one.wait()
        while len(members.accepted) < 2:
            members.got_one.clear()
            await members.got_one.wait()
    assert members.accepted == [(1, ["a"]), (3, ["c"])]
    assert desk.accepted == [(2, ["b"])]


async def test_the_intake_runs_from_start_to_stop(make_app: Callable[..., App]):
    app = make_app()
    assert not app.intake.running.is_set()
    await app.start()
    async with asyncio.timeout(20):
        await app.intake.running.wait()
    await app.stop()
    assert app.intake.ended_by is asyncio.CancelledError


async def test_an_intake_that_fails_says_why_and_the_app_can_still_be_stopped(make_app: Callable[..., App]):
    app = make_app()
    app.intake.failure = RuntimeError("no topics")
    await app.start()
    async with asyncio.timeout(20):
        await asyncio.wait({app.intake_task})
    with pytest.raises(RuntimeError, match="no topics"):
        app.intake_task.result()
    await app.stop()


async def test_faust_brings_no_kafka_and_no_tables_of_its_own(make_app: Callable[..., App]):
    app = make_app()
    services = {type(service).__name__ for service in app.boot_strategy.server()}
    assert services == {"AgentManager"}
    assert not app.conf.web_enabled


async def test_the_web_server_listens_where_it_is_told(make_app: Callable[..., App]):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = make_app(web_port=port)
    await app.start()
    async with asyncio.timeout(20):
        reader, writer = await _connect(port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        answer = await reader.readline()
        writer.close()
    assert answer.startswith(b"HTTP/1.")
    assert app.conf.web_host == "127.0.0.1"


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection, as soon as somebody listens."""
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
