"""What a worker runs: the processors, and what all of their partitions share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.runtime.held_back import HeldBack
from app.runtime.observer import Observer
from app.wire.topics import changelog_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rocksdict import Cache, WriteBufferManager

    from app.domain.entity import Core
    from app.wire.codec import Codec


@dataclass(frozen=True)
class Processor:
    """One kind of entity and the topics that feed it.

    Args:
        name: also the folder of its state and part of its transactional ids.
        inputs: topics by the contract's names, all with the same number of partitions; any order.
        key_field: the field of its input records that names the entity.
        rerouted: the one among its inputs that holds records on the way to their own partition; empty: none does, for
            no other system writes any of them.
        outputs_apart: its outputs have another key than its inputs, and lie in that key's partition.
        make_core: a new core, with its playbooks; called once for each partition opened.
    """

    name: str
    inputs: tuple[str, ...]
    key_field: str
    rerouted: str
    make_core: Callable[[], Core[Any]]
    outputs_apart: bool = False

    @property
    def changelog(self) -> str:
        """The contract's name of its changelog."""
        return changelog_of(self.name)


@dataclass(frozen=True)
class Host:
    """What every partition of a worker shares.

    Args:
        application: consumer group, and prefix of the transactional ids.
        client_options: keyword arguments of every Kafka client.
        full_name: the topic's name on the broker for the contract's name (adds the prefix).
        partitions: partition count by the contract's topic name.
        folder: where states lie; held by this worker alone.
        exactly_once: transactions, or at least once.
        grace_ms, idle_ms: contract 5 and 9.
        wall_clock: whether the wall clock moves the time of a drained partition.
        now_ms: the wall clock.
        version: Reengage's version, for the journal.
        block_cache, write_buffers: RocksDB's memory, shared by all partitions; None: each has its own.
        cached_states: decoded states kept in memory across batches, of each processor all partitions together.
        repeats: activities that repeat are applied without the rules, where that is compiled; see `repeating.py`.
        standbys: how many workers should stand by for each unit; 0: this one does for none.
    """

    application: str
    # They hold a password.
    client_options: dict[str, Any] = field(repr=False)
    full_name: Callable[[str], str]
    partitions: Mapping[str, int]
    ranks: Mapping[str, int]
    codec: Codec
    folder: Path
    exactly_once: bool
    grace_ms: int
    idle_ms: int
    wall_clock: bool
    now_ms: Callable[[], int]
    version: str
    block_cache: Cache | None = None
    write_buffers: WriteBufferManager | None = None
    cached_states: int = 200_000
    repeats: bool = True
    standbys: int = 0
    crash_point: Callable[[str], None] = field(default=lambda _step: None)
    """Called with the name of each step of a commit; tests of faults end the process in it."""
    observer: Observer = field(default_factory=Observer)
    held_back: HeldBack = field(default_factory=HeldBack)
    backlog: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a large batch is decided: what is decided of several at a time would lie in memory and then be sent at once."""
