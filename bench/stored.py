"""Members in a store, most of whom nothing happens to: what an event of the others costs, and what a member takes up.

The members something happens to are the same ones in a store of any size, spread evenly among the others. Each store
is opened in a process of its own, so that memory and processor time are that store's alone.
"""

from __future__ import annotations

import multiprocessing
import time
from contextlib import contextmanager, suppress
from itertools import cycle
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import psutil
from rocksdict import AccessType, Cache, Rdict

from app.domain.events import Activity
from app.domain.members import MemberCore
from app.playbooks.loader import DEFAULTS, load_playbooks
from app.runtime.database import open_options
from app.runtime.merge import MAX_BATCH
from app.runtime.store import Store
from app.service import garbage
from bench.lives import changelog_bytes, id_of, rows_of
from bench.playbooks import START_MS, Contender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from bench.lives import Parts

ACTIVE = 100_000
"""Members something happens to, where so many are stored."""

STEP_MS = 5
"""Between two events, as in the drain."""

WRITTEN_AT_ONCE = 5_000
BLOCK_CACHE_BYTES = 64 << 20
"""As a worker has unless told otherwise."""


class Size(NamedTuple):
    """What a store of `members` takes up.

    `disk_bytes`: in RocksDB, compacted; `changelog_bytes`: in a changelog that is fully compacted; `readers_bytes`: memory
    RocksDB holds for the filters and indexes of its files; `build_s`: how long it took to write and to compact.
    """

    members: int
    disk_bytes: int
    changelog_bytes: int
    readers_bytes: int
    build_s: float


class Round(NamedTuple):
    """Microseconds an event took in one round: by the clock, of processor time, of that of the deciding thread alone.

    The first two hold what RocksDB does meanwhile in threads of its own. `rss_bytes`: the process's memory afterwards.
    """

    wall_us: float
    cpu_us: float
    own_us: float
    rss_bytes: int


class Cost(NamedTuple):
    """The medians of the rounds of a store of one size."""

    size: Size
    wall_us: float
    cpu_us: float
    own_us: float
    rss_bytes: int

    @classmethod
    def of(cls, size: Size, rounds: Iterable[Round]) -> Cost:
        """Of its rounds."""
        wall, cpu, own, rss = zip(*rounds, strict=True)
        return cls(size, median(wall), median(cpu), median(own), max(rss))


def steepness(costs: Iterable[Cost], least: int = ACTIVE) -> float:
    """How many times as much processor time an event takes at the dearest size as at the cheapest, from `least` on."""
    dearest_first = sorted((cost.cpu_us for cost in costs if cost.size.members >= least), reverse=True)
    return dearest_first[0] / dearest_first[-1] if dearest_first else 1.0


def measure_stored(
    folder: Path,
    models: list[Parts],
    sizes: Sequence[int],
    events: int,
    rounds: int,
    say: Callable[[str], None],
) -> list[Cost]:
    """Build a store of each size, then have them work in turn. Blocks.

    One round before those that count fills the caches. `events` are a round's; there should be as many as active members.
    """
    built = []
    for size in sizes:
        say(f"storing {size:,} members")
        built.append(build(folder / f"{size}", size, models))
    found: list[list[Round]] = [[] for _ in sizes]
    with served([(folder / f"{size}", size) for size in sizes], events) as stores:
        for number in range(rounds + 1):
            for store, size, kept in zip(stores, sizes, found, strict=True):
                say(f"round {number} of {rounds}: {events:,} events with {size:,} members stored")
                kept.append(store.round())
    return [Cost.of(size, kept[1:]) for size, kept in zip(built, found, strict=True)]


def build(folder: Path, members: int, models: list[Parts]) -> Size:
    """Write a store of so many members, as a restore does, have RocksDB compact it, and look at it. Blocks."""
    started_s = time.monotonic()
    folder.mkdir()
    store = Store(folder, MemberCore(load_playbooks(DEFAULTS)), Cache(BLOCK_CACHE_BYTES))
    for first in range(0, members, WRITTEN_AT_ONCE):
        last = min(first + WRITTEN_AT_ONCE, members)
        store.restore([row for number in range(first, last) for row in rows_of(number, models)], last)
    store.close()
    with Rdict(str(folder), options=open_options()) as written:
        written.compact_range(None, None)
    build_s = time.monotonic() - started_s
    with Rdict(str(folder), options=open_options(), access_type=AccessType.read_only()) as written:
        readers_bytes = written.property_int_value("rocksdb.estimate-table-readers-mem") or 0
    disk_bytes = sum(file.stat().st_size for file in folder.iterdir())
    return Size(members, disk_bytes, round(members * changelog_bytes(models)), readers_bytes, build_s)


def active_events(members: int) -> Iterator[Activity]:
    """Activities of the active members in turn, from the start of the bench on."""
    for number, member in enumerate(cycle(range(min(members, ACTIVE)))):
        yield Activity(
            event_id=f"e{number}",
            member_id=id_of(member),
            occurred_at=START_MS + number * STEP_MS,
            type="article.read",
            channel="APP",
        )


def serve(folder: Path, members: int, events: int, connection: Connection) -> None:
    """The process of one store: a round of so many events for each True received, until there is a False."""
    playbooks, cache = load_playbooks(DEFAULTS), Cache(BLOCK_CACHE_BYTES)
    partition = Contender(folder, playbooks, active_events(members), cache=cache)
    garbage.begin()
    size = min(events, MAX_BATCH)
    while connection.recv():
        work = partition.prepared(size, events // size)
        started = _clocks()
        partition.apply(work)
        spent_us = [
            (end - start) / (size * len(work)) * 1e6 for start, end in zip(started, _clocks(), strict=True)
        ]
        connection.send(Round(*spent_us, psutil.Process().memory_info().rss))
    partition.close()


def _clocks() -> tuple[float, float, float]:
    return time.perf_counter(), time.process_time(), time.thread_time()


class Served:
    """A store opened in a process of its own."""

    def __init__(self, folder: Path, members: int, events: int) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._connection, theirs = spawning.Pipe()
        self._process = spawning.Process(target=serve, args=(folder, members, events, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def round(self) -> Round:
        """Have it do one round. EOFError when it has died."""
        self._connection.send(True)
        found: Round = self._connection.recv()
        return found

    def close(self) -> None:
        """Let it end."""
        with suppress(BrokenPipeError):
            self._connection.send(False)
        self._process.join()


@contextmanager
def served(places: Iterable[tuple[Path, int]], events: int) -> Iterator[list[Served]]:
    """Stores, each given as folder and number of members, open until the end."""
    stores = [Served(folder, members, events) for folder, members in places]
    try:
        yield stores
    finally:
        for store in stores:
            store.close()
