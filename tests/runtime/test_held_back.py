"""A worker that was told to stay away takes it that it will be told again, for a while."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.runtime import held_back as module
from app.runtime.held_back import LATELY_S, HeldBack


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now_s=1_000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


def test_who_was_told_nothing_is_not_careful(clock: SimpleNamespace):
    assert not HeldBack().lately


def test_it_is_over_some_time_after_the_wait(clock: SimpleNamespace):
    held = HeldBack()
    held.note(10.0)
    clock.now_s += 10 + LATELY_S - 1
    assert held.lately
    clock.now_s += 2
    assert not held.lately


def test_a_shorter_wait_does_not_end_a_longer_one(clock: SimpleNamespace):
    held = HeldBack()
    held.note(100.0)
    held.note(1.0)
    clock.now_s += LATELY_S + 50
    assert held.lately
