"""Ending a producer whose own end was cut short."""

import asyncio
from types import SimpleNamespace

import pytest

from app.runtime.hosting.producing import abandon


def producer_whose_connections_end_with(future):
    async def close():
        await future

    part = SimpleNamespace(close=close)
    return SimpleNamespace(_sender=part, client=part)


async def test_connections_that_were_cancelled_do_not_cancel_who_lets_them_go():
    cancelled = asyncio.get_running_loop().create_future()
    cancelled.cancel()
    await abandon(producer_whose_connections_end_with(cancelled))


async def test_who_lets_them_go_can_be_cancelled():
    task = asyncio.create_task(
        abandon(producer_whose_connections_end_with(asyncio.get_running_loop().create_future()))
    )
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
