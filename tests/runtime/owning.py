"""Owners of a partition, one after the other, against a real broker: what restore and standbys are tested with."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from rocksdict import DbClosedError

from app.domain.entity import NEVER_MS
from app.runtime.restore import restore
from app.runtime.store import Store
from app.runtime.writer import Outgoing, Writer
from tests.runtime.conftest import Thing, ThingCore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runtime.conftest import Kafka

SomeStore = Store[Thing]


class Owner:
    """One owner of a partition after the other: each works, writes its changelog, and leaves its folder behind."""

    def __init__(self, kafka: Kafka, changelog: str, folder: Path) -> None:
        self.kafka = kafka
        self.changelog = changelog
        self.folder = folder
        self.emptied: list[bool] = []
        self.progress: list[tuple[int, int]] = []
        self._stores: list[SomeStore] = []
        self._writer: Writer | None = None

    def open_store(self, emptied: bool) -> SomeStore:
        """As a partition opens its store: in its folder, which is emptied first when it has to be rebuilt."""
        self.emptied.append(emptied)
        if emptied:
            shutil.rmtree(self.folder)
        self.folder.mkdir(exist_ok=True)
        store = Store(self.folder, ThingCore())
        self._stores.append(store)
        return store

    async def writer(self) -> Writer:
        """This owner's writer, which fences those before."""
        if self._writer is not None:
            await self._writer.close()
        self._writer = Writer(self.kafka.options, f"{self.kafka.prefix}members-0", self.changelog, 0)
        await self._writer.open()
        return self._writer

    async def work(self, store: SomeStore, *batches: dict[str, tuple[str, int] | None]) -> list[int]:
        """Commit batches of texts and due times (None: the entity goes), and write them; returns the ends."""
        writer = self._writer or await self.writer()
        ends = []
        for batch in batches:
            for key, change in batch.items():
                thing = store.get(key) or Thing(key)
                if change is None:
                    thing.gone = True
                else:
                    thing.text, thing.due_ms = change
                    thing.indexed_due_ms = thing.due_ms
                    if thing.due_ms != NEVER_MS:
                        store.deadlines.put(thing.due_ms, key)
                store.keep(thing)
            parts = store.encode()
            sealed = store.seal()
            position = f"after {len(batch)}".encode()
            ends.append(await writer.commit(Outgoing({}, list(parts.items()), position)))
            store.write(sealed, position, ends[-1])
            for key, change in batch.items():
                if change is None:
                    store.drop(key)
        return ends

    async def restore(self, *, settled: bool = True) -> tuple[SomeStore, int]:
        """As a new owner does, which has fenced the one before: nothing of it is open any more."""
        if settled:
            await self.kafka.settled(self.changelog)
        return await restore(
            self.kafka.options,
            self.changelog,
            0,
            self.open_store,
            lambda done, total: self.progress.append((done, total)),
        )

    async def stop(self) -> None:
        if self._writer is not None:
            await self._writer.close()
        for store in self._stores:
            with suppress(DbClosedError):
                store.close()


def texts(store: SomeStore, *keys: str) -> list[str | None]:
    found = [store.get(key) for key in keys]
    return [None if thing is None else thing.text for thing in found]


def drain(store: SomeStore) -> list[tuple[int, str]]:
    due = []
    while (entry := store.deadlines.first()) is not None:
        due.append(entry)
        store.deadlines.pop()
    return due
