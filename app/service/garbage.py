"""What a worker does about Python's garbage, in place of what Python does by itself.

A batch leaves no cycles of objects behind, and a member kept in memory has none. Python looks for some whenever so many
objects were made: often, at a cost to every event, or seldom, and then everything stands still for 0.2 s.
"""

from __future__ import annotations

import asyncio
import gc

EVERY_S = 2.0
"""How often it is looked whether there are many new objects."""

FEW_OBJECTS = 5_000
"""So few new ones since the last time are not looked through."""

MANY_OBJECTS = 10_000
"""Nor are more than these: with a backlog it took 50 to 100 ms every time, and not one cycle was found in a million events."""


def begin() -> None:
    """From here on nobody looks for cycles but `look_for_cycles`. Objects made so far live as long as the process."""
    gc.collect()
    gc.freeze()
    gc.disable()


async def look_for_cycles() -> None:
    """Tidy up now and then, until cancelled."""
    while True:
        await asyncio.sleep(EVERY_S)
        tidy_up()


def tidy_up() -> None:
    """Collect the cycles among the objects made since the last time, if they are neither few nor many.

    Many are put aside unseen, at no cost: they go as all objects do when nothing refers to them any more, but a cycle of
    them stays.
    """
    made = gc.get_count()[0]
    if made > MANY_OBJECTS:
        gc.freeze()
    elif made > FEW_OBJECTS:
        gc.collect(0)
