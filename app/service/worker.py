"""`reengage worker`: one process of the service, from settings to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from aiokafka.errors import UnknownTopicOrPartitionError
from rocksdict import Cache, WriteBufferManager

from app.broker.roles import worker_rights
from app.broker.topics import partition_counts, verify_topics
from app.domain.calendar import load_tables
from app.domain.errors import UserError, UserErrors
from app.playbooks.loader import load_playbooks
from app.runtime.hosting.app import App
from app.runtime.hosting.loop import Loop
from app.runtime.native import IS_COMPILED
from app.runtime.processor import Host
from app.runtime.refusals import REFUSALS
from app.service import garbage
from app.service.client import broker_errors, make_codec, names_of
from app.service.folder import held
from app.service.metrics import WorkerMetrics
from app.service.processors import processors
from app.service.web import add_pages
from app.wire.topics import RANK

if TYPE_CHECKING:
    from pathlib import Path

    from app.runtime.observer import Observer
    from app.runtime.partition import Partition
    from app.runtime.processor import Processor
    from app.service.settings import Settings
    from app.wire.codec import Codec

log = logging.getLogger(__name__)

CONSUMER_OPTIONS = {
    "session_timeout_ms": 10_000,
    "heartbeat_interval_ms": 500,
    "rebalance_timeout_ms": 30_000,
}
"""Half a second after the group's coordinator has missed a worker the others hear of it: the session timeout, that, and what is left
to restore are how long its partitions stand still.
"""


def run(settings: Settings, *, port: int | None = None, until_drained: bool = False) -> int:
    """Run a worker until it is told to stop (SIGINT, SIGTERM) or, with `until_drained`, has nothing left to do.

    Blocks. `settings.broker` must be set. Returns the exit code. Raises UserError or UserErrors for anything its user
    can put right: playbooks, topics, broker, state folder, port.
    """
    playbooks = load_playbooks(settings.playbooks)
    load_tables()
    web_port = free_port() if port is None else _usable(port)
    with held(settings.data) as folder, broker_errors(settings):
        garbage.begin()
        with asyncio.Runner(loop_factory=Loop) as runner:
            return runner.run(
                _serve(settings, processors(playbooks), folder, web_port, until_drained=until_drained)
            )


async def _serve(
    settings: Settings, running: list[Processor], folder: Path, port: int, *, until_drained: bool
) -> int:
    await _look_at_topics(settings)
    metrics = WorkerMetrics(settings.topic_prefix)
    host = await make_host(settings, folder, wall_clock=not until_drained, observer=metrics)
    app = App(
        host,
        running,
        folder=folder / "faust",
        web_port=port,
        on_progress=report_restore,
        consumer_options=CONSUMER_OPTIONS,
    )
    add_pages(app, metrics)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await app.start()
    log.info("worker of %s started, web on %s:%s", host.application, app.conf.web_host, app.conf.web_port)
    report_compiled()
    looking = asyncio.create_task(garbage.look_for_cycles(), name="garbage")
    try:
        return await _until_done(app, stop, until_drained=until_drained)
    except (*REFUSALS, UnknownTopicOrPartitionError):
        # A right was taken away meanwhile, or topics were deleted. Not all that is so was met; asked again, Kafka tells.
        await _look_at_topics(settings)
        raise
    finally:
        looking.cancel()
        await app.stop()


async def _look_at_topics(settings: Settings) -> None:
    """Raises UserErrors for every right on the cluster that is missing, else for every topic that is not as declared."""
    rights = worker_rights(names_of(settings), exactly_once=settings.guarantee == "exactly_once")
    errors = await verify_topics(settings.client_options(), settings.topic_prefix, rights)
    if errors:
        raise UserErrors(errors)


async def _until_done(app: App, stop: asyncio.Event, *, until_drained: bool) -> int:
    """0 when told to stop or drained; raises what made the worker fail."""
    while not stop.is_set():
        if app.intake_task is not None and app.intake_task.done():
            app.intake_task.result()
            return 1
        if until_drained and app.intake.drained:
            log.info("drained")
            return 0
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.05)
    return 0


async def make_host(settings: Settings, folder: Path, *, wall_clock: bool, observer: Observer) -> Host:
    """What the partitions of a worker share, from its settings and what the broker says of the topics."""
    codec = await asyncio.to_thread(_codec, settings)
    prefix = settings.topic_prefix
    return Host(
        application=settings.app,
        client_options=settings.client_options(),
        full_name=lambda name: prefix + name,
        partitions=await partition_counts(settings.client_options(), prefix),
        ranks=RANK,
        codec=codec,
        folder=folder,
        exactly_once=settings.guarantee == "exactly_once",
        grace_ms=settings.grace_ms,
        idle_ms=settings.idle_ms,
        wall_clock=wall_clock,
        now_ms=lambda: time.time_ns() // 1_000_000,
        version=version("reengage"),
        block_cache=Cache(settings.block_cache_bytes),
        write_buffers=WriteBufferManager(settings.write_buffers_bytes, allow_stall=False),
        cached_states=settings.cached_states,
        standbys=settings.standbys,
        observer=observer,
    )


def _codec(settings: Settings) -> Codec:
    codec = make_codec(settings)
    codec.prepare()
    return codec


def free_port() -> int:
    """A port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _usable(port: int) -> int:
    """The port the user asked for; 0 asks for none. Raises UserError `port-not-free` where nobody can listen."""
    with socket.socket() as probe:
        # As the web server does, or the port would count as taken for a minute after the last worker.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            hint = "name another one, or leave --port out for a free one"
            raise UserError("port-not-free", f"--port {port}", error.strerror or str(error), hint) from error
    return port


def report_compiled() -> None:
    """Say in the log, once, that the compiled parts are missing: nobody misses them but by the time things take."""
    if not IS_COMPILED:
        log.info(
            "the compiled parts are missing, so the rules apply every record, to the same effect but slower; "
            "install a C compiler, then Reengage again"
        )


def report_restore(partition: Partition, done: int, total: int) -> None:
    """Say in the log how far a restore is, where it takes long enough to wonder."""
    if total > 100_000:  # noqa: PLR2004  below that it is over before it is read
        log.info("restoring %r: %d of %d changelog offsets", partition, done, total)
