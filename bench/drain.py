"""One drain: events loaded beforehand, a contender started on them, its outputs checked and its rate taken."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bench.load import load
from bench.oracle import expect_workload
from bench.outputs import Outputs, judge, read_outputs
from bench.site import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.generate import Workload
    from bench.site import Site


STEADY_S = 1.0
"""A shorter time of steady work says nothing."""


class Ran(Protocol):
    """What did the work: a process that has ended, or several (`process.Contender`, `fleet.Fleet`)."""

    @property
    def seconds(self) -> float:
        """From its start to its end."""

    @property
    def peak_rss_bytes(self) -> int:
        """The most memory it held at once."""

    def cpu_s(self, from_ms: float, to_ms: float) -> float:
        """Processor time used between two instants (epoch ms)."""


@dataclass(frozen=True)
class Drain:
    """What one drain came to.

    Attributes:
        system: the contender.
        guarantee: `exactly_once` or `at_least_once`.
        events, members: of the workload.
        outputs: records written to the output topics.
        steady_events: events applied
        seconds: in this time, from when each partition had put something out to the last output, by append times.
        wall_s: from the start of the process until everything was applied, start-up included.
        core_s: processor time of the process and its children within `seconds`.
        peak_rss_mb: the most memory they held at once, in MiB.
        wrong: what differs from the oracle; empty: exact.
    """

    system: str
    guarantee: str
    events: int
    members: int
    outputs: int
    steady_events: int
    seconds: float
    wall_s: float
    core_s: float
    peak_rss_mb: float
    wrong: tuple[str, ...]

    @property
    def events_per_s(self) -> float | None:
        """Drain rate by the broker's append times; None when there were too few events to tell."""
        return self._steady_rate(self.seconds)

    @property
    def events_per_wall_s(self) -> float:
        """Drain rate with start-up."""
        return self.events / self.wall_s

    @property
    def events_per_core_s(self) -> float | None:
        """Events for each second of processor time; None as above."""
        return self._steady_rate(self.core_s)

    def _steady_rate(self, seconds: float) -> float | None:
        if self.seconds < STEADY_S or self.steady_events < self.events / 2:
            return None
        return self.steady_events / seconds

    def as_json(self) -> dict[str, Any]:
        """For `--json`: the fields, and the rates made of them."""
        return asdict(self) | {
            "events_per_s": self.events_per_s,
            "events_per_wall_s": self.events_per_wall_s,
            "events_per_core_s": self.events_per_core_s,
        }


def measure_drain(
    site: Site,
    system: str,
    workload: Workload,
    run: Callable[[Site, int], Ran],
    say: Callable[[str], None],
    *,
    silent_timers: bool = True,
    partitions: int = PARTITIONS,
    end_ms: int | None = None,
) -> Drain:
    """Load the workload, have `run` apply it, and see what came of it.

    Args:
        site: fresh.
        system: the contender's name.
        workload: the events.
        run: takes the site and the number of events, and returns when all are applied and the process has ended.
        say: takes what is being done, for people.
        silent_timers: see `oracle.expect`.
        partitions: of the site's topics.
        end_ms: instant of the last event; None: the moment of the call.
    """
    end_ms = end_ms or time.time_ns() // 1_000_000
    say(f"{system}: loading {workload.events:,} events")
    asyncio.run(load(site, workload.activities(end_ms), partitions))
    say(f"{system}: {site.guarantee}, applying {workload.events:,} events")
    contender = run(site, workload.events)
    say(f"{system}: checking its outputs")
    outputs: Outputs = asyncio.run(read_outputs(site, partitions))
    expected = expect_workload(workload, end_ms, partitions, silent_timers=silent_timers)
    return Drain(
        system=system,
        guarantee=site.guarantee,
        events=workload.events,
        members=workload.members,
        outputs=outputs.total,
        steady_events=workload.events - outputs.applied_by(outputs.first_ms),
        seconds=(outputs.last_ms - outputs.first_ms) / 1000,
        wall_s=contender.seconds,
        core_s=contender.cpu_s(outputs.first_ms, outputs.last_ms),
        peak_rss_mb=contender.peak_rss_bytes / 2**20,
        wrong=tuple(judge(expected, outputs).words()),
    )
