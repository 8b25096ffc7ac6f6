"""When a partition takes another batch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from app.runtime.partition import LARGE_BATCH, Partition, Phase
from app.runtime.processor import Processor
from tests.runtime.conftest import ThingCore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.runtime.processor import Host

INPUTS = ("score", "activity")


@pytest.fixture
async def partition(make_host: Callable[..., Host]) -> AsyncIterator[Partition]:
    """A partition that is ready, and has a commit under way."""
    core: Any = ThingCore
    processor = Processor(
        name="members", inputs=INPUTS, key_field="member_id", rerouted="internal-rerouted", make_core=core
    )
    made = Partition(make_host(), processor, 0, lambda *_: None, lambda: None)
    made._move(Phase.RESTORING)
    made.resume()
    decider: Any = SimpleNamespace(behind=False, sweeping=False, rest=(), position=made.position)
    made._decider = decider
    made._settled.clear()
    yield made
    await made.close()


def feed(partition: Partition, count: int) -> None:
    assert partition.merge is not None
    partition.merge.feed("activity", [(n, n, b"k", b"v") for n in range(count)], 2 * count, 0)


async def test_while_one_is_committed_a_small_batch_is_left_to_grow(partition: Partition):
    feed(partition, LARGE_BATCH - 1)
    assert not partition.has_room


async def test_a_large_one_is_decided_ahead(partition: Partition):
    feed(partition, LARGE_BATCH)
    assert partition.has_room


@pytest.mark.parametrize("why", ["behind", "sweeping"])
async def test_where_timers_are_worked_off_batch_after_batch_no_record_waits_for_the_last_of_them(
    partition: Partition, why: str
):
    feed(partition, 1)
    setattr(partition._decider, why, True)
    assert partition.has_room


async def test_not_a_second_one_before_the_first_was_accepted(partition: Partition):
    feed(partition, LARGE_BATCH)
    partition.lease()
    assert not partition.has_room
