"""Several workers of one group as one contender: started together, ended when nothing is left for any of them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from bench.drain import measure_drain
from bench.reengage import PATIENCE_S, SLOWEST_EVENTS_PER_S, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.drain import Drain, Ran
    from bench.generate import Workload
    from bench.process import Contender
    from bench.site import Site

JOIN_TOGETHER = {"group.initial.rebalance.delay.ms": "3000"}
"""For a broker of our own: workers started together get their shares in one go, as on any other cluster."""


class Shared(NamedTuple):
    """A drain by so many workers of topics of so many partitions."""

    workers: int
    partitions: int
    drain: Drain


class Fleet:
    """Workers that have ended, added up; satisfies `drain.Ran`."""

    def __init__(self, workers: Sequence[Ran]) -> None:
        self._workers = workers

    @property
    def seconds(self) -> float:
        """Until the last one ended."""
        return max(each.seconds for each in self._workers)

    @property
    def peak_rss_bytes(self) -> int:
        """The most memory one of them held: what a machine needs for each."""
        return max(each.peak_rss_bytes for each in self._workers)

    def cpu_s(self, from_ms: float, to_ms: float) -> float:
        """Processor time of all of them between two instants (epoch ms)."""
        return sum(each.cpu_s(from_ms, to_ms) for each in self._workers)


def drain(site: Site, events: int, workers: int) -> Fleet:
    """Run so many `reengage worker --until-drained`, each with a state folder of its own. Blocks until all have ended.

    Raises UserError `contender-failed` when one fails, or is slower than anything worth measuring.
    """
    running: list[Contender] = []
    with ExitStack() as stack:
        for number in range(workers):
            own = replace(site, folder=site.folder / f"worker-{number}")
            own.folder.mkdir()
            running.append(stack.enter_context(worker(own, "--until-drained")))
        for each in running:
            each.wait(PATIENCE_S + events / SLOWEST_EVENTS_PER_S)
    return Fleet(running)


def measure_shared(
    site: Site, workload: Workload, workers: int, partitions: int, say: Callable[[str], None]
) -> Shared:
    """Have so many workers drain a fresh site of so many partitions; see `drain.measure_drain`. Blocks."""
    name = f"{workers} x {partitions}"
    run = partial(drain, workers=workers)
    return Shared(workers, partitions, measure_drain(site, name, workload, run, say, partitions=partitions))
