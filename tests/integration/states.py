"""The states behind the outputs: what the changelogs hold in the end is what `simulate` has in memory, byte for byte.

Only how it is stored is left out: the due time that heads part 0 moves lazily, and at least once what was applied
stands beside it.
"""

import asyncio
from collections.abc import Mapping

from aiokafka import TopicPartition
from rocksdict import Rdict

from app.domain.entity import NEVER_MS
from app.runtime.database import open_options
from app.runtime.layout import ENTITY, POSITION_KEY, deadline_key, part_key, split_part_key
from app.runtime.store import _HEAD
from app.tools.committed import committed_reader
from app.tools.world import PROCESSORS, World
from app.wire.topics import changelog_of
from tests.integration.deployment import Deployment

Rows = dict[bytes, bytes]
"""Stored values by key."""

Unit = tuple[str, int]
"""(processor, partition)."""


def assert_states_equal(deployment: Deployment, world: World) -> None:
    """Every part of every entity is in the changelog as it is in `world`, which has been through the same; and no other."""
    expected = _in_memory(world)
    stored = {
        (unit, *split_part_key(key)): _body(key, value)
        for unit, rows in changelogs(deployment).items()
        for key, value in rows.items()
        if key[:1] == ENTITY
    }
    assert bool(stored) == bool(expected)
    wrong = [place for place in expected.keys() | stored.keys() if expected.get(place) != stored.get(place)]
    (first, *_) = sorted(wrong) or [None]
    assert first is None, (
        f"{len(wrong)} of {len(stored)} stored parts differ; (unit, part, entity) {first}:\n"
        f"expected {expected.get(first)!r}\nstored   {stored.get(first)!r}"
    )


def assert_folder_holds_the_changelog(deployment: Deployment, data: str = "data") -> None:
    """What a stopped worker that owned everything last has on its disk: the changelogs, and a deadline for who waits."""
    for (processor, number), rows in changelogs(deployment).items():
        held = _on_disk(deployment, data, processor, number)
        assert {key: value for key, value in held.items() if key[:1] == ENTITY or key == POSITION_KEY} == rows
        for key, value in rows.items():
            if key[:2] == part_key(0, "") and (due_ms := _HEAD.unpack_from(value)[0]) != NEVER_MS:
                assert deadline_key(due_ms, split_part_key(key)[1]) in held


def changelogs(deployment: Deployment) -> dict[Unit, Rows]:
    """What each unit's changelog amounts to: of every key the last committed value, unless it was deleted."""

    async def read() -> dict[Unit, Rows]:
        prefix = deployment.prefix
        places = {
            TopicPartition(prefix + changelog_of(processor), number): (processor, number)
            for processor in PROCESSORS
            for number in range(deployment.partitions)
        }
        found: dict[Unit, Rows] = {unit: {} for unit in places.values()}
        settings = deployment.settings()
        async with committed_reader(settings, places, from_beginning=True, until_end=True) as reader:
            async for record in reader.each():
                rows = found[places[TopicPartition(record.topic, record.partition)]]
                assert record.key is not None
                if record.value is None:
                    rows.pop(record.key, None)
                else:
                    rows[record.key] = record.value
        return found

    return asyncio.run(read())


def _in_memory(world: World) -> Mapping[tuple[Unit, int, str], bytes]:
    """The parts of every entity in the world; nothing of it has been dumped before, so a dump gives them all."""
    found = {}
    assert not any(engine.entities.by_key for engine in world._everyone.values())  # type: ignore[attr-defined]
    for (processor, number), engine in world._partitions.items():
        for key, entity in engine.entities.by_key.items():  # type: ignore[attr-defined]
            for part, body in engine.core.dump(entity):
                if body is not None:
                    found[(processor, number), part, key] = body
    return found


def _body(key: bytes, value: bytes) -> bytes:
    if split_part_key(key)[0]:
        return value
    return value[_HEAD.size + _HEAD.unpack_from(value)[1] :]


def _on_disk(deployment: Deployment, data: str, processor: str, number: int) -> Rows:
    database = Rdict(str(deployment.folder / data / processor / str(number)), options=open_options())
    try:
        return dict(database.items())
    finally:
        database.close()
