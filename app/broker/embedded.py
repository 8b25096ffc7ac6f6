"""A real Apache Kafka 4 (KRaft) inside the life of this process, from packages alone."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from app.broker.distribution import Progress, ensure_distribution, silent
from app.broker.node import Node, NodeOptions
from app.broker.process import BrokerProcess
from app.broker.properties import CLIENTS


class EmbeddedBroker:
    """One Kafka node owned by this process: when the process ends, in whatever way, so does the node.

    Args:
        folder: where it keeps everything; made where missing. A folder used before keeps its data and, while they are
            free, its ports. Removing it afterwards is the caller's.
        heap_mb, throughput, listeners, properties, scram, node_id: see `NodeOptions`.
        joins: a started broker whose cluster this one joins; needs another `node_id`.
        progress: takes one short line at a time while Kafka is fetched, which happens once a machine.
        timeout_s: how long a start may take, downloads aside.

    Attributes:
        node: its folder, identity and addresses.
    """

    def __init__(
        self,
        folder: Path,
        *,
        heap_mb: int = 512,
        throughput: bool = False,
        listeners: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        scram: Mapping[str, str] | None = None,
        node_id: int = 1,
        joins: "EmbeddedBroker | None" = None,
        progress: Progress = silent,
        timeout_s: float = 60,
    ) -> None:
        options = NodeOptions(node_id, heap_mb, throughput, listeners or {}, properties or {}, scram or {})
        self.node: Node = Node(folder, options, joins.node if joins else None)
        self._progress = progress
        self._timeout_s = timeout_s
        self._process: BrokerProcess | None = None

    @property
    def log(self) -> Path:
        """The file that takes what the broker prints."""
        return self.node.log

    @property
    def pid(self) -> int | None:
        """The broker's process while it runs (or is paused), else None."""
        return self._process.java.pid if self._process is not None and self._process.alive() else None

    def address(self, listener: str = CLIENTS) -> str:
        """`127.0.0.1:port` of a listener, once started; the same after a restart."""
        return self.node.address(listener)

    def start(self) -> str:
        """Start it, wait until it answers, and return its bootstrap address. Blocks: about 2 s, the first time 20 s.

        Starting a running broker only returns the address. Raises UserError `kafka-not-fetched`, or
        `broker-not-started` with the end of the log, or `broker-folder-in-use`.
        """
        if self.pid is None:
            distribution = ensure_distribution(self._progress)
            self._process = self.node.start(distribution, BrokerProcess.guarded, self._timeout_s)
        return self.address()

    def launch(self) -> None:
        """Start it without waiting: one of a cluster's voters, of which most must run before any answers."""
        self._process = self.node.launch(ensure_distribution(self._progress), BrokerProcess.guarded)

    def wait(self) -> None:
        """Wait until a launched one answers. Blocks. Raises UserError `broker-not-started`."""
        if self._process is not None:
            self.node.wait(self._process, self._timeout_s)

    def stop(self) -> None:
        """Shut it down in order, by force after 20 s. Blocks. Its data and ports stay for another start."""
        if self._process is not None:
            self._process.stop(timeout_s=20)

    def kill(self) -> None:
        """Crash it: SIGKILL. Returns when it is gone. Its data and ports stay for another start."""
        if self._process is not None:
            self._process.kill()

    def pause(self) -> None:
        """Make it stop answering while its connections stay open, as a frozen machine would (SIGSTOP)."""
        if self._process is not None:
            self._process.java.suspend()

    def resume(self) -> None:
        """Let a paused one go on."""
        if self._process is not None:
            self._process.java.resume()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
