"""One Kafka node's folder: its identity, its ports, its settings, and the command that runs it.

data/               formatted storage
server.properties   written anew at each start
ports.json          listener name -> port, kept so that clients find it again after a restart
broker.log          what it printed, over all starts
running.lock        held by the running broker
tmp/                where Java unpacks its native libraries
"""

import base64
import fcntl
import json
import os
import random
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.broker.distribution import Distribution, format_storage
from app.broker.process import BrokerProcess
from app.broker.properties import CLIENTS, CONTROLLER, HOST, render_properties, server_properties
from app.domain.errors import UserError

# Below the ports that systems give to outgoing connections: a client that keeps trying a stopped broker's port there
# ends up connected to itself, and the broker cannot have its port back.
PORTS = range(20_000, 32_000)
PORT_ATTEMPTS = 3
# How long a broker whose owner was killed may take to go too.
CLAIM_S = 5.0
POLL_S = 0.05

# Command, log file, and the file descriptor that the broker must inherit.
Spawn = Callable[[list[str], Path, int], BrokerProcess]


@dataclass(frozen=True)
class NodeOptions:
    """What may differ between two nodes.

    Attributes:
        node_id: unique in its cluster, >= 1.
        heap_mb: the most memory Java takes for objects.
        throughput: compile with all optimisations. For benches and long lives; a start then takes 0.5 s and 1.5 s of
            processor time more.
        listeners: security protocol by name of each listener beside `PLAINTEXT`, such as `{"SASL": "SASL_PLAINTEXT"}`.
        properties: what to add to or change in the server properties.
        scram: password by user of those a new cluster knows from its start; see `format_storage`.
    """

    node_id: int = 1
    heap_mb: int = 512
    throughput: bool = False
    listeners: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    scram: Mapping[str, str] = field(default_factory=dict, repr=False)


