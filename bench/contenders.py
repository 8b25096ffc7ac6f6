"""Who is measured: each system under each guarantee it has, with what the bench must know of it to be fair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from bench import plain_faust, quix, reengage, streams
from bench.group import run_until_committed

if TYPE_CHECKING:
    from bench.process import Contender
    from bench.site import Site

Start = Callable[["Site"], "Contender"]


class Guarantee(StrEnum):
    """Of the outputs, and so of the state."""

    EXACTLY_ONCE = "exactly_once"
    AT_LEAST_ONCE = "at_least_once"


class System(StrEnum):
    """What can be measured, by the name the command line knows it by."""

    REENGAGE = "reengage"
    PLAIN_FAUST = "plain-faust"
    QUIX = "quix"
    KAFKA_STREAMS = "kafka-streams"


@dataclass(frozen=True)
class Entry:
    """One system under one guarantee and one setting: a row of each table.

    Attributes:
        system: whose it is.
        name: for people; tells settings of one system apart.
        guarantee: under which it runs.
        start: makes the process, not yet started, that works until it is told to stop.
        start_draining: the same, or one that ends by itself once everything is applied.
        ends: whether `start_draining` ends by itself.
        silent_timers: whether it looks at members whose events have stopped.
        small: whether it takes fewer events, being too slow for all.
    """

    system: System
    name: str
    guarantee: Guarantee
    start: Start
    start_draining: Start
    ends: bool = False
    silent_timers: bool = False
    small: bool = False

    def drain(self, site: Site, events: int) -> Contender:
        """Have it apply everything; returns the ended process. Blocks. Raises UserError `contender-failed`."""
        if self.ends:
            return reengage.drain(site, events)
        return run_until_committed(site, self.start_draining(site), events)


def _entries() -> tuple[Entry, ...]:
    once, at_least = Guarantee.EXACTLY_ONCE, Guarantee.AT_LEAST_ONCE
    own = Entry(
        System.REENGAGE,
        reengage.NAME,
        once,
        reengage.worker,
        reengage.draining,
        ends=True,
        silent_timers=True,
    )
    faust = Entry(
        System.PLAIN_FAUST, plain_faust.NAME, once, plain_faust.worker, plain_faust.worker, small=True
    )
    java = Entry(System.KAFKA_STREAMS, streams.NAME, once, streams.worker, streams.worker)
    often = partial(quix.worker, commit_ms=quix.SHORT_COMMIT_MS)
    short = f"{quix.NAME}, {quix.SHORT_COMMIT_MS} ms"
    default = Entry(System.QUIX, quix.NAME, once, quix.worker, quix.worker)
    return (
        own,
        replace(own, guarantee=at_least),
        faust,
        replace(faust, guarantee=at_least),
        default,
        replace(default, name=short, start=often, start_draining=often),
        replace(default, guarantee=at_least),
        java,
        replace(java, guarantee=at_least),
    )


ENTRIES = _entries()

_PREPARE: dict[System, Callable[[], None]] = {
    System.QUIX: quix.prepare,
    System.KAFKA_STREAMS: streams.prepare,
}
_VERSIONS: dict[System, Callable[[], dict[str, str]]] = {
    System.QUIX: quix.versions,
    System.KAFKA_STREAMS: streams.versions,
}


def prepare(system: System) -> dict[str, str]:
    """Make or find what a system needs beyond Reengage's own packages; returns the versions of that, by name.

    Blocks, the first time on a machine for a download. Raises UserError `no-maven`, `streams-not-built` or
    `quix-not-installed`.
    """
    _PREPARE.get(system, lambda: None)()
    return _VERSIONS.get(system, dict)()
