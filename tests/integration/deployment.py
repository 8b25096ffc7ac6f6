"""One deployment of the service on the session's broker: topics, consumer group and state folders of its own.

Workers run as processes, as users start them; what goes in and comes out is read here.
"""

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.protocol.group import LeaveGroupRequest

from app.broker.topics import admin_client
from app.service.settings import Settings, load_settings
from app.tools import tail
from app.tools.committed import committed_reader
from app.tools.topics import apply_topics
from app.wire.codec import Codec
from app.wire.partitioner import murmur2_partition
from app.wire.topics import JOURNAL
from tests.integration.faults import FEW, STEPS_OF, Faults

REENGAGE = Path(sys.executable).with_name("reengage")
LAUNCHER = Path(__file__).with_name("faults.py")
PATIENCE_S = 60.0
"""How long anything may take before a test gives up; nothing here waits this long when all is well."""


def until(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds; fails when it does not in time."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


class Sent(NamedTuple):
    """One record to produce: bytes as they are; without a partition it goes where its key belongs."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None


class Worker:
    """A worker process; what it logs goes to a file."""

    def __init__(
        self, command: Sequence[str | Path], environ: dict[str, str], folder: Path, log: Path
    ) -> None:
        self._log = log
        with log.open("ab") as stream:
            self.process = subprocess.Popen(command, env=environ, cwd=folder, stdout=stream, stderr=stream)

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """End it as a crash does, and return when it is gone."""
        self.process.kill()
        self.process.wait()

    def wait_until_started(self) -> None:
        """Wait until it can be told to stop; it may own nothing yet."""
        until(lambda: "started, web on" in self.log() or not self.running, "a started worker")
        assert self.running, f"the worker has ended; its log:\n{self.log()}"

    def stop(self) -> None:
        """Ask it to stop, and wait for its orderly end."""
        self.wait_until_started()
        self.process.terminate()
        assert self.exit_code() == 0, self.log()

    def exit_code(self, patience_s: float = PATIENCE_S) -> int:
        """Wait for its end; negative is the signal that ended it."""
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the worker did not end; its log:\n{self.log()}") from None

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        """Wait until it works on some partition."""
        until(lambda: "is ready" in self.log() or not self.running, "a ready worker")
        assert self.running, f"the worker has ended; its log:\n{self.log()}"


@dataclass
class Deployment:
    """One application on topics of its own.

    Args:
        broker: bootstrap servers.
        prefix: of the topics; also names the application.
        folder: for state folders, logs and playbooks; the workers' working directory.
        partitions: of every topic.
        more: further settings, by name.
    """

    broker: str
    prefix: str
    folder: Path
    partitions: int = 2
    more: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._workers: list[Worker] = []

    def environ(self, data: str = "data") -> dict[str, str]:
        """The environment of a process of this deployment whose state folder is `data`; no setting from outside."""
        outside = {name: text for name, text in os.environ.items() if not name.startswith("REENGAGE_")}
        own = {
            "REENGAGE_BROKER": self.broker,
            "REENGAGE_APP": f"{self.prefix}app",
            "REENGAGE_TOPIC_PREFIX": self.prefix,
            "REENGAGE_DATA": str(self.folder / data),
        }
        return outside | own | self.more

    def settings(self) -> Settings:
        return load_settings(self.environ(), self.folder)

    def create_topics(self) -> None:
        settings = self.settings()
        asyncio.run(apply_topics(settings.client_options(), self.prefix, partitions=self.partitions))

    def delete_topics(self) -> None:
        """So that a long session's broker does not keep the files of them all open."""

        async def delete() -> None:
            async with admin_client({"bootstrap_servers": self.broker}) as admin:
                names = [name for name in await admin.list_topics() if name.startswith(self.prefix)]
                if names:
                    await admin.delete_topics(names)

        asyncio.run(delete())

    def start_worker(
        self,
        *arguments: str,
        data: str = "data",
        faults: Faults | None = None,
        launcher: Sequence[str | Path] = (REENGAGE,),
    ) -> Worker:
        """Start `reengage worker`; with `faults`, the same with what they ask for; `launcher`: the command in its place."""
        command: list[str | Path] = [*launcher, "worker", *arguments]
        if faults is not None:
            command = [sys.executable, LAUNCHER, faults.dump(), "worker", *arguments]
        log = self.folder / f"worker-{len(self._workers)}.log"
        worker = Worker(command, self.environ(data), self.folder, log)
        self._workers.append(worker)
        return worker

    def drain(self, *arguments: str, faults: Faults | None = None) -> None:
        """Run a worker until everything is applied."""
        worker = self.start_worker("--until-drained", *arguments, faults=faults)
        code = worker.exit_code()
        assert code == 0, f"exit code {code}; its log:\n{worker.log()}"

    def crash(self, step: str, after: int) -> None:
        """Run a worker that ends itself at the step's n-th occurrence, and see to it that its group forgets it."""
        worker = self.start_worker("--until-drained", faults=Faults(crash_at=step, crash_after=after, **FEW))
        assert worker.exit_code() == -signal.SIGKILL, worker.log()
        self.expel_dead_workers()

    def crash_at_each_step(self, guarantee: str = "exactly_once") -> None:
        """A crash at each step of a commit, one worker after the other, each somewhat further on."""
        for number, step in enumerate(STEPS_OF[guarantee]):
            self.crash(step, after=3 + 2 * number)

    def stop_workers(self) -> None:
        for worker in self._workers:
            if worker.running:
                worker.kill()

    def expel_dead_workers(self) -> None:
        """Take every member out of the consumer group, so that nobody waits for the session of a killed one to end.

        What `kafka-consumer-groups` does for an operator; the group is asked to assign anew at once.
        """

        async def expel() -> None:
            group = f"{self.prefix}app"
            async with admin_client({"bootstrap_servers": self.broker}) as admin:
                coordinator = await admin.find_coordinator(group)
                (described,) = await admin.describe_consumer_groups([group], coordinator)
                for member in described.to_object()["groups"][0]["members"]:
                    request = LeaveGroupRequest(group, member["member_id"])
                    await admin._send_request(request, coordinator)

        asyncio.run(expel())

    def produce(self, records: Iterable[Sent]) -> None:
        """Send records in order, each topic's partition for itself, and wait for all acknowledgements."""

        async def send() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=self.broker, enable_idempotence=True)
            await producer.start()
            try:
                await self.send(producer, records)
            finally:
                await producer.stop()

        asyncio.run(send())

    async def send(self, producer: AIOKafkaProducer, records: Iterable[Sent]) -> None:
        """Send records with a producer that is there, in order, and wait for all acknowledgements."""
        futures = [
            await producer.send(self.prefix + record.topic, record.value, record.key, self._partition(record))
            for record in records
        ]
        await asyncio.gather(*futures)

    def outputs(self) -> list[str]:
        """Every committed output record as `tail` prints it; of the snapshots each member's last."""
        return self._tail()

    def records(self, *topics: str) -> list[tuple[str, int, Any]]:
        """(topic, partition, record) of every committed record, as it lies: partition by partition, in offset order."""

        async def read() -> list[tuple[str, int, Any]]:
            codec, found = Codec(), []
            places = [TopicPartition(self.prefix + t, n) for t in topics for n in range(self.partitions)]
            settings = self.settings()
            async with committed_reader(settings, places, from_beginning=True, until_end=True) as reader:
                async for raw in reader.each():
                    topic = raw.topic.removeprefix(self.prefix)
                    record = codec.decode(topic, raw.key, raw.value, raw.timestamp)
                    found.append((topic, raw.partition, record))
            return found

        return asyncio.run(read())

    def merged_inputs(self) -> list[str]:
        """The inputs in the order in which the workers took them, with the journal's marks."""
        return self._tail(inputs=True)

    def commits(self) -> int:
        """How far the journal has grown: entries, and where transactions are used their markers. Cheap."""
        places = [TopicPartition(f"{self.prefix}{JOURNAL}", n) for n in range(self.partitions)]
        return sum(self.end_offsets(places).values())

    def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset after the last record of each log."""

        async def measure() -> dict[TopicPartition, int]:
            consumer = AIOKafkaConsumer(bootstrap_servers=self.broker)
            await consumer.start()
            try:
                ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
                return ends
            finally:
                await consumer.stop()

        return asyncio.run(measure())

    def wait_for_commits(self, more: int) -> None:
        """Wait until the journal has grown by so much."""
        enough = self.commits() + more
        until(lambda: self.commits() >= enough, f"{more} commits")

    def wait_for_output(self, *texts: str) -> str:
        """Wait until a committed output contains all these texts, and return it."""
        found: list[str] = []

        def search() -> bool:
            found[:] = [line for line in self.outputs() if all(text in line for text in texts)]
            return bool(found)

        until(search, f"an output with {texts}")
        return found[0]

    def _tail(self, *, inputs: bool = False) -> list[str]:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            tail.run(self.settings(), [], until_end=True, inputs=inputs)
        return printed.getvalue().splitlines()

    def _partition(self, record: Sent) -> int:
        if record.partition is not None:
            return record.partition
        return murmur2_partition(record.key or b"", self.partitions)
