"""Cycles are collected where few objects were made, and nothing is looked through where many were."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from app.service import garbage

if TYPE_CHECKING:
    from collections.abc import Iterator


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def begun() -> Iterator[None]:
    garbage.begin()
    yield
    gc.unfreeze()
    gc.enable()
    gc.collect()


def made(objects: int) -> tuple[weakref.ref[Knot], list[list[int]]]:
    """A cycle nobody refers to, and so many objects that stay."""
    return weakref.ref(Knot()), [[] for _ in range(objects)]


def test_python_itself_does_not_look():
    knot, _kept = made(20 * garbage.MANY_OBJECTS)
    assert knot() is not None


def test_a_cycle_is_collected():
    knot, _kept = made(garbage.FEW_OBJECTS + 100)
    garbage.tidy_up()
    assert knot() is None


def test_few_objects_are_not_looked_through():
    knot, kept = made(100)
    garbage.tidy_up()
    assert knot() is not None
    kept += [[] for _ in range(garbage.FEW_OBJECTS)]
    garbage.tidy_up()
    assert knot() is None


def test_many_are_put_aside_and_go_when_nothing_refers_to_them():
    knot, kept = made(2 * garbage.MANY_OBJECTS)
    frozen, last = gc.get_freeze_count(), Knot()
    kept.append(last)
    went = weakref.ref(last)
    garbage.tidy_up()
    assert knot() is not None
    assert gc.get_freeze_count() >= frozen + 2 * garbage.MANY_OBJECTS
    last.itself = None
    del last, kept
    assert went() is None
