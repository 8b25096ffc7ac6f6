"""What a Kafka node of ours is set to: pure functions from names and ports to `server.properties`."""

import json
from collections.abc import Mapping
from pathlib import Path

HOST = "127.0.0.1"
CLIENTS = "PLAINTEXT"
CONTROLLER = "CONTROLLER"

SMALL_MACHINE: dict[str, str] = {
    # One node: nothing can have a second copy, and coordinators need no spreading.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A first member would wait 3 s for others to come.
    "group.initial.rebalance.delay.ms": "0",
    # A node that was killed is let in again only when its former self has been silent for this long, 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # A transaction left by a killed producer holds every read_committed reader until it is looked at.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # 128 MB of cleaner buffer and two 10 MB index files a partition are meant for large machines.
    "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
    "log.index.size.max.bytes": str(2 * 1024 * 1024),
    "num.network.threads": "2",
    "num.io.threads": "4",
    # A misspelt topic must be an error, and what is kept here is kept until someone deletes it.
    "auto.create.topics.enable": "false",
    "log.retention.ms": "-1",
}


def server_properties(
    *,
    node_id: int,
    data: Path,
    ports: Mapping[str, int],
    protocols: Mapping[str, str],
    voters: Mapping[int, int] | None = None,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The settings of one node on the loopback interface.

    Args:
        node_id: unique in its cluster, >= 1.
        data: folder of its logs.
        ports: by listener name: `PLAINTEXT` for clients and other brokers, `CONTROLLER`, and any others.
        protocols: security protocol of each other listener, by name (such as `{"SASL": "SASL_PLAINTEXT"}`).
        voters: controller port by node id of the cluster's controllers; a node that is none of them is a broker only.
            None: this node is broker and controller, and alone.
        extra: what to add or change; it wins over everything here.
    """
    voters = voters or {node_id: ports[CONTROLLER]}
    votes = node_id in voters
    listeners = {name: port for name, port in ports.items() if votes or name != CONTROLLER}
    for_clients = {name: port for name, port in ports.items() if name != CONTROLLER}
    security = {CLIENTS: "PLAINTEXT", CONTROLLER: "PLAINTEXT", **protocols}
    return {
        "process.roles": "broker,controller" if votes else "broker",
        "node.id": str(node_id),
        "listeners": _addresses(listeners),
        "advertised.listeners": _addresses(for_clients),
        "listener.security.protocol.map": ",".join(f"{name}:{way}" for name, way in security.items()),
        "inter.broker.listener.name": CLIENTS,
        "controller.listener.names": CONTROLLER,
        "controller.quorum.voters": ",".join(f"{voter}@{HOST}:{port}" for voter, port in voters.items()),
        "log.dirs": str(data),
        **SMALL_MACHINE,
        **(extra or {}),
    }


def render_properties(properties: Mapping[str, str]) -> str:
    """The text of a Java properties file, one `name=value` a line, in ASCII whatever the values hold."""
    # JSON escapes a string as Java reads it: \\ and \uXXXX; a backslash before any other character is dropped.
    return "".join(f"{name}={json.dumps(value)[1:-1]}\n" for name, value in properties.items())


def _addresses(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())
