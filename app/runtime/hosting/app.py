"""The Faust app: it hosts the agents, the services, the web server and the worker's life.

Faust's own consumer, producer and tables are switched off through its boot strategy: one event at a time, with the
group's offsets as truth, is not what this runtime promises (docs/decisions). Each processor has one agent; it takes
batches from a channel and hands each to the partition it belongs to.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import faust
from faust.app.base import BootStrategy

from app.runtime.intake import Intake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from pathlib import Path

    from mode.types import ServiceT

    from app.runtime.merge import InputRecord
    from app.runtime.partition import Partition
    from app.runtime.processor import Host, Processor


class WithoutKafka(BootStrategy):
    """Agents and web server only; the intake reads and writes Kafka."""

    enable_kafka = False

    def tables(self) -> Iterable[ServiceT]:
        """No Faust tables: each partition keeps its own state."""
        return []


class App(faust.App):
    """One worker: a Faust app whose agents are fed by an `Intake`.

    Args:
        on_progress: called as (partition, done, total) while a state is restored.
        on_ready: called once the app's services are started.
        web_port: for the web server on loopback; 0 switches it off.
        consumer_options: more options of the consumer (session timeout, heartbeat).
    """

    BootStrategy = WithoutKafka

    def __init__(
        self,
        host: Host,
        processors: Sequence[Processor],
        *,
        folder: Path,
        web_port: int,
        web_host: str = "127.0.0.1",
        on_progress: Callable[[Partition, int, int], None],
        consumer_options: dict[str, Any],
    ) -> None:
        super().__init__(
            host.application,
            datadir=folder,
            topic_disable_leader=True,
            web_enabled=web_port != 0,
            web_port=web_port or None,
            web_host=web_host,
            web_bind=web_host,
            web_router_enabled=False,
            web_tables_enabled=False,
        )
        self.host = host
        self.intake_task: asyncio.Task[None] | None = None
        """Ends only when the worker cannot go on; its exception says why."""
        self._inlets = {processor.name: self._add_agent(processor) for processor in processors}
        self.intake = Intake(host, processors, self._deliver, on_progress, **consumer_options)

    async def on_start(self) -> None:
        """Called by Faust when the app starts: nothing here has a Kafka consumer to attach to."""
        self.finalize()
        self.flow_control.resume()

    async def on_started(self) -> None:
        """Called by Faust when the app's own services run: read from here on."""
        await super().on_started()
        self.intake_task = asyncio.create_task(self.intake.run(), name="intake")

    async def on_stop(self) -> None:
        """Called by Faust when the app stops: what is decided is committed, and the group left."""
        if self.intake_task is not None:
            self.intake_task.cancel()
            await asyncio.wait({self.intake_task})
        await super().on_stop()

    async def _deliver(self, partition: Partition, lease: int, batch: list[InputRecord]) -> None:
        await self._inlets[partition.processor.name].put((partition, lease, batch))

    def _add_agent(self, processor: Processor) -> Any:
        """The processor's agent and the channel it listens on."""
        inlet = self.channel(maxsize=0)

        async def decide(batches: AsyncIterator[tuple[Partition, int, list[InputRecord]]]) -> None:
            async for partition, lease, batch in batches:
                partition.accept(lease, batch)

        self.agent(inlet, name=f"{processor.name}")(decide)
        return inlet
