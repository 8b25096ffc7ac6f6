"""The timers of one entity: what it waits for, in the order in which it will happen (contract 5).

A timer is a plain tuple (due_ms, name, playbook, ref), so that sorting timers gives the order of firing. `name` is
what outputs call it (`cause` = `timer:<name>`). `playbook` and `ref` (a workflow, engagement or nudge) say whose it
is; both are empty for a timer of the entity itself. An entity has at most one timer of a name, playbook and ref.
"""

from __future__ import annotations

from bisect import insort

Timer = tuple[int, str, str, str]


def arm(timers: list[Timer], due_ms: int, name: str, playbook: str = "", ref: str = "") -> None:
    """Have the timer fire at `due_ms`; one that is armed already is moved, earlier or later."""
    timer = (due_ms, name, playbook, ref)
    place = _find(timers, name, playbook, ref)
    if place is None:
        insort(timers, timer)
    elif len(timers) == 1:
        timers[0] = timer
    else:
        del timers[place]
        insort(timers, timer)


def cancel(timers: list[Timer], name: str, playbook: str = "", ref: str = "") -> None:
    """Have the timer not fire; nothing happens when it is not armed."""
    place = _find(timers, name, playbook, ref)
    if place is not None:
        del timers[place]


def cancel_all(timers: list[Timer], playbook: str) -> None:
    """Cancel every timer of one playbook."""
    timers[:] = [timer for timer in timers if timer[2] != playbook]


def _find(timers: list[Timer], name: str, playbook: str, ref: str) -> int | None:
    """Place of a timer. A member has a handful of them, so looking at each beats keeping an index of them."""
    for place, timer in enumerate(timers):
        if timer[1] == name and timer[2] == playbook and timer[3] == ref:
            return place
    return None
