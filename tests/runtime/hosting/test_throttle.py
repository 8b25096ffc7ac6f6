"""Staying away for as long as a cluster says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.runtime.hosting import throttle
from app.runtime.hosting.throttle import Throttle


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time that passes only while something sleeps."""
    clock = SimpleNamespace(now_s=100.0)

    async def sleep(seconds: float) -> None:
        clock.now_s += seconds

    monkeypatch.setattr(throttle, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(throttle, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


async def test_the_longest_that_was_said_is_waited_for_and_each_is_told(clock: SimpleNamespace):
    told: list[float] = []
    held = Throttle(told.append)
    for said_ms in (3_000, 0, 1_000):
        held.note(said_ms)
    assert told == [3.0, 1.0]
    await held.wait()
    assert clock.now_s == 103.0


async def test_nobody_waits_for_what_is_over_or_was_never_said(clock: SimpleNamespace):
    held = Throttle(throttle.unobserved)
    await held.wait()
    held.note(2_000)
    clock.now_s += 5
    await held.wait()
    assert clock.now_s == 105.0
