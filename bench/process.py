"""Running a contender as a process of its own, its processor time and memory sampled until it ends."""

from __future__ import annotations

import subprocess
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self

import psutil

from app.domain.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from bench.site import Site

SAMPLE_S = 0.25
STOP_S = 20.0
TAIL_CHARACTERS = 2_000


class Sample(NamedTuple):
    """At `at_ms` (epoch), the process and its children had used `cpu_s` and held `rss_bytes`."""

    at_ms: float
    cpu_s: float
    rss_bytes: int


class Contender:
    """A running process; what it prints is added to `output.log` in its site's folder. Ended with the `with` block."""

    def __init__(self, site: Site, command: Sequence[str]) -> None:
        self._command = list(command)
        self._log = site.folder / "output.log"
        self._site = site
        self._samples: list[Sample] = []
        self._cpu_s: dict[int, float] = {}
        self._ended = threading.Event()
        self.seconds = 0.0
        """From its start to its end, known when it has ended."""

    def __enter__(self) -> Self:
        self._started_s = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._site.folder,
                env=self._site.environ(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._sampler = threading.Thread(target=self._sample_all, daemon=True)
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait(self, timeout_s: float) -> None:
        """Until it has ended by itself. Raises UserError `contender-failed` when it failed or took longer."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.stop()
            raise self.failed(f"was not done after {timeout_s:.0f} s") from None
        self._end()
        if code != 0:
            raise self.failed(f"ended with exit code {code}")

    def check(self) -> None:
        """Raises UserError `contender-failed` if it has ended, which it should not have."""
        code = self._process.poll()
        if code is not None:
            raise self.failed(f"ended with exit code {code}")

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself, as it should. Raises UserError `contender-failed` when it failed."""
        code = self._process.poll()
        if code not in (None, 0):
            raise self.failed(f"ended with exit code {code}")
        return code == 0

    def kill(self) -> None:
        """Kill it and its children (SIGKILL), as a crash would; returns when it is gone."""
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        self._process.wait()
        self._end()

    def stop(self) -> None:
        """Have it end: as an operator would, and by force after 20 s. Nothing happens when it has ended."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._end()

    def failed(self, problem: str) -> UserError:
        """The error to raise, with the end of what it printed."""
        tail = self._log.read_text(errors="replace")[-TAIL_CHARACTERS:]
        command = " ".join(self._command[:3])
        return UserError("contender-failed", command, problem, f"the end of its output:\n{tail}")

    @property
    def peak_rss_bytes(self) -> int:
        """The most memory it and its children held at once, as sampled."""
        return max((sample.rss_bytes for sample in self._samples), default=0)

    @property
    def rss_bytes(self) -> int:
        """The memory it and its children held when last sampled; 0 before that."""
        return self._samples[-1].rss_bytes if self._samples else 0

    @property
    def used_cpu_s(self) -> float:
        """Processor time it and its children had used when last sampled, a quarter of a second before its end at most."""
        return self._samples[-1].cpu_s if self._samples else 0.0

    def cpu_s(self, from_ms: float, to_ms: float) -> float:
        """Processor time used between two instants (epoch ms), interpolated between samples."""
        return self._cpu_at(to_ms) - self._cpu_at(from_ms)

    def _cpu_at(self, at_ms: float) -> float:
        before = self._samples[0]
        for sample in self._samples:
            if sample.at_ms >= at_ms:
                share = (at_ms - before.at_ms) / ((sample.at_ms - before.at_ms) or 1)
                return before.cpu_s + max(0.0, share) * (sample.cpu_s - before.cpu_s)
            before = sample
        return before.cpu_s

    def _end(self) -> None:
        if not self._ended.is_set():
            self.seconds = time.monotonic() - self._started_s
            self._ended.set()
            self._sampler.join()

    def _sample_all(self) -> None:
        try:
            root = psutil.Process(self._process.pid)
            while not self._ended.wait(SAMPLE_S):
                self._sample([root, *root.children(recursive=True)])
        except psutil.NoSuchProcess:
            return

    def _sample(self, processes: list[psutil.Process]) -> None:
        rss_bytes = 0
        for process in processes:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    self._cpu_s[process.pid] = times.user + times.system
                    rss_bytes += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        if rss_bytes > psutil.virtual_memory().total // 2:
            # Rather no result than a machine that has to be rescued.
            self._process.kill()
        if rss_bytes:
            self._samples.append(Sample(time.time() * 1000, sum(self._cpu_s.values()), rss_bytes))
