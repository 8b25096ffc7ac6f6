"""The programs a demo runs beside itself: a worker and `produce`, each as a user would start it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from app.broker.process import GUARD
from app.domain.errors import UserError
from app.service.setting_table import PREFIX
from app.tools.demo.place import environment_of
from app.wire.instants import parse_instant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from app.service.settings import Settings

# Not the folder a user happens to be in: what lies there must not be taken for our modules.
_REENGAGE = (sys.executable, "-P", "-c", "from app.cli import main; main()")
_STOP_S = 20.0
_POLL_S = 0.1
_LAST_LINES = 12


class Worker:
    """A running `reengage worker`.

    Attributes:
        log: the file that takes what it prints.
        port: of its web pages, on loopback.
    """

    def __init__(self, guard: subprocess.Popen[str], pid: int, log: Path, port: int) -> None:
        self._guard = guard
        self._pid = pid
        self.log = log
        self.port = port

    def check(self) -> None:
        """Raise UserError `worker-ended` if it has."""
        code = self._guard.poll()
        if code is not None:
            raise self.failure("worker-ended", f"the worker ended, with exit code {code}")

    def failure(self, reference: str, problem: str) -> UserError:
        """An error with the end of the worker's log, exit code 1."""
        lines = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        text = "\n".join(f"    {line}" for line in lines) or "    (nothing)"
        error = UserError(
            reference, str(self.log), f"{problem}; its log ends with\n{text}", "the log has the rest"
        )
        error.exit_code = 1
        return error

    async def ready(self) -> int:
        """Wait until it is ready; returns how many partitions it has. Raises UserError when it ends instead."""
        while True:
            self.check()
            status, report = await asyncio.to_thread(self._health)
            if status == http.HTTPStatus.OK:
                return len(report["partitions"])
            await asyncio.sleep(_POLL_S)

    async def caught_up(self, since_ms: int) -> None:
        """Wait until nothing is left to apply, commit or fire, seen later than an instant of the wall clock.

        And later than the last commit of any partition, for what it wrote may be another one's input.
        """
        while True:
            self.check()
            _, report = await asyncio.to_thread(self._health)
            if _all_at_rest(report.get("partitions", ()), since_ms):
                return
            await asyncio.sleep(_POLL_S)

    def stop(self) -> None:
        """Let it end in order; by force after 20 s. Blocks."""
        with suppress(ProcessLookupError):
            if self._guard.poll() is None:
                os.kill(self._pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._guard.wait(_STOP_S)
        # The guard ends the worker by force as soon as nobody holds the other end of this pipe.
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()

    def _health(self) -> tuple[int, dict[str, Any]]:
        """Status and report of its health page; (0, {}) while nobody answers there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            connection.close()


def _all_at_rest(partitions: Sequence[dict[str, Any]], since_ms: int) -> bool:
    commits = [_read_instant(partition["committed_at"]) for partition in partitions]
    busy_ms = max([since_ms, *commits])
    return bool(commits) and all(
        _read_instant(partition["caught_up_at"]) > busy_ms for partition in partitions
    )


def _read_instant(text: str | None) -> int:
    """Epoch milliseconds of an instant of a report; 0 for one that has not been."""
    return 0 if text is None else parse_instant(text, "health")


@contextmanager
def worker(settings: Settings, folder: Path, log: Path, port: int) -> Iterator[Worker]:
    """A worker under these settings, in this folder, ended with the block, and also should this process be killed."""
    command = [*_REENGAGE, "worker", "--port", str(port)]
    with log.open("wb") as output:
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            env=_environ(settings),
            cwd=folder,
            start_new_session=True,
        )
    assert guard.stdout is not None  # noqa: S101  a pipe, as asked for
    with guard.stdout as answer:
        started = Worker(guard, int(answer.readline()), log, port)
    try:
        yield started
    finally:
        started.stop()


class Producer:
    """A running `reengage produce` that takes lines as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def send(self, line: bytes) -> None:
        """Hand over one line; waits while the pipe is full."""
        stdin = self._process.stdin
        if stdin is not None:
            # Should it have ended, `finish` says why.
            with suppress(BrokenPipeError, ConnectionResetError):
                stdin.write(line + b"\n")
                await stdin.drain()

    async def finish(self) -> int:
        """Wait until all lines are acknowledged; returns the wall time by which they were, epoch ms.

        Raises UserError `produce-failed` with what it said.
        """
        if self._process.stdin is not None:
            self._process.stdin.close()
        _, said = await self._process.communicate()
        if self._process.returncode != 0:
            error = UserError("produce-failed", "reengage produce", said.decode(errors="replace").strip())
            error.exit_code = 1
            raise error
        return time.time_ns() // 1_000_000


@asynccontextmanager
async def producer(settings: Settings, folder: Path) -> AsyncIterator[Producer]:
    """A `produce` under these settings; what still runs at the end of the block is killed."""
    process = await asyncio.create_subprocess_exec(
        *_REENGAGE,
        "produce",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_environ(settings),
        cwd=folder,
        start_new_session=True,
    )
    try:
        yield Producer(process)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _environ(settings: Settings) -> dict[str, str]:
    """This process's environment with these settings in place of its own."""
    others = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    return others | environment_of(settings)