class Node:
    """A node in its folder, running or not; see `NodeOptions`.

    `controller` is the node of another folder that this one joins as a broker; None makes it a cluster of its own.
    """

    def __init__(self, folder: Path, options: NodeOptions, controller: "Node | None" = None) -> None:
        self._folder = folder.absolute()
        self._options = options
        self._voters: Sequence[Node] = (controller or self,)
        self._ports = self._remembered_ports()

    @property
    def node_id(self) -> int:
        """Its id in the cluster."""
        return self._options.node_id

    @property
    def log(self) -> Path:
        """The file that takes what it prints."""
        return self._folder / "broker.log"

    def address(self, listener: str = CLIENTS) -> str:
        """`host:port` of a listener, once started."""
        return f"{HOST}:{self.port(listener)}"

    def port(self, listener: str) -> int:
        """Port of a listener, once started."""
        return self._ports[listener]

    def cluster_id(self) -> str:
        """The id of its cluster, once started."""
        lines = self._meta.read_text().splitlines()
        return next(line.removeprefix("cluster.id=") for line in lines if line.startswith("cluster.id="))

    def vote_among(self, nodes: "Sequence[Node]") -> None:
        """Be one of several controllers of one cluster, all of them told so before any is started.

        The first of them is the first to be started the first time. Their ports are chosen now, and stay.
        """
        self._voters = nodes
        self._folder.mkdir(parents=True, exist_ok=True)
        self._choose_ports(new=False)

    def start(self, distribution: Distribution, spawn: Spawn, timeout_s: float) -> BrokerProcess:
        """Start it with `spawn` and wait until it answers. Blocks: about 2 s, at most `timeout_s`.

        Storage that is there is kept, as are the ports while nobody else has them. Raises UserError
        `broker-not-started` with the end of the log, or `broker-folder-in-use`.
        """
        # The other voters of a cluster would look for this one at the ports it had.
        attempts = PORT_ATTEMPTS if len(self._voters) == 1 else 1
        for attempt in range(attempts):
            process = self.launch(distribution, spawn, new_ports=attempt > 0)
            try:
                self.wait(process, timeout_s)
            except UserError:
                # Between our look at a port and Kafka's another process may have taken it.
                if not process.log.names_taken_port() or attempt == attempts - 1:
                    raise
            else:
                break
        return process

    def launch(self, distribution: Distribution, spawn: Spawn, *, new_ports: bool = False) -> BrokerProcess:
        """The first half of `start`: a voter answers only when most of the others run too."""
        with self._claimed() as claim:
            return spawn(self._prepare(distribution, new_ports=new_ports), self.log, claim)

    def wait(self, process: BrokerProcess, timeout_s: float) -> None:
        """The other half: wait until it answers, as `start` does."""
        process.wait_until_ready(self.address(), self.cluster_id(), self.node_id, timeout_s)

    def _prepare(self, distribution: Distribution, *, new_ports: bool) -> list[str]:
        """Make the folder ready for a start and return the command that starts it."""
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
        self._format(distribution)
        properties = self._folder / "server.properties"
        self._choose_ports(new=new_ports)
        properties.write_text(render_properties(self._properties()))
        return distribution.command("kafka.Kafka", str(properties), jvm=self._jvm())

    @contextmanager
    def _claimed(self) -> Iterator[int]:
        """A lock on the folder, to be inherited by the broker, so that it lasts as long as the broker does.

        Kafka's own lock comes too late: a second broker damages the first one's metadata before it sees it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        claim = os.open(self._folder / "running.lock", os.O_RDWR | os.O_CREAT)
        try:
            deadline = time.monotonic() + CLAIM_S
            while not _locks(claim):
                if time.monotonic() > deadline:
                    raise UserError(
                        "broker-folder-in-use",
                        str(self._folder),
                        "another broker runs on this folder",
                        "stop it, or use it by setting REENGAGE_BROKER",
                    )
                time.sleep(POLL_S)
            yield claim
        finally:
            os.close(claim)

    @property
    def _meta(self) -> Path:
        return self._folder / "data" / "meta.properties"

    def _format(self, distribution: Distribution) -> None:
        """What Kafka's format tool does, without a second start of Java; the broker adds the folder's own id."""
        if self._meta.exists():
            return
        self._meta.parent.mkdir(parents=True, exist_ok=True)
        if self._options.scram:
            with tempfile.TemporaryDirectory(dir=self._folder / "tmp") as scratch:
                checkpoint = format_storage(distribution, Path(scratch), self._options.scram)
                shutil.copy(checkpoint, self._meta.parent)
        else:
            shutil.copy(distribution.bootstrap_checkpoint, self._meta.parent)
        founder = self._voters[0]
        cluster_id = _new_cluster_id() if founder is self else founder.cluster_id()
        identity = {"version": "1", "cluster.id": cluster_id, "node.id": str(self.node_id)}
        self._meta.write_text(render_properties(identity))

    def _choose_ports(self, *, new: bool) -> None:
        names = [CLIENTS, CONTROLLER, *self._options.listeners]
        usable = set(self._ports) == set(names) and all(_is_free(port) for port in self._ports.values())
        if new or not usable:
            self._ports = _free_ports(names)
            self._ports_file.write_text(json.dumps(self._ports))

    @property
    def _ports_file(self) -> Path:
        return self._folder / "ports.json"

    def _remembered_ports(self) -> dict[str, int]:
        try:
            ports: dict[str, int] = json.loads(self._ports_file.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return ports

    def _properties(self) -> dict[str, str]:
        return server_properties(
            node_id=self.node_id,
            data=self._folder / "data",
            ports=self._ports,
            protocols=self._options.listeners,
            voters={voter.node_id: voter.port(CONTROLLER) for voter in self._voters},
            extra=self._options.properties,
        )

    def _jvm(self) -> list[str]:
        options = [f"-Xmx{self._options.heap_mb}m", "-XX:+ExitOnOutOfMemoryError"]
        # Kafka's own ways into the memory outside the heap, of which this Java would warn at every start.
        options += ["--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"]
        options += ["-XX:-UsePerfData", f"-Djava.io.tmpdir={self._folder / 'tmp'}"]
        if self._options.throughput:
            # As Kafka's own start script has it.
            return [
                *options,
                "-XX:+UseG1GC",
                "-XX:MaxGCPauseMillis=20",
                "-XX:InitiatingHeapOccupancyPercent=35",
            ]
        # A heap this small is collected fastest by one thread, and the others belong to the worker.
        return [*options, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


def _locks(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As Java does, or a port would count as taken for a minute after the last start.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_ports(names: Iterable[str]) -> dict[str, int]:
    candidates = random.SystemRandom().sample(PORTS, len(PORTS))
    free = (port for port in candidates if _is_free(port))
    return {name: next(free) for name in names}
