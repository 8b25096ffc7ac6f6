"""Several real Kafka nodes as one cluster, inside the life of this process: for what happens when one of them goes."""

from pathlib import Path
from types import TracebackType
from typing import Self

from app.broker.distribution import Progress, silent
from app.broker.embedded import EmbeddedBroker

COPIED = {
    # As a cluster of that size is set: what the brokers keep for groups and transactions outlives any one of them.
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
}


class EmbeddedCluster:
    """Three nodes, each broker and controller, so that any one of them may be killed while the others go on.

    Args:
        folder: where they keep everything; made where missing.
        heap_mb: of each, see `NodeOptions`.
        progress, timeout_s: see `EmbeddedBroker`.

    Attributes:
        brokers: the nodes, each to be killed, stopped and started again by itself; node ids are 1, 2, 3.
    """

    def __init__(
        self, folder: Path, *, heap_mb: int = 256, progress: Progress = silent, timeout_s: float = 90
    ) -> None:
        self.brokers: list[EmbeddedBroker] = [
            EmbeddedBroker(
                folder / f"node-{number}",
                heap_mb=heap_mb,
                properties=COPIED,
                node_id=number,
                progress=progress,
                timeout_s=timeout_s,
            )
            for number in (1, 2, 3)
        ]

    def address(self) -> str:
        """Bootstrap servers: all of them, comma-separated."""
        return ",".join(broker.address() for broker in self.brokers)

    def start(self) -> str:
        """Start all of them, wait until each answers, and return the bootstrap servers. Blocks: about 6 s.

        Raises what `EmbeddedBroker.start` does; none is left running then.
        """
        nodes = [broker.node for broker in self.brokers]
        for node in nodes:
            node.vote_among(nodes)
        try:
            for broker in self.brokers:
                broker.launch()
            for broker in self.brokers:
                broker.wait()
        except BaseException:
            self.stop()
            raise
        return self.address()

    def stop(self) -> None:
        """End all of them by force: an orderly end waits for the others to take over. Blocks. Their data stay."""
        for broker in self.brokers:
            broker.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
