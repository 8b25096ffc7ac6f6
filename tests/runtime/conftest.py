"""What the runtime's tests are told with: a core of two parts, a host without a broker, and topics on a real one."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from app.domain.entity import NEVER_MS, Entity
from app.playbooks.loader import DEFAULTS, load_playbooks
from app.runtime.processor import Host
from app.wire.codec import Codec
from app.wire.topics import RANK, load_topics
from tests.integration.history import write_files
from tests.runtime.repeating import TWO, Player

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from app.domain.playbook_set import PlaybookSet
    from app.domain.sink import Sink

PARTITIONS = 4


class Thing(Entity):
    """An entity of two parts: a text and a due time, and a note that is read when asked for."""

    __slots__ = ("__weakref__", "_note", "due_ms", "gone", "note_changed", "read", "text")

    def __init__(self, key: str, text: str = "", due_ms: int = NEVER_MS) -> None:
        super().__init__(key, "hash")
        self.text = text
        self.due_ms = due_ms
        self.gone = False
        self.note_changed = False
        self.read: Callable[[int], bytes | None] | None = None
        self._note: str | None = None

    @property
    def note(self) -> str | None:
        if self._note is None and self.read is not None:
            stored = self.read(1)
            self._note = None if stored is None else stored.decode()
        return self._note

    @note.setter
    def note(self, note: str | None) -> None:
        self._note = note
        self.note_changed = True


class ThingCore:
    """Satisfies `entity.Core` as far as a store asks for it."""

    playbooks_hash = "hash"

    def new(self, key: str) -> Thing:
        return Thing(key)

    def apply(self, entity: Thing, record: Any, sink: Sink) -> bool:
        entity.text += record
        return True

    def fire(self, entity: Thing, until_ms: int, sink: Sink) -> None:
        entity.due_ms = NEVER_MS

    def rearm(self, entity: Thing, sink: Sink) -> None:
        entity.armed_for = self.playbooks_hash

    def next_due_ms(self, entity: Thing) -> int:
        return entity.due_ms

    def load(self, key: str, read: Callable[[int], bytes | None]) -> Thing | None:
        stored = read(0)
        if stored is None:
            return None
        thing = Thing(key, *msgspec.msgpack.decode(stored))
        thing.read = read
        return thing

    def dump(self, entity: Thing) -> Iterable[tuple[int, bytes | None]]:
        if entity.gone:
            yield 0, None
            yield 1, None
            return
        yield 0, msgspec.msgpack.encode([entity.text, entity.due_ms])
        if entity.note_changed:
            entity.note_changed = False
            yield 1, None if entity.note is None else entity.note.encode()


@pytest.fixture(scope="session")
def codec() -> Codec:
    codec = Codec()
    codec.prepare()
    return codec


@pytest.fixture
def make_host(codec: Codec, tmp_path: Path) -> Callable[..., Host]:
    """Hosts as a worker makes them, all topics of four partitions; nothing in them needs a broker until it is used."""

    def make(**changes: Any) -> Host:
        fields: dict[str, Any] = {
            "application": "app",
            "client_options": {},
            "full_name": lambda name: f"p-{name}",
            "partitions": dict.fromkeys(load_topics(), PARTITIONS),
            "ranks": RANK,
            "codec": codec,
            "folder": tmp_path / "states",
            "exactly_once": True,
            "grace_ms": 2_000,
            "idle_ms": 10_000,
            "wall_clock": True,
            "now_ms": lambda: 1_800_000_000_000,
            "version": "0.1",
        }
        return Host(**{**fields, **changes})

    return make


class Kafka:
    """The session's broker, with topics of this test's own."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.options: dict[str, Any] = {"bootstrap_servers": bootstrap}
        self.prefix = prefix
        self._consumers: dict[str, AIOKafkaConsumer] = {}
        self._admin = AIOKafkaAdminClient(**self.options)

    async def start(self) -> None:
        await self._admin.start()
        for isolation in ("read_committed", "read_uncommitted"):
            consumer = AIOKafkaConsumer(
                **self.options, isolation_level=isolation, enable_auto_commit=False, fetch_max_wait_ms=50
            )
            await consumer.start()
            self._consumers[isolation] = consumer

    async def stop(self) -> None:
        await self._admin.close()
        for consumer in self._consumers.values():
            await consumer.stop()

    async def create(self, name: str, partitions: int = 1) -> str:
        """A new topic; returns its full name once its partitions have leaders."""
        topic = self.prefix + name
        await self._admin.create_topics([NewTopic(topic, partitions, 1)])
        for number in range(partitions):
            await self.end(topic, number)
        return topic

    async def delete(self, topic: str) -> None:
        await self._admin.delete_topics([topic])

    async def delete_before(self, topic: str, offset: int) -> None:
        """Have a partition begin at an offset, as time does with old records."""
        await self._admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(offset)})

    async def read(
        self, topic: str, partition: int = 0, isolation: str = "read_committed"
    ) -> list[tuple[int, bytes | None, bytes | None]]:
        """(offset, key, value) of every record there is."""
        consumer, where = self._consumers[isolation], TopicPartition(topic, partition)
        end = await self.end(topic, partition, isolation)
        consumer.assign([where])
        consumer.seek(where, (await consumer.beginning_offsets([where]))[where])
        rows: list[tuple[int, bytes | None, bytes | None]] = []
        while await consumer.position(where) < end:
            fetched = await consumer.getmany(where, timeout_ms=1_000)
            rows += [(record.offset, record.key, record.value) for record in fetched.get(where, ())]
        return rows

    async def end(self, topic: str, partition: int = 0, isolation: str = "read_committed") -> int:
        """The offset after the last record; read committed, of those before the first open transaction."""
        where = TopicPartition(topic, partition)
        return (await self._consumers[isolation].end_offsets([where]))[where]

    async def settled(self, topic: str, partition: int = 0) -> None:
        """Return when no transaction is open: a commit is answered a moment before its records can be seen."""
        async with asyncio.timeout(20):
            while await self.end(topic, partition) < await self.end(topic, partition, "read_uncommitted"):
                pass


@pytest.fixture
async def kafka(broker: str, topic_prefix: str) -> AsyncIterator[Kafka]:
    kafka = Kafka(broker, topic_prefix)
    await kafka.start()
    yield kafka
    await kafka.stop()


@pytest.fixture
def make_players(make_host: Callable[..., Host], tmp_path: Path) -> Callable[..., list[Player]]:
    """Two players of the same playbooks: one has the rules apply everything, one what repeats without them."""
    runs = count()

    def make(playbooks: PlaybookSet, **changes: Any) -> list[Player]:
        run = next(runs)
        players = []
        for repeats in (False, True):
            host = make_host(partitions=dict.fromkeys(load_topics(), 1), repeats=repeats, **changes)
            players.append(Player(host, tmp_path / f"{run}-{repeats}", playbooks))
        return players

    return make


@pytest.fixture(scope="session")
def playbook_sets(tmp_path_factory: pytest.TempPathFactory) -> list[PlaybookSet]:
    folder = tmp_path_factory.mktemp("sets")
    return [
        load_playbooks(Path(write_files(folder / "one", {"one.toml": 'kind = "reengager"\n'}))),
        load_playbooks(Path(write_files(folder / "two", TWO))),
        load_playbooks(DEFAULTS),
    ]
