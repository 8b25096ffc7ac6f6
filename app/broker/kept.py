"""The broker of `reengage broker start`: it outlives the command and is found again by its state file."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs
import psutil

from app.broker.distribution import Distribution, Progress, ensure_distribution, silent
from app.broker.node import Node, NodeOptions
from app.broker.process import BrokerProcess

# A process with the same pid that started this close to the one we started is that one: its start time is computed
# from the system's, which may be corrected meanwhile.
SAME_START_S = 5.0
STOP_S = 30.0
POLL_S = 0.05


@dataclass(frozen=True)
class KeptBroker:
    """A broker that was started to be kept.

    Attributes:
        pid: its process.
        started: when that process started, in seconds since 1970, to tell it from a later one with its pid.
        bootstrap: `127.0.0.1:port`.
    """

    pid: int
    started: float
    bootstrap: str

    def process(self) -> psutil.Process | None:
        """Its process while it runs, else None."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < SAME_START_S
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def default_home() -> Path:
    """The per-user folder of the kept broker: its data, log and state file.

    Not inside the worker's state folder, which may be removed at any time.
    """
    return platformdirs.user_data_path("reengage-broker", appauthor=False)


def kept_broker(home: Path | None = None) -> KeptBroker | None:
    """The kept broker while it runs, else None; a state file left by one that has ended counts as none."""
    state = _state_file(home or default_home())
    try:
        kept = KeptBroker(**json.loads(state.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return kept if kept.process() is not None else None


def start_kept(
    home: Path | None = None, *, progress: Progress = silent, timeout_s: float = 60
) -> tuple[KeptBroker, bool]:
    """The kept broker, and whether it was started by this call. Blocks: about 3 s for a start, 20 s for the first.

    It keeps its data and, while it is free, its port over a stop and a start. Raises UserError `kafka-not-fetched`,
    `broker-not-started` or `broker-folder-in-use`.
    """
    home = home or default_home()
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home):
        running = kept_broker(home)
        if running is not None:
            return running, False
        return _start(home, ensure_distribution(progress), timeout_s), True


def stop_kept(home: Path | None = None) -> KeptBroker | None:
    """Shut the kept broker down, by force after 30 s, and say which it was; None if none runs. Blocks about 1 s.

    Its data stay for the next start.
    """
    home = home or default_home()
    if not home.exists():
        return None
    with _locked(home):
        kept = kept_broker(home)
        if kept is not None:
            _end(kept)
        _state_file(home).unlink(missing_ok=True)
        return kept


def _start(home: Path, distribution: Distribution, timeout_s: float) -> KeptBroker:
    node = Node(home, NodeOptions(heap_mb=1024, throughput=True))
    state = _state_file(home)

    def spawn(command: list[str], log: Path, claim: int) -> BrokerProcess:
        process = BrokerProcess.detached(command, log, claim)
        kept = KeptBroker(process.java.pid, process.java.create_time(), node.address())
        # Before it is ready, so that it can be found and stopped should this command be killed while it waits.
        _write_whole(state, json.dumps(asdict(kept)))
        return process

    try:
        node.start(distribution, spawn, timeout_s)
    except BaseException:
        state.unlink(missing_ok=True)
        raise
    return KeptBroker(**json.loads(state.read_text()))


def _end(kept: KeptBroker) -> None:
    for end in (psutil.Process.terminate, psutil.Process.kill):
        process = kept.process()
        if process is None:
            return
        with suppress(psutil.NoSuchProcess):
            end(process)
        deadline = time.monotonic() + STOP_S
        # Not psutil's own wait: where nobody collects a dead orphan, as in many containers, it never returns.
        while kept.process() is not None and time.monotonic() < deadline:
            time.sleep(POLL_S)


def _state_file(home: Path) -> Path:
    return home / "kept.json"


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that no reader ever sees a part of it."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Let one command at a time start or stop; the system frees the lock of a killed one. Blocks until it is free."""
    handle = os.open(home / "starting.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
