"""A running Kafka: started with or without an owner, signalled, ended, and asked whether it answers."""

import asyncio
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from app.broker.distribution import java_environment
from app.broker.log import BrokerLog

GUARD = Path(__file__).with_name("guard.py")
POLL_S = 0.05


class BrokerProcess:
    """One start of a broker.

    Attributes:
        java: the broker itself, for its pid, its start time and its signals.
        log: what this start printed.
    """

    def __init__(self, child: subprocess.Popen[str], java: psutil.Process, log: BrokerLog) -> None:
        self._child = child
        self.java = java
        self.log = log

    @classmethod
    def guarded(cls, command: list[str], log: Path, claim: int) -> "BrokerProcess":
        """Start a broker that ends with this process, however this process ends (see `guard.py`).

        It inherits the file descriptor `claim`, and ends also when the returned object is dropped. Raises UserError
        `broker-not-started` when it ends at once.
        """
        guard = [sys.executable, "-I", "-S", str(GUARD), str(psutil.Process().pid)]
        child, printed = _spawn([*guard, *command], log, claim, pipe=subprocess.PIPE)
        assert child.stdout is not None  # noqa: S101  a pipe, as asked for
        try:
            with child.stdout as answer:
                return cls(child, psutil.Process(int(answer.readline())), printed)
        except (ValueError, psutil.NoSuchProcess) as error:
            child.wait()
            raise printed.error("ended at once") from error

    @classmethod
    def detached(cls, command: list[str], log: Path, claim: int) -> "BrokerProcess":
        """Start a broker that outlives this process and inherits the file descriptor `claim`."""
        child, printed = _spawn(command, log, claim, pipe=subprocess.DEVNULL)
        return cls(child, psutil.Process(child.pid), printed)

    def alive(self) -> bool:
        """Whether it still runs; a paused one does."""
        return self._child.poll() is None

    def wait_until_ready(self, bootstrap: str, cluster_id: str, node_id: int, timeout_s: float) -> None:
        """Wait until the broker at `bootstrap` answers as that node of that cluster. Blocks up to `timeout_s`.

        Works inside a running event loop too, which it blocks. Raises UserError `broker-not-started` with the end of
        the log, after ending the broker, when it ends by itself or does not answer in time.
        """
        deadline = time.monotonic() + timeout_s
        member = (cluster_id, node_id)
        # In a thread of its own, since a thread has at most one running event loop.
        with ThreadPoolExecutor(max_workers=1) as pool:
            try:
                ready = pool.submit(lambda: asyncio.run(self._answers(bootstrap, member, deadline))).result()
            except BaseException:
                # Such as a Ctrl-C: the thread looks for the process, and would wait for the deadline.
                self.kill()
                raise
        if not ready:
            reason = f"did not answer within {timeout_s:g} s" if self.alive() else "ended while it started"
            self.kill()
            raise self.log.error(reason)

    def stop(self, timeout_s: float) -> None:
        """Let it shut down in order; kill it after `timeout_s`. Blocks. Nothing happens if it has ended."""
        with suppress(psutil.NoSuchProcess):
            self.java.resume()
            self.java.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would, and wait until it is gone. Nothing happens if it has ended."""
        with suppress(psutil.NoSuchProcess):
            self.java.kill()
        self._child.wait()
        if self._child.stdin is not None:
            self._child.stdin.close()

    async def _answers(self, bootstrap: str, member: tuple[str, int], deadline: float) -> bool:
        while self.alive() and time.monotonic() < deadline:
            if await _listens(bootstrap) and await _has_member(bootstrap, member):
                return True
            await asyncio.sleep(POLL_S)
        return False


def _spawn(
    command: list[str], log: Path, claim: int, *, pipe: int
) -> tuple[subprocess.Popen[str], BrokerLog]:
    """Start a program in a session of its own, so that a Ctrl-C at the terminal reaches only who started it."""
    with log.open("ab") as output:
        printed = BrokerLog(log, output.tell())
        child = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe if pipe == subprocess.PIPE else output,
            stderr=output,
            text=True,
            env=java_environment(),
            start_new_session=True,
            pass_fds=(claim,),
        )
    return child, printed


async def _listens(bootstrap: str) -> bool:
    """Whether anything accepts connections there; asked first, since aiokafka logs an error where nothing does."""
    host, _, port = bootstrap.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


async def _has_member(bootstrap: str, member: tuple[str, int]) -> bool:
    """Whether the cluster that answers has the member at that address; another one may have had the port first."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=2000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()
    members = {
        (cluster["cluster_id"], each["node_id"]): f"{each['host']}:{each['port']}"
        for each in cluster["brokers"]
    }
    return members.get(member) == bootstrap
