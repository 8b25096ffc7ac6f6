"""Bringing silent entities under changed playbooks, a slice of them with each batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.engine import NO_BUGS, Engine, TimerFailed

if TYPE_CHECKING:
    from app.runtime.store import Store

SWEEP_SLICE = 500
"""Entities visited in one batch."""


def sweep(engine: Engine[Any], store: Store[Any], swept_to: str | None) -> str | None:
    """Visit the next entities after `swept_to`; returns how far, None when all have been visited (or were before).

    Raises TimerFailed when the rules fail for one.
    """
    if swept_to is None:
        return None
    keys = store.keys_after(swept_to, SWEEP_SLICE)
    for key in keys:
        entity = store.get(key)
        if entity is not None and key not in engine.spoilt:
            try:
                engine.rearm(entity)
            except NO_BUGS:
                raise
            except Exception as bug:
                raise TimerFailed(key) from bug
    return keys[-1] if len(keys) == SWEEP_SLICE else None
