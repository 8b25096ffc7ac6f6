"""The worker's metrics: one table feeds Prometheus, docs/operations.md and the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.runtime.observer import Observer
from app.runtime.phase import Phase
from app.wire.topics import REROUTES, load_topics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.runtime.deciding import Decided
    from app.runtime.intake import Intake
    from app.runtime.partition import Partition


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Attributes:
        name: as Prometheus shows it; a counter ends in `_total`, a histogram adds `_bucket`, `_sum` and `_count`.
        kind: how to read it: a counter grows until the worker ends, a gauge is as of now.
        labels: what its values are split by.
        meaning: what it says.
        action: what to do about it, and when.
        buckets: upper bounds of a histogram.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str
    action: str
    buckets: tuple[float, ...] = ()


RECORDS = Metric(
    "reengage_records_applied_total",
    "counter",
    ("processor",),
    "Input records applied and committed, duplicates and dead letters among them.",
    "Its rate is the throughput. At 0 while `reengage_lag_records` is not, look at `reengage_partitions`.",
)
OUTPUTS = Metric(
    "reengage_outputs_total",
    "counter",
    ("topic",),
    "Output records committed, by topic without its prefix.",
    "Alert on a topic whose rate leaves what is usual for it: a playbook or a source has changed.",
)
DEAD_LETTERS = Metric(
    "reengage_dead_letters_total",
    "counter",
    ("error",),
    "Records that could not be applied, by the error in their dead letter.",
    "Alert on any growth. `reengage tail dead-letter` names place and reason; put the sender right, and send "
    "the events again.",
)
REROUTED = Metric(
    "reengage_rerouted_total",
    "counter",
    ("processor",),
    "Records that lay in another partition than their key's, and were sent on to the right one.",
    "Nothing is lost, but each takes a detour: set that producer's partitioner to murmur2 (librdkafka: "
    "`partitioner=murmur2_random`).",
)
BUGS = Metric(
    "reengage_bugs_total",
    "counter",
    ("processor",),
    "Times the rules raised an exception; the record became a dead letter `internal`, or that member's timers wait.",
    "Alert on any. Report the traceback in the worker's log; members' states are as before the record.",
)
WOKEN = Metric(
    "reengage_silent_members_woken_total",
    "counter",
    ("processor",),
    "Silent members whose timers came due because time passed them.",
    "A wave of them (a week after an outage of a source, say) is worked off between live records; expect as many "
    "tags and nudges.",
)
COMMIT_SECONDS = Metric(
    "reengage_commit_seconds",
    "histogram",
    ("processor",),
    "How long a commit took, from the begin of its transaction to the end of the local write. Its `_count` is the "
    "number of commits.",
    "Usually 2 to 15 ms. If the 99th percentile stays above 250 ms, look at the brokers: disks, "
    "`min.insync.replicas`, the transaction coordinator.",
    (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
BATCH_RECORDS = Metric(
    "reengage_batch_records",
    "histogram",
    ("processor",),
    "Input records in a commit; 0 where only time moved.",
    "Small ones say that the worker keeps up. Always at 5,000: it is the bottleneck, start another one.",
    (0, 1, 10, 100, 1000, 2500, 5000),
)
BROKEN = Metric(
    "reengage_partition_failures_total",
    "counter",
    ("processor",),
    "Partitions that failed (a broker away, a commit refused, another worker took over) and were opened again.",
    "A few at a restart of a broker are as it should be. If it keeps growing, the worker's log says why.",
)
HELD_BACK = Metric(
    "reengage_throttled_seconds_total",
    "counter",
    ("what",),
    "How long the cluster has had the worker's connections wait, `reading` inputs or `writing`, because a quota of its user or "
    "client id was used up.",
    "Nothing is lost, but everything is late. Raise the quota (`consumer_byte_rate`, `producer_byte_rate`; the client id is "
    "`REENGAGE_APP`).",
)
PARTITIONS = Metric(
    "reengage_partitions",
    "gauge",
    ("processor", "phase"),
    "Partitions this worker owns, by phase: " + ", ".join(phase.value for phase in Phase) + ".",
    "Summed over the workers, `ready` must be the partition count. Alert if it is less for 5 minutes. A worker that is cut "
    "off from its group counts none: others may own them by now.",
)
SILENCE = Metric(
    "reengage_group_silence_seconds",
    "gauge",
    (),
    "How long ago the consumer group's coordinator last answered the worker, which asks twice a second.",
    "Above 10, the session timeout, the worker is cut off, unless the group is sharing out its partitions, for which it has 30 more. "
    "Alert above 60: look at the brokers, and at the network between them and the worker.",
)
RESTORE = Metric(
    "reengage_restore_remaining_offsets",
    "gauge",
    ("processor", "partition"),
    "Changelog offsets a partition still has to apply before it is ready; only while it is restored.",
    "It falls steadily. To shorten restores, keep REENGAGE_DATA on a disk that survives the worker, and REENGAGE_STANDBYS "
    "above 0 with two workers or more.",
)
STANDBY_LAG = Metric(
    "reengage_standby_lag_offsets",
    "gauge",
    ("processor", "partition"),
    "Changelog offsets committed by a partition's owner that the standby on this worker has not applied yet, by the last "
    "fetch.",
    "What would be left to restore if this worker took the partition over. Usually below what half a second brings. If it "
    "stays above 100,000, the worker is too busy to stand by: start another one.",
)
LAG = Metric(
    "reengage_lag_records",
    "gauge",
    ("processor", "partition"),
    "Records appended to a partition's inputs and not applied yet, by the last fetch; absent while that is not known, and while "
    "the worker is cut off.",
    "Alert if it grows for 10 minutes: start another worker, up to one a partition.",
)
OLDEST = Metric(
    "reengage_oldest_record_seconds",
    "gauge",
    ("processor", "partition"),
    "How long ago the oldest record was appended that has come to a partition and is not taken yet; 0 while none waits.",
    "A request for a transfer waits for its desk, then its answer for the member. Alert if the maximum of processor "
    "`desk` and that of `members` together exceed 1,800: whoever completed the set-up has been without an answer for 30 "
    "minutes. Usually it is below 1. Start another worker; if a partition is not `ready`, the worker's log says why.",
)
TIME = Metric(
    "reengage_partition_time_seconds",
    "gauge",
    ("processor", "partition"),
    "The partition's time, in Unix seconds: that of the latest record, or of the clock when it last woke a member.",
    "Compare it with the clock. Far behind while records come: history is being loaded, or a source is late. While "
    "none come it stands still until a timer is due.",
)

METRICS = (
    RECORDS,
    OUTPUTS,
    DEAD_LETTERS,
    REROUTED,
    BUGS,
    WOKEN,
    COMMIT_SECONDS,
    BATCH_RECORDS,
    BROKEN,
    HELD_BACK,
    PARTITIONS,
    SILENCE,
    RESTORE,
    STANDBY_LAG,
    LAG,
    OLDEST,
    TIME,
)
"""Every metric of the worker's own; `process_*`, of the process, comes from Prometheus's client."""

# Beside each counter the client would show the time it was made, for which nobody asks.
disable_created_metrics()


class WorkerMetrics(Observer):
    """Counts what the partitions of one worker commit. `registry` holds all metrics, for `/metrics`.

    Args:
        prefix: of the topics on the broker.
    """

    def __init__(self, prefix: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._outputs_by_name = {
            topic.full_name(prefix): topic.name for topic in load_topics().values() if topic.role == "output"
        }
        self._rerouted_topics = {prefix + topic for topic in REROUTES}
        self._records = self._counter(RECORDS)
        self._outputs = self._counter(OUTPUTS)
        self._dead_letters = self._counter(DEAD_LETTERS)
        self._rerouted = self._counter(REROUTED)
        self._bugs = self._counter(BUGS)
        self._woken = self._counter(WOKEN)
        self._broken = self._counter(BROKEN)
        self._held_back = self._counter(HELD_BACK)
        self._commit_seconds = self._histogram(COMMIT_SECONDS)
        self._batch_records = self._histogram(BATCH_RECORDS)

    def watch(self, intake: Intake) -> None:
        """Let the gauges read this intake, each time they are asked for."""
        self.registry.register(_Gauges(intake))
        for what in ("reading", "writing"):
            self._held_back.labels(what)
        for processor in intake.processors:
            # From 0: a counter that first shows itself at 1 has not grown, to an alert.
            for counter in (self._records, self._rerouted, self._bugs, self._woken, self._broken):
                counter.labels(processor)

    def committed(self, partition: Partition, decided: Decided, seconds: float) -> None:
        """See `Observer`."""
        processor = partition.processor.name
        self._records.labels(processor).inc(decided.records)
        self._woken.labels(processor).inc(decided.woken)
        self._commit_seconds.labels(processor).observe(seconds)
        self._batch_records.labels(processor).observe(decided.records)
        for (topic, _), rows in decided.outgoing.outputs.items():
            name = self._outputs_by_name.get(topic)
            if name is not None:
                self._outputs.labels(name).inc(len(rows))
            elif topic in self._rerouted_topics:
                self._rerouted.labels(processor).inc(len(rows))
        for error, count in decided.dead_letters.items():
            self._dead_letters.labels(error).inc(count)

    def broken(self, partition: Partition) -> None:
        """See `Observer`."""
        self._broken.labels(partition.processor.name).inc()

    def bug(self, processor: str) -> None:
        """See `Observer`."""
        self._bugs.labels(processor).inc()

    def held_back(self, what: str, seconds: float) -> None:
        """See `Observer`."""
        self._held_back.labels(what).inc(seconds)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.meaning, metric.labels, registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(
            metric.name, metric.meaning, metric.labels, registry=self.registry, buckets=metric.buckets
        )


class _Gauges(Collector):
    """Reads the partitions when Prometheus asks."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Called by the registry at each scrape."""
        phases, restore, lag, oldest, time = map(_gauge, (PARTITIONS, RESTORE, LAG, OLDEST, TIME))
        standby_lag, silence = map(_gauge, (STANDBY_LAG, SILENCE))
        silence.add_metric((), self._intake.silence_s)
        cut_off = self._intake.cut_off
        counts: dict[tuple[str, Phase], int] = {
            (processor, phase): 0 for processor in self._intake.processors for phase in Phase
        }
        for (processor, number), partition in self._intake.partitions.items():
            if not cut_off:
                counts[processor, partition.phase] += 1
            place = [processor, str(number)]
            if partition.phase is Phase.RESTORING:
                done, total = self._intake.restoring.get((processor, number), (0, 0))
                restore.add_metric(place, total - done)
            time.add_metric(place, partition.position.time_ms / 1000)
            if partition.merge is not None:
                oldest_ms = partition.merge.oldest_ms()
                age_ms = 0 if oldest_ms is None else max(0, self._intake.host.now_ms() - oldest_ms)
                oldest.add_metric(place, age_ms / 1000)
            behind = self._intake.lag(partition)
            if behind is not None:
                lag.add_metric(place, behind)
        for (processor, number), standby in self._intake.standbys.units.items():
            if standby.lag is not None:
                standby_lag.add_metric([processor, str(number)], standby.lag)
        for (processor, phase), count in counts.items():
            phases.add_metric([processor, phase.value], count)
        return phases, silence, restore, standby_lag, lag, oldest, time


def _gauge(metric: Metric) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
