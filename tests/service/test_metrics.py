"""The table of metrics is what `/metrics` shows, and counts what is committed."""

from types import SimpleNamespace

from app.runtime.merge import Merge
from app.runtime.phase import Phase
from app.runtime.position import Position
from app.service.metrics import (
    DEAD_LETTERS,
    METRICS,
    OLDEST,
    OUTPUTS,
    PARTITIONS,
    RECORDS,
    REROUTED,
    SILENCE,
    WorkerMetrics,
)

NOW_MS = 1_767_607_200_000


def partition(number=0, phase=Phase.READY, time_ms=0, merge=None):
    return SimpleNamespace(
        processor=SimpleNamespace(name="members"),
        number=number,
        phase=phase,
        position=Position(time_ms=time_ms),
        merge=merge,
    )


def watched(*partitions, lag=0, cut_off=False, restoring=None, standbys=None):
    metrics = WorkerMetrics("acme-")
    metrics.watch(
        SimpleNamespace(
            processors={"members": None},
            partitions={("members", each.number): each for each in partitions},
            lag=lambda _partition: lag,
            cut_off=cut_off,
            silence_s=12.5 if cut_off else 0.25,
            restoring=restoring or {},
            standbys=SimpleNamespace(units=standbys or {("members", 9): SimpleNamespace(lag=0)}),
            host=SimpleNamespace(now_ms=lambda: NOW_MS),
        )
    )
    return metrics


def decided(*, records=0, outputs=None, dead_letters=None):
    rows = {(topic, 0): [(b"k", b"v")] * count for topic, count in (outputs or {}).items()}
    return SimpleNamespace(
        records=records,
        woken=0,
        dead_letters=dead_letters or {},
        outgoing=SimpleNamespace(outputs=rows),
    )


def test_every_metric_of_the_table_is_exposed_and_no_other():
    exposed = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in watched().registry.collect()
        if not family.name.startswith("process_")
    }
    assert exposed == {metric.name for metric in METRICS}


def test_every_metric_says_what_it_means_and_what_to_do():
    for metric in METRICS:
        assert metric.name.startswith("reengage_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.meaning.endswith(".")
        assert metric.action.endswith(".")
        assert bool(metric.buckets) == (metric.kind == "histogram")


def test_a_commit_counts_its_records_and_its_outputs_by_topic_without_the_prefix():
    metrics = watched()
    outputs = {"acme-tag-changed": 3, "acme-internal-journal": 1, "acme-internal-rerouted": 2}
    metrics.committed(partition(), decided(records=7, outputs=outputs), 0.01)
    value = metrics.registry.get_sample_value
    assert value(RECORDS.name, {"processor": "members"}) == 7
    assert value(OUTPUTS.name, {"topic": "tag-changed"}) == 3
    assert value(OUTPUTS.name, {"topic": "internal-journal"}) is None
    assert value(REROUTED.name, {"processor": "members"}) == 2
    assert value("reengage_commit_seconds_count", {"processor": "members"}) == 1
    assert value("reengage_batch_records_sum", {"processor": "members"}) == 7


def test_dead_letters_are_counted_by_error():
    metrics = watched()
    metrics.committed(partition(), decided(dead_letters={"unknown_enum": 2, "too_old": 1}), 0.01)
    assert metrics.registry.get_sample_value(DEAD_LETTERS.name, {"error": "unknown_enum"}) == 2
    assert metrics.registry.get_sample_value(DEAD_LETTERS.name, {"error": "too_old"}) == 1


def test_counters_by_processor_begin_at_0_so_that_their_first_growth_is_seen():
    value = watched().registry.get_sample_value
    for name in ("reengage_bugs_total", "reengage_partition_failures_total", RECORDS.name):
        assert value(name, {"processor": "members"}) == 0


def test_bugs_and_failures_are_counted():
    metrics = watched()
    metrics.bug("members")
    metrics.broken(partition())
    value = metrics.registry.get_sample_value
    assert value("reengage_bugs_total", {"processor": "members"}) == 1
    assert value("reengage_partition_failures_total", {"processor": "members"}) == 1


def test_partitions_are_counted_by_phase_and_a_phase_without_one_is_0():
    metrics = watched(partition(0), partition(1), partition(2, Phase.BROKEN))
    value = metrics.registry.get_sample_value
    assert value(PARTITIONS.name, {"processor": "members", "phase": "ready"}) == 2
    assert value(PARTITIONS.name, {"processor": "members", "phase": "broken"}) == 1
    assert value(PARTITIONS.name, {"processor": "members", "phase": "held"}) == 0


def test_a_worker_that_is_cut_off_counts_no_partition_and_says_for_how_long():
    """Whoever has taken over counts them."""
    place = {"processor": "members", "phase": "ready"}
    value = watched(partition(0), cut_off=True).registry.get_sample_value
    assert value(PARTITIONS.name, place) == 0
    assert value(SILENCE.name) == 12.5
    assert watched().registry.get_sample_value(SILENCE.name) == 0.25


def test_what_is_left_to_restore_is_shown_while_it_is_restored_only():
    place = {"processor": "members", "partition": "3"}
    restoring = partition(3, Phase.RESTORING)
    metrics = watched(restoring, restoring={("members", 3): (400, 1_000)})
    assert metrics.registry.get_sample_value("reengage_restore_remaining_offsets", place) == 600
    restoring.phase = Phase.READY
    assert metrics.registry.get_sample_value("reengage_restore_remaining_offsets", place) is None


def test_lag_and_time_are_shown_by_partition_and_an_unknown_lag_is_not():
    place = {"processor": "members", "partition": "1"}
    known = watched(partition(1, time_ms=1_767_607_200_000), lag=12).registry
    assert known.get_sample_value("reengage_lag_records", place) == 12
    assert known.get_sample_value("reengage_partition_time_seconds", place) == 1_767_607_200
    unknown = watched(partition(1), lag=None).registry
    assert unknown.get_sample_value("reengage_lag_records", place) is None


def test_the_age_of_the_oldest_record_that_waits_is_shown_and_0_where_none_does():
    merge = Merge({"activity": 9, "score": 7}, {})
    waits = watched(partition(1, merge=merge)).registry
    place = {"processor": "members", "partition": "1"}
    assert waits.get_sample_value(OLDEST.name, place) == 0
    merge.feed("activity", [(0, NOW_MS - 3_000, b"m1", b"x")], 3, 0)
    merge.feed("score", [(0, NOW_MS - 90_000, b"m1", b"x"), (1, NOW_MS, b"m1", b"x")], 6, 0)
    assert waits.get_sample_value(OLDEST.name, place) == 90


def test_a_partition_that_reads_nothing_shows_no_age():
    place = {"processor": "members", "partition": "0"}
    assert watched(partition()).registry.get_sample_value(OLDEST.name, place) is None


def test_the_lag_of_a_standby_is_shown_once_it_is_known():
    standbys = {("members", 4): SimpleNamespace(lag=17), ("members", 5): SimpleNamespace(lag=None)}
    value = watched(standbys=standbys).registry.get_sample_value
    name = "reengage_standby_lag_offsets"
    assert value(name, {"processor": "members", "partition": "4"}) == 17
    assert value(name, {"processor": "members", "partition": "5"}) is None
