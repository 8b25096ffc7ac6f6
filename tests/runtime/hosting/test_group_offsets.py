"""Writing the group's offsets, for show, while the coordinator does not answer."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import GroupCoordinatorNotAvailableError

from app.runtime.hosting.membership import Membership

HERE = TopicPartition("t", 0)


class Coordinator:
    """Stands for aiokafka's consumer, which shields its requests: they go on when nobody waits for them."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[None]] = []
        self.asked = asyncio.Event()

    async def commit(self, _offsets: dict[TopicPartition, int]) -> None:
        self.answers.append(asyncio.get_running_loop().create_future())
        self.asked.set()
        await asyncio.shield(self._ask(self.answers[-1]))

    async def _ask(self, answer: asyncio.Future[None]) -> None:
        await answer


@pytest.fixture
async def membership() -> Membership:
    made = Membership({"bootstrap_servers": "127.0.0.1:1"}, "g", None)
    made._consumer = Coordinator()
    return made


async def test_what_fails_when_nobody_waits_any_more_is_not_logged(membership):
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(membership.commit({HERE: 1}), 0.01)
    membership._consumer.answers[0].set_exception(GroupCoordinatorNotAvailableError())
    await asyncio.wait([membership._commit])
    membership._commit = None
    gc.collect()
    await asyncio.sleep(0)
    asyncio.get_running_loop().set_exception_handler(None)
    assert not complaints


async def test_one_is_under_way_at_a_time(membership):
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(membership.commit({HERE: 1}), 0.01)
    assert len(membership._consumer.answers) == 1
    membership._consumer.answers[0].set_result(None)
    await asyncio.wait([membership._commit])
    membership._consumer.asked.clear()
    waiting = asyncio.create_task(membership.commit({HERE: 2}))
    await membership._consumer.asked.wait()
    membership._consumer.answers[1].set_result(None)
    await waiting


async def test_whoever_waits_hears_of_it(membership):
    waiting = asyncio.create_task(membership.commit({HERE: 1}))
    await membership._consumer.asked.wait()
    membership._consumer.answers[0].set_exception(GroupCoordinatorNotAvailableError())
    with pytest.raises(GroupCoordinatorNotAvailableError):
        await waiting
