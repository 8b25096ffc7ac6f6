"""What Reengage promises against the other contenders and by itself, and whether a run of the bench reached it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from bench import plain_faust, quix, reengage, streams
from bench.report import Target
from bench.site import SESSION_TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.drain import Drain
    from bench.kills import Kills
    from bench.latency import Latency

ONCE, AT_LEAST = "exactly_once", "at_least_once"

DRAIN_PER_S = 30_000
PEAK_MB = 500
TIMES_FAUST = 10
TIMES_STREAMS = 1
TIMES_QUIX = 2
APART_PERCENT = 30
P50_MS, P99_MS = 10, 40
Row = TypeVar("Row", "Drain", "Latency", "Kills")

RECOVERY_S = SESSION_TIMEOUT_MS / 1000 + 2


def drain_targets(drains: Sequence[Drain]) -> Iterator[Target]:
    """Of the drains: Reengage's own, and its ratios to those others that were measured too."""
    ours = _of(drains, reengage.NAME, ONCE)
    if ours is None:
        return
    if (rate := ours.events_per_s) is not None:
        yield Target(f"events/s, {ONCE}", rate, f">= {DRAIN_PER_S:,}", rate >= DRAIN_PER_S)
    yield Target("peak memory, MiB", ours.peak_rss_mb, f"< {PEAK_MB}", ours.peak_rss_mb < PEAK_MB)
    faust, java = _of(drains, plain_faust.NAME, AT_LEAST), _of(drains, streams.NAME, ONCE)
    # Of its two settings the faster one.
    best_quix = max(
        (drain for drain in drains if drain.system.startswith(quix.NAME) and drain.guarantee == ONCE),
        key=lambda drain: drain.events_per_core_s or 0,
        default=None,
    )
    if faust is not None:
        yield from _times("events/s", ours.events_per_s, faust, faust.events_per_s, TIMES_FAUST)
    for theirs, times in ((faust, TIMES_FAUST), (java, TIMES_STREAMS), (best_quix, TIMES_QUIX)):
        if theirs is not None:
            yield from _times(
                "events/core-s", ours.events_per_core_s, theirs, theirs.events_per_core_s, times
            )
    other = _of(drains, reengage.NAME, AT_LEAST)
    if other is not None and ours.events_per_core_s and other.events_per_core_s:
        rates = sorted((ours.events_per_core_s, other.events_per_core_s))
        apart = 100 * (1 - rates[0] / rates[1])
        yield Target(
            "the guarantees apart, events/core-s, %", apart, f"<= {APART_PERCENT}", apart <= APART_PERCENT
        )


def latency_targets(latencies: Sequence[Latency]) -> Iterator[Target]:
    """Of Reengage's latency, exactly once."""
    ours = _of(latencies, reengage.NAME, ONCE)
    if ours is not None:
        yield Target("p50 ms", ours.p50_ms, f"<= {P50_MS}", ours.p50_ms <= P50_MS)
        yield Target("p99 ms", ours.p99_ms, f"<= {P99_MS}", ours.p99_ms <= P99_MS)


def kill_targets(kills: Sequence[Kills]) -> Iterator[Target]:
    """Of the slowest recovery of Reengage, exactly once."""
    ours = _of(kills, reengage.NAME, ONCE)
    recovered_s = [] if ours is None else [each for each in ours.recovered_s if each is not None]
    if recovered_s:
        slowest = max(recovered_s)
        yield Target("recovery s, slowest", slowest, f"< {RECOVERY_S:.0f}", slowest < RECOVERY_S)


def _times(
    figure: str, ours: float | None, theirs: Drain, rate: float | None, times: int
) -> Iterator[Target]:
    if ours and rate:
        name = f"{reengage.NAME} / {theirs.system} ({theirs.guarantee}), {figure}"
        yield Target(name, ours / rate, f">= {times}", ours / rate >= times)


def _of(rows: Sequence[Row], system: str, guarantee: str) -> Row | None:
    return next((row for row in rows if (row.system, row.guarantee) == (system, guarantee)), None)
