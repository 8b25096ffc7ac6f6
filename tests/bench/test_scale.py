"""The bench of scale stores members as a worker would, and counts right."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from app.domain.errors import UserError
from app.domain.members import MemberCore
from app.playbooks.loader import DEFAULTS, load_playbooks
from app.runtime.store import Store
from bench.drain import Drain
from bench.fleet import Fleet, Shared
from bench.lives import CALM_MS, MODELS, changelog_bytes, id_of, lives, make_models, rows_of
from bench.plan import Assumed, UnitCosts, plan, unit_costs
from bench.playbooks import START_MS
from bench.process import Sample
from bench.scale import drain_workload, read_unit_costs
from bench.scale_tables import markdown
from bench.stored import Cost, Round, Size, active_events, build, served, steepness
from bench.unit_costs import (
    CHANGELOG,
    INPUTS,
    JOURNALS,
    OUTPUTS,
    Window,
    WorkerCost,
    log_bytes,
    slope,
    total,
    whose,
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return make_models(tmp_path_factory.mktemp("models") / "partition")


def test_models_live_before_the_bench_starts_and_differ():
    events = list(lives())
    assert max(event.occurred_at for event in events) < START_MS
    assert len({event.member_id for event in events}) == MODELS
    assert {event.topic for event in events} == {"activity", "profile", "score", "campaign", "engagement"}


def test_a_clone_is_read_back_as_a_member_with_its_deadline(tmp_path, models):
    size = build(tmp_path / "store", 2_000, models)
    assert size.members == 2_000
    assert size.disk_bytes > 2_000 * 50
    store = Store(tmp_path / "store", MemberCore(load_playbooks(DEFAULTS)))
    members = [store.get(id_of(number)) for number in range(2_000)]
    first = store.deadlines.first()
    store.close()
    assert all(member.hot.born for member in members)
    assert any(member.hot.has_cold for member in members)
    assert any(member.hot.older_ids for member in members)
    assert first[0] == min(member.indexed_due_ms for member in members) >= START_MS + CALM_MS
    assert len({member.key for member in members}) == 2_000


def test_the_same_members_are_active_in_stores_of_any_size():
    large, larger = (list(islice(active_events(size), 150_000)) for size in (100_000, 5_000_000))
    assert large == larger
    assert len({event.member_id for event in large}) == 100_000
    assert len({event.member_id for event in islice(active_events(1_000), 3_000)}) == 1_000


def test_a_store_is_worked_on_in_a_process_of_its_own(tmp_path, models):
    build(tmp_path / "store", 1_000, models)
    with served([(tmp_path / "store", 1_000)], 1_000) as (store,):
        rounds = [store.round(), store.round()]
    assert all(0 < found.own_us <= found.cpu_us * 1.5 for found in rounds)
    assert all(found.rss_bytes > 0 for found in rounds)
    core = MemberCore(load_playbooks(DEFAULTS))
    after = Store(tmp_path / "store", core)
    assert after.get(id_of(0)).hot.last_in_app_ms == START_MS + 1_000 * 5
    after.close()


def test_changelog_bytes_are_those_of_the_rows_and_a_little_more(models):
    rows = [row for number in range(len(models)) for row in rows_of(number, models)]
    bare = sum(len(key) + len(body) for key, body in rows) / len(models)
    assert bare < changelog_bytes(models) < bare + 16 * len(rows) / len(models)


def cost(members, cpu_us):
    return Cost(Size(members, members * 500, members * 400, members * 4, members * 2e-5), 0.0, cpu_us, 0.0, 0)


def test_the_medians_of_a_size_and_the_steepness_between_sizes():
    size = Size(100_000, 0, 0, 0, 0.0)
    rounds = [Round(wall, wall * 2, wall / 2, 7) for wall in (30.0, 10.0, 20.0)]
    assert Cost.of(size, rounds) == Cost(size, 20.0, 40.0, 10.0, 7)
    assert steepness([cost(10_000, 5.0), cost(100_000, 20.0), cost(5_000_000, 25.0)]) == 1.25
    assert steepness([cost(10_000, 5.0)]) == 1.0


def drain(rate, workers=1):
    fields = {
        "system": "s",
        "guarantee": "exactly_once",
        "events": 100,
        "members": 10,
        "outputs": 1,
        "wrong": (),
    }
    times = {"seconds": 10.0, "wall_s": 12.0, "core_s": 10.0, "peak_rss_mb": 1.0}
    return Shared(workers, 4, Drain(**fields, **times, steady_events=round(rate * 10)))


def worker_cost(partitions, *, rss_mib, idle_cores):
    nothing = dict.fromkeys((INPUTS, OUTPUTS, CHANGELOG, JOURNALS), 0)
    idle = Window(10.0, idle_cores, rss_mib * 2**20, 0, nothing)
    written = {INPUTS: 200_000, OUTPUTS: 400_000, CHANGELOG: 600_000, JOURNALS: 100_000}
    busy = Window(10.0, idle_cores + 0.51, rss_mib * 2**20, 1_000, written)
    return WorkerCost(partitions, idle, busy, 2_000, 5.0, 20.0)


def test_what_a_busy_worker_writes_is_told_an_event_a_transaction_and_a_day():
    found = worker_cost(4, rss_mib=100, idle_cores=0.1)
    assert found.events_per_s == 200
    assert found.bytes_per_event(CHANGELOG) == 300
    assert found.busy.commits_per_s == 100
    assert found.journal_bytes_per_commit == 100
    assert found.journal_bytes_per_day == 10_000 * 86_400


def test_a_line_through_points_gives_what_each_adds():
    assert slope([(4, 108.0), (16, 132.0), (64, 228.0)]) == pytest.approx((100.0, 2.0))


def test_unit_costs_are_taken_from_the_parts():
    stored = [cost(10_000, 40.0), cost(1_000_000, 46.0)]
    workers = [worker_cost(4, rss_mib=108, idle_cores=0.04), worker_cost(16, rss_mib=132, idle_cores=0.16)]
    found = unit_costs(stored, [drain(10_000, workers=2), drain(100)], workers)
    assert found is not None
    assert found.disk_bytes == 500
    assert found.changelog_bytes == 400
    assert found.restore_us == pytest.approx(20)
    assert found.event_us == pytest.approx(10_000)
    assert found.cold_us == pytest.approx(6)
    assert found.idle_us == pytest.approx(10_000)
    assert (found.worker_mib, found.partition_mib) == pytest.approx((100, 2))
    # Of 0.51 cores 200 events take more than there is: nothing is left for transactions.
    assert found.commit_us == 0
    assert found.commits_per_s == 25
    faster = unit_costs(stored, [drain(20_000)], workers)
    assert faster is not None
    assert faster.commit_us == pytest.approx((0.51 - 200 * 50 / 1e6) / 100 * 1e6)
    assert unit_costs(stored, [], workers) is None


UNIT = UnitCosts(
    disk_bytes=500,
    changelog_bytes=400,
    readers_bytes=4,
    restore_us=20,
    event_us=40,
    cold_us=10,
    commit_us=5_000,
    idle_us=1_000,
    worker_mib=100,
    partition_mib=2,
    input_bytes=100,
    output_bytes=200,
    state_bytes=300,
    journal_bytes=100,
    commits_per_s=10,
)


def test_the_plan_shows_its_arithmetic_and_gives_its_result():
    assumed = Assumed(
        members=8_640_000,
        active_share=0.5,
        events_per_active=10,
        peak=4,
        partitions=16,
        caches_mib=512,
        load=0.5,
        standbys=1,
        copies=3,
        readers=2,
        kept_days=100,
        broker_disk_gb=100,
    )
    lines = {line.name: line for line in plan(UNIT, assumed)}
    assert lines["events a second, mean"].result == "500"
    assert lines["events a second, peak"].result == "2,000"
    assert lines["transactions a second, peak"].result == "160"
    assert lines["cores for events, peak"].result == "0.10"
    assert lines["cores for transactions, peak"].result == "0.80"
    assert lines["cores for idling"].result == "0.02"
    assert lines["workers, of one core each"].result == "2 + 1"
    assert lines["partitions of a worker, at most"].result == "8"
    assert lines["states of a worker, its standbys among them"].result == "16"
    assert lines["disk of a worker"].result == "9 GB"
    assert lines["memory of a worker"].result == "677 MiB"
    assert lines["page cache of a worker, so that no event waits for a disk"].result == "2 GB"
    assert lines["changelog on the brokers"].result == "21 GB"
    assert lines["inputs, outputs and journal a day"].result == "43 GB"
    assert lines["written by clients, peak"].result == "1.2 MB/s"
    assert lines["read, peak"].result == "4.0 MB/s"
    assert lines["brokers"].result == "44"
    assert lines["a partition rebuilt from its changelog, at least"].result == "0 min"
    assert "8,640,000 members x 50% active a day x 10 events" in lines["events a second, mean"].arithmetic


def test_few_events_make_no_more_transactions_than_there_are_events():
    lines = {line.name: line.result for line in plan(UNIT, Assumed(members=864_000, partitions=64))}
    assert lines["events a second, peak"] == "80"
    assert lines["transactions a second, peak"] == "80"


def test_unit_costs_of_an_earlier_run_are_read_and_others_refused(tmp_path):
    file = tmp_path / "results.json"
    file.write_text(json.dumps({"unit_costs": UNIT._asdict()}))
    assert read_unit_costs(file) == UNIT
    for text in ("{}", '{"unit_costs": null}', "nothing"):
        file.write_text(text)
        with pytest.raises(UserError, match="holds no unit costs"):
            read_unit_costs(file)


def test_log_bytes_are_added_up_by_kind(tmp_path):
    for topic, size in (
        ("activity-0", 10),
        ("activity-11", 5),
        ("internal-members-changelog-3", 7),
        ("internal-journal-0", 2),
        ("member-snapshot-1", 4),
    ):
        folder = tmp_path / "data" / f"bench-1-{topic}"
        folder.mkdir(parents=True)
        (folder / "00000000000000000000.log").write_bytes(b"x" * size)
        (folder / "00000000000000000000.index").write_bytes(b"x" * 100)
    (tmp_path / "data" / "other-activity-0").mkdir()
    (tmp_path / "data" / "other-activity-0" / "0.log").write_bytes(b"x")
    assert log_bytes(tmp_path, "bench-1-") == {INPUTS: 15, CHANGELOG: 7, JOURNALS: 2, OUTPUTS: 4}


def test_a_metric_is_added_up_over_the_partitions_of_members():
    page = (
        "# TYPE reengage_lag_records gauge\n"
        'reengage_lag_records{processor="members",partition="0"} 3\n'
        'reengage_lag_records{processor="members",partition="1"} 4\n'
        'reengage_lag_records{processor="desk",partition="0"} 9\n'
    )
    assert total(page, "reengage_lag_records") == 7


def test_workers_of_a_fleet_are_added_up():
    class Ended:
        def __init__(self, seconds, rss):
            self.seconds, self.peak_rss_bytes = seconds, rss
            self.sample = Sample(0, seconds, rss)

        def cpu_s(self, from_ms, to_ms):
            return (to_ms - from_ms) / 1000 * self.sample.cpu_s

    fleet = Fleet([Ended(2.0, 10), Ended(3.0, 7)])
    assert (fleet.seconds, fleet.peak_rss_bytes, fleet.cpu_s(0, 1000)) == (3.0, 10, 5.0)


def test_a_table_is_markdown():
    assert markdown("a|b", [(1, "x")]) == "| a | b |\n|---|---|\n| 1 | x |"


def test_of_the_events_to_a_live_worker_one_in_twenty_is_the_first_of_its_member():
    members = list(whose(2_000, 500))
    new = [member for member in members if member >= 500]
    assert len(new) == len(set(new)) == 100
    assert len(set(members) - set(new)) > 450


def test_a_drain_of_many_partitions_has_several_batches_of_each():
    assert drain_workload(None, 4).events == 300_000
    assert drain_workload(None, 64).events == 64 * 20_000
    assert drain_workload(5_000, 64).events == 5_000
    assert drain_workload(5_000, 64).members == 500
