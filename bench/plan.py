"""A plan on paper: what so many members need, counted from unit costs that were measured on few."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from app.wire.topics import load_topics
from bench.unit_costs import CHANGELOG, DAY_S, INPUTS, OUTPUTS, slope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.fleet import Shared
    from bench.stored import Cost
    from bench.unit_costs import WorkerCost

GB = 1e9
MIB = 2**20


class UnitCosts(NamedTuple):
    """What one of each costs.

    Attributes:
        disk_bytes, changelog_bytes, readers_bytes: of a member: in RocksDB, in a compacted changelog, in memory that RocksDB
            takes for filters and indexes.
        restore_us: of a member: to write it in a restore and to compact it, without reading it from Kafka.
        event_us: processor time of an event in a drain, its member in memory.
        cold_us: more, where its member has to be read from a large store.
        commit_us: processor time of a transaction, its events aside.
        idle_us: processor time a second of a partition that has nothing to do.
        worker_mib, partition_mib: memory of a worker without partitions, and of each idle one.
        input_bytes, output_bytes, state_bytes: what an event adds to the logs of inputs, outputs and changelogs.
        journal_bytes: what a transaction adds to the journal.
        commits_per_s: transactions a second of a partition under the load measured: as many as latency is best with.
    """

    disk_bytes: float
    changelog_bytes: float
    readers_bytes: float
    restore_us: float
    event_us: float
    cold_us: float
    commit_us: float
    idle_us: float
    worker_mib: float
    partition_mib: float
    input_bytes: float
    output_bytes: float
    state_bytes: float
    journal_bytes: float
    commits_per_s: float


class Assumed(NamedTuple):
    """What is not measured.

    Attributes:
        members: stored.
        active_share: of them, each day; `events_per_active` come of each of those.
        peak: the busiest second's events, as a multiple of the day's mean.
        partitions: of every topic.
        caches_mib: what the caches of a worker may hold.
        load: how busy a worker may be at the peak.
        standbys: workers that keep a copy of each state, besides the one that works on it.
        copies: of every topic; `readers`: how many systems read each output.
        partitions_per_broker: copies of topic partitions a broker may hold.
        kept_days: for how many days of inputs, outputs and journal the brokers' disks are bought.
        broker_disk_gb: what one broker's disk may hold.
    """

    members: int = 100_000_000
    active_share: float = 0.2
    events_per_active: int = 10
    peak: int = 4
    partitions: int = 64
    caches_mib: int = 512
    load: float = 0.6
    standbys: int = 1
    copies: int = 3
    readers: int = 2
    partitions_per_broker: int = 4_000
    kept_days: int = 365
    broker_disk_gb: int = 16_000


class Line(NamedTuple):
    """One figure of the plan, with the arithmetic that gives it."""

    name: str
    arithmetic: str
    result: str


def unit_costs(
    stored: Sequence[Cost], drains: Sequence[Shared], workers: Sequence[WorkerCost]
) -> UnitCosts | None:
    """From what was measured; None where something is missing.

    Bytes and time of a member are those of the largest store, an event's those of the drain by one worker with the
    fewest partitions, a transaction's those of the busy worker with the fewest.
    """
    steady = sorted(
        (each.workers, each.partitions, rate) for each in drains if (rate := each.drain.events_per_core_s)
    )
    if len(stored) < 2 or not steady or len(workers) < 2:
        return None
    large, small = max(stored, key=_members), min(stored, key=_members)
    event_us = 1e6 / steady[0][2]
    fewest = min(workers, key=lambda each: each.partitions)
    worker_mib, partition_mib = slope((each.partitions, each.idle.rss_bytes / MIB) for each in workers)
    _, idle_cores = slope((each.partitions, each.idle.cores) for each in workers)
    commits_s = fewest.busy.cores - fewest.idle.cores - fewest.events_per_s * event_us / 1e6
    return UnitCosts(
        disk_bytes=large.size.disk_bytes / large.size.members,
        changelog_bytes=large.size.changelog_bytes / large.size.members,
        readers_bytes=large.size.readers_bytes / large.size.members,
        restore_us=large.size.build_s * 1e6 / large.size.members,
        event_us=event_us,
        cold_us=max(0.0, large.cpu_us - small.cpu_us),
        commit_us=max(0.0, commits_s * 1e6 / fewest.busy.commits_per_s),
        idle_us=max(0.0, idle_cores * 1e6),
        worker_mib=worker_mib,
        partition_mib=partition_mib,
        input_bytes=fewest.bytes_per_event(INPUTS),
        output_bytes=fewest.bytes_per_event(OUTPUTS),
        state_bytes=fewest.bytes_per_event(CHANGELOG),
        journal_bytes=fewest.journal_bytes_per_commit,
        commits_per_s=fewest.busy.commits_per_s / fewest.partitions,
    )


def _members(cost: Cost) -> int:
    return cost.size.members


def plan(unit: UnitCosts, assumed: Assumed) -> Iterator[Line]:
    """The plan, line by line; a line uses what stands above it."""
    a, members, partitions = assumed, assumed.members, assumed.partitions
    mean = members * a.active_share * a.events_per_active / DAY_S
    peak = mean * a.peak
    yield Line(
        "events a second, mean",
        f"{members:,} members x {a.active_share:.0%} active a day x {a.events_per_active} events / {DAY_S:,} s",
        f"{mean:,.0f}",
    )
    yield Line("events a second, peak", f"{mean:,.0f} x {a.peak}", f"{peak:,.0f}")
    workers = yield from _workers(unit, a, peak)
    yield from _state(unit, a, workers)
    yield from _brokers(unit, a, mean, peak)
    each = members / partitions
    yield Line(
        "a partition rebuilt from its changelog, at least",
        f"{members:,} / {partitions} members x {unit.restore_us:.1f} us",
        f"{each * unit.restore_us / 60e6:,.0f} min",
    )


def _workers(unit: UnitCosts, a: Assumed, peak: float) -> Iterator[Line]:
    """Workers by processor time; returns how many, one more than needed among them."""
    commits = commits_per_s(unit, a.partitions, peak)
    yield Line(
        "transactions a second, peak",
        f"{a.partitions} partitions x min({unit.commits_per_s:,.0f}, {peak / a.partitions:,.0f} events)",
        f"{commits:,.0f}",
    )
    deciding = peak * (unit.event_us + unit.cold_us) / 1e6
    committing, idling = commits * unit.commit_us / 1e6, a.partitions * unit.idle_us / 1e6
    yield Line(
        "cores for events, peak",
        f"{peak:,.0f}/s x ({unit.event_us:.1f} + {unit.cold_us:.1f}) us",
        f"{deciding:.2f}",
    )
    yield Line(
        "cores for transactions, peak", f"{commits:,.0f}/s x {unit.commit_us:,.0f} us", f"{committing:.2f}"
    )
    yield Line("cores for idling", f"{a.partitions} x {unit.idle_us:,.0f} us a second", f"{idling:.2f}")
    needed = ceil((deciding + committing + idling) / a.load)
    yield Line(
        "workers, of one core each",
        f"({deciding:.2f} + {committing:.2f} + {idling:.2f}) / {a.load:.0%} busy, and one that may fail",
        f"{needed} + 1",
    )
    return needed + 1


def commits_per_s(unit: UnitCosts, partitions: int, events_per_s: float) -> float:
    """Transactions a second, when no worker has so much to do that it puts more events into each."""
    return min(partitions * unit.commits_per_s, events_per_s)


def _state(unit: UnitCosts, a: Assumed, workers: int) -> Iterator[Line]:
    """What one worker holds, when another has failed."""
    left = workers - 1
    own, kept = ceil(a.partitions / left), ceil(a.partitions * (1 + min(a.standbys, left - 1)) / left)
    yield Line("partitions of a worker, at most", f"{a.partitions} / {left}, rounded up", f"{own}")
    yield Line(
        "states of a worker, its standbys among them",
        f"{a.partitions} x {1 + min(a.standbys, left - 1)} / {left}, rounded up",
        f"{kept}",
    )
    each = a.members / a.partitions
    held = each * kept
    yield Line(
        "disk of a worker",
        f"{kept} x {each:,.0f} members x {unit.disk_bytes:.0f} B, and as much again to compact",
        f"{2 * held * unit.disk_bytes / GB:,.0f} GB",
    )
    memory_mib = unit.worker_mib + kept * unit.partition_mib + a.caches_mib + held * unit.readers_bytes / MIB
    yield Line(
        "memory of a worker",
        f"{unit.worker_mib:.0f} + {kept} x {unit.partition_mib:.1f} + caches {a.caches_mib} MiB"
        f" + {held:,.0f} members x {unit.readers_bytes:.1f} B",
        f"{memory_mib:,.0f} MiB",
    )
    yield Line(
        "page cache of a worker, so that no event waits for a disk",
        f"{own} x {each:,.0f} members x {unit.disk_bytes:.0f} B",
        f"{own * each * unit.disk_bytes / GB:,.0f} GB",
    )


def _brokers(unit: UnitCosts, a: Assumed, mean: float, peak: float) -> Iterator[Line]:
    """Disks, network and number of brokers."""
    changelog = a.members * unit.changelog_bytes * 2 * a.copies / GB
    yield Line(
        "changelog on the brokers",
        f"{a.members:,} x {unit.changelog_bytes:.0f} B x 2 (compacted when half is old) x {a.copies} copies",
        f"{changelog:,.0f} GB",
    )
    journal = commits_per_s(unit, a.partitions, mean) * unit.journal_bytes
    a_day = (mean * (unit.input_bytes + unit.output_bytes) + journal) * DAY_S * a.copies / GB
    yield Line(
        "inputs, outputs and journal a day",
        f"({mean:,.0f}/s x ({unit.input_bytes:.0f} + {unit.output_bytes:.0f}) B + {journal:,.0f} B/s)"
        f" x {DAY_S:,} s x {a.copies} copies",
        f"{a_day:,.0f} GB",
    )
    journal_peak = commits_per_s(unit, a.partitions, peak) * unit.journal_bytes
    written = peak * (unit.input_bytes + unit.output_bytes + unit.state_bytes) + journal_peak
    yield Line(
        "written by clients, peak",
        f"{peak:,.0f}/s x ({unit.input_bytes:.0f} + {unit.output_bytes:.0f} + {unit.state_bytes:.0f}) B"
        f" + {journal_peak:,.0f} B/s",
        f"{written / 1e6:.1f} MB/s",
    )
    read = peak * (unit.input_bytes + a.readers * unit.output_bytes + a.standbys * unit.state_bytes)
    read += written * (a.copies - 1)
    yield Line(
        "read, peak",
        f"inputs once, outputs by {a.readers} readers, states by {a.standbys} standby, everything by {a.copies - 1} followers",
        f"{read / 1e6:.1f} MB/s",
    )
    topics = len(load_topics())
    replicas = topics * a.partitions * a.copies
    stored = changelog + a_day * a.kept_days
    by_count, by_disk = replicas / a.partitions_per_broker, stored / a.broker_disk_gb
    yield Line(
        "copies of topic partitions", f"{topics} topics x {a.partitions} x {a.copies}", f"{replicas:,}"
    )
    yield Line(
        "brokers",
        f"the most of {a.copies}, {replicas:,} / {a.partitions_per_broker:,},"
        f" ({changelog:,.0f} + {a_day:,.0f} x {a.kept_days} days) / {a.broker_disk_gb:,} GB",
        f"{max(a.copies, ceil(by_count), ceil(by_disk))}",
    )
