"""A state folder that is lost, damaged, another's, or on a full disk: the worker makes it anew or waits for room.

It never goes on with a state that is wrong. What it has told the world lies in Kafka, and the changelog has all of it.
"""

import os
import random
import shutil

import psutil
import pytest

from app.service.worker import free_port
from tests.integration.deployment import until
from tests.integration.faults import FEW, Faults
from tests.integration.history import History
from tests.integration.oracle import assert_equals_simulate
from tests.integration.watching import health, metric

pytestmark = pytest.mark.broker

SMALL = Faults(batch=20, wakes=3, slice=4, cached=8)
SMALLEST_MEMTABLE = 65_536
MADE_ANEW = "made anew from the changelog"


def flip_bytes(folder):
    """One in a thousand, in the part of each file that holds states: found when they are read, not when it is opened."""
    for table in folder.glob("*.sst"):
        content = bytearray(table.read_bytes())
        for place in range(100, max(101, len(content) // 2), 1_000):
            content[place] ^= 0x10
        table.write_bytes(content)


def cut_tables(folder):
    for table in folder.glob("*.sst"):
        os.truncate(table, table.stat().st_size // 2)


def lose_tables(folder):
    for table in folder.glob("*.sst"):
        table.unlink()


def lose_manifest(folder):
    for manifest in folder.glob("MANIFEST-*"):
        manifest.unlink()


def garble_manifest(folder):
    for manifest in folder.glob("MANIFEST-*"):
        manifest.write_bytes(bytes(byte ^ 0x5A for byte in manifest.read_bytes()))


def empty_current(folder):
    os.truncate(folder / "CURRENT", 0)


NOTICED = (flip_bytes, cut_tables, lose_tables, lose_manifest, garble_manifest, empty_current)
"""Of these the worker says that it makes the state anew. A folder that is gone is made anew without a word."""


def damage(deployment, damages):
    """One partition each."""
    for number, ruin in enumerate(damages):
        ruin(deployment.folder / "data" / "members" / str(number))


def test_whatever_is_damaged_in_a_state_folder_is_found_and_made_anew(deploy):
    deployment = deploy(partitions=3)
    records = list(History(61, records=1_000, members=60, partitions=3))
    deployment.produce(records[:600])
    deployment.drain()
    for half, part in ((NOTICED[:3], records[600:800]), (NOTICED[3:], records[800:])):
        damage(deployment, half)
        deployment.produce(part)
        worker = deployment.start_worker("--until-drained", faults=SMALL)
        assert worker.exit_code() == 0, worker.log()
        for number in range(3):
            assert f"members-{number}: its state folder is thrown away, and {MADE_ANEW}" in worker.log()
    assert "internal" not in {letter.error for _, _, letter in deployment.records("dead-letter")}
    assert_equals_simulate(deployment)


def test_a_folder_that_has_been_at_other_topics_is_not_mixed_with_these(deploy):
    """Two deployments, or two clusters, and one REENGAGE_DATA: by its offsets the folder would fit."""
    small, large = deploy(partitions=1), deploy(partitions=1)
    small.produce(History(62, records=150, partitions=1))
    small.drain()
    records = list(History(63, records=600, partitions=1))
    large.produce(records[:450])
    large.drain()
    shutil.rmtree(large.folder / "data")
    shutil.copytree(small.folder / "data", large.folder / "data")
    large.produce(records[450:])
    worker = large.start_worker("--until-drained", faults=SMALL)
    assert worker.exit_code() == 0, worker.log()
    assert "is the state of another changelog" in worker.log()
    assert_equals_simulate(large)


@pytest.mark.soak
def test_a_folder_deleted_under_a_running_worker_is_made_anew(deploy):
    deployment = deploy(partitions=1)
    records = list(History(64, records=1_500, members=200, partitions=1))
    worker = deployment.start_worker(faults=Faults(batch=50, memtable=SMALLEST_MEMTABLE))
    deployment.produce(records[:500])
    deployment.wait_for_commits(5)
    shutil.rmtree(deployment.folder / "data")
    deployment.produce(records[500:])
    until(lambda: MADE_ANEW in worker.log(), "a state made anew")
    worker.stop()
    deployment.drain()
    assert_equals_simulate(deployment)


def set_full_disk(worker, full):
    """No file of the worker can grow any more: what it sees of a full disk, without one that others would see too."""
    limit = 0 if full else psutil.RLIM_INFINITY
    psutil.Process(worker.process.pid).rlimit(psutil.RLIMIT_FSIZE, (limit, psutil.RLIM_INFINITY))


def test_on_a_full_disk_the_partition_waits_and_when_there_is_room_it_goes_on(deploy):
    """What is on disk is kept: it is behind, and is caught up."""
    deployment = deploy(partitions=1)
    records = list(History(65, records=1_500, members=200, partitions=1))
    worker = deployment.start_worker(
        "--port", str(port := free_port()), faults=Faults(batch=50, memtable=SMALLEST_MEMTABLE)
    )
    deployment.produce(records[:500])
    deployment.wait_for_commits(5)
    set_full_disk(worker, full=True)
    deployment.produce(records[500:1_000])
    failures = "reengage_partition_failures_total"
    until(lambda: metric(port, failures, processor="members") >= 1, "a partition that waits for room")
    until(lambda: health(port).get("status") == "not ready", "a report of it")
    deployment.produce(records[1_000:])
    set_full_disk(worker, full=False)
    until(lambda: health(port).get("status") == "ready", "a worker that goes on")
    worker.stop()
    assert MADE_ANEW not in worker.log()
    deployment.drain()
    assert_equals_simulate(deployment)


@pytest.mark.soak
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
@pytest.mark.parametrize("seed", range(600, 612))
def test_disks_fail_in_every_way_while_workers_are_killed(deploy, seed, guarantee):
    rnd = random.Random(seed)
    partitions = rnd.choice((1, 2, 3))
    deployment = deploy(partitions=partitions, REENGAGE_GUARANTEE=guarantee)
    records = list(History(seed, records=2_000, members=rnd.choice((20, 200)), partitions=partitions))
    size = len(records) // 8
    for start in range(0, len(records), size):
        deployment.produce(records[start : start + size])
        worker = deployment.start_worker(
            faults=Faults(**FEW | {"cached": rnd.choice((2, 8, 500))}, memtable=SMALLEST_MEMTABLE)
        )
        worker.wait_until_ready()
        if rnd.random() < 0.4:
            set_full_disk(worker, full=True)
            deployment.produce([])
            set_full_disk(worker, full=rnd.random() < 0.5)
        if rnd.random() < 0.5:
            worker.kill()
            deployment.expel_dead_workers()
        else:
            set_full_disk(worker, full=False)
            worker.stop()
        for folder in sorted((deployment.folder / "data" / "members").glob("*")):
            if rnd.random() < 0.5 and (folder / "CURRENT").exists():
                rnd.choice((*NOTICED, shutil.rmtree))(folder)
    deployment.drain(faults=Faults(**FEW))
    assert_equals_simulate(deployment, repeats=guarantee == "at_least_once")
