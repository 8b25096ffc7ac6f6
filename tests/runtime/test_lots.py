"""At least once, no crash in the middle of a commit leaves half an entity in the changelog (the broker is played here)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.runtime import writer as module
from app.runtime.hosting import producer, record_batch
from app.runtime.layout import entity_of, part_key
from app.runtime.writer import Outgoing, Writer

if TYPE_CHECKING:
    from app.runtime.hosting.record_batch import Row

CHANGELOG = ("changelog", 0)
ROOM = 1_000


class Log:
    """Plays the producer: what was sent, in the record batches a real one would make of it."""

    def __init__(self) -> None:
        self.batches: list[list[Row]] = []
        self._builder = producer.Producer({"bootstrap_servers": "127.0.0.1:1"}, None, 1_000)

    async def send(self, rows: dict[Any, list[Row]]) -> dict[Any, int]:
        for where, all_rows in rows.items():
            start = 0
            while start < len(all_rows):
                length = self._builder._fill(where, all_rows, start).length
                self.batches.append(all_rows[start : start + length])
                start += length
        return dict.fromkeys(rows, 0)


@pytest.fixture
async def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setattr(module, "MAX_BATCH_BYTES", ROOM)
    monkeypatch.setattr(record_batch, "MAX_BATCH_BYTES", ROOM)
    return Log()


async def commit(log: Log, states: list[Row]) -> list[list[Row]]:
    """Commit a batch of these states; returns the record batches they went into."""
    writer = Writer({"bootstrap_servers": "127.0.0.1:1"}, None, *CHANGELOG)
    writer._producer = log  # type: ignore[assignment]
    await writer.commit(Outgoing({}, states, b"position"))
    assert len(log.batches[-1]) == 1, "the position comes last, alone"
    return log.batches[:-1]


def states_of(parts: list[int], size: int, entities: int = 30) -> list[Row]:
    """Each part of all the entities, one part after the other, as slices of a batch leave them."""
    return [(part_key(part, f"m{number}"), b"x" * size) for part in parts for number in range(entities)]


async def test_all_parts_of_an_entity_go_into_one_record_batch(log: Log):
    states = states_of([2, 1, 0], 90)
    batches = await commit(log, states)
    assert len(batches) > 5
    assert sorted(row for batch in batches for row in batch) == sorted(states)
    assert sum(len({entity_of(key or b"") for key, _ in batch}) for batch in batches) == 30


async def test_what_goes_into_one_stays_as_it_is(log: Log):
    states = states_of([2, 0], 10, entities=5)
    assert await commit(log, states) == [states]


async def test_of_one_larger_than_that_part_0_comes_last(log: Log):
    states = states_of([2, 1, 0], 700, entities=2)
    batches = await commit(log, states)
    assert [key for batch in batches for key, _ in batch] == [
        part_key(part, f"m{number}") for number in (0, 1) for part in (2, 1, 0)
    ]


async def test_without_states_the_position_is_all(log: Log):
    assert await commit(log, []) == []
