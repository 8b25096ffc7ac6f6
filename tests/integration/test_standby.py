"""Hot standbys: whoever takes over has hardly anything to restore, however the owner went, and nothing is lost or repeated."""

import random
import re
import shutil
import time
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition

from app.service.worker import free_port
from app.wire.topics import PROCESSORS, changelog_of
from tests.integration.deployment import Deployment, Worker, until
from tests.integration.faults import Faults
from tests.integration.history import History, write_files
from tests.integration.oracle import assert_equals_simulate
from tests.integration.watching import caught_up_ms, health

pytestmark = pytest.mark.broker

SMALL = Faults(batch=20, wakes=3, slice=4, cached=8)
READY = re.compile(r"([a-z]+)-(\d+) is ready: (\d+) changelog records")
ALL = 4 * 2
"""Units of a deployment with two partitions: those of four processors."""

Unit = tuple[str, int]


class Site(NamedTuple):
    """A running worker of a deployment, and where it answers."""

    deployment: Deployment
    worker: Worker
    port: int

    def health(self) -> dict[str, Any]:
        """What it says of itself; nothing while it does not answer."""
        report = health(self.port)
        if not report:
            assert self.worker.running, self.worker.log()
        return report or {"status": "none", "partitions": [], "standbys": []}

    def owned(self) -> set[Unit]:
        return {(each["processor"], each["partition"]) for each in self.health()["partitions"]}

    def wait_until_standing_by(self, units: int) -> None:
        """Wait until it has done everything there is, and applied all that stands now of so many units of others.

        Ask whoever owns those first: what it has not done yet nobody can stand by for.
        """
        self.wait_until_idle()
        # The lag that a standby tells is of its last fetch, and that may be from before the last commits.
        ends = changelog_ends(self.deployment)

        def has_all() -> bool:
            report = self.health()
            standbys = report["standbys"]
            return (report["status"], len(standbys)) == ("ready", units) and all(
                (each["next_offset"] or 0) >= ends[each["processor"], each["partition"]] for each in standbys
            )

        until(has_all, f"{units} standbys that have everything")

    def wait_until_idle(self) -> None:
        """Wait until it has applied and committed all that had come to its partitions when this was asked."""
        asked_ms = time.time_ns() // 1_000_000

        until(lambda: (caught_up_ms(self.health()) or 0) > asked_ms, "an idle worker")

    def wait_until_owning(self, units: int) -> None:
        def owns() -> bool:
            report = self.health()
            return report["status"] == "ready" and len(report["partitions"]) == units

        until(owns, f"{units} partitions that are ready")

    def restored(self) -> dict[Unit, list[int]]:
        """Changelog records restored for each unit, each time it was opened."""
        found: dict[Unit, list[int]] = {}
        for name, number, count in READY.findall(self.worker.log()):
            found.setdefault((name, int(number)), []).append(int(count))
        return found


def start(deployment: Deployment, name: str, faults: Faults | None = SMALL) -> Site:
    port = free_port()
    return Site(deployment, deployment.start_worker("--port", str(port), data=name, faults=faults), port)


def changelog_ends(deployment: Deployment) -> dict[Unit, int]:
    """How many offsets the changelog of each unit has."""
    places = {
        (name, n): TopicPartition(f"{deployment.prefix}{changelog_of(name)}", n)
        for name in PROCESSORS
        for n in range(deployment.partitions)
    }
    ends = deployment.end_offsets(list(places.values()))
    return {unit: ends[place] for unit, place in places.items()}


def changelog_end(deployment: Deployment) -> int:
    """How many offsets the changelogs of members have."""
    return sum(end for (name, _), end in changelog_ends(deployment).items() if name == "members")


def test_when_the_owner_is_killed_its_standby_has_hardly_anything_to_restore(deploy):
    deployment = deploy()
    records = list(History(51, records=1_600))
    first = start(deployment, "first")
    first.wait_until_owning(ALL)
    second = start(deployment, "second")
    second.wait_until_owning(ALL // 2)
    deployment.produce(records[:1_000])
    deployment.wait_for_commits(20)
    first.wait_until_standing_by(ALL // 2)
    second.wait_until_standing_by(ALL // 2)
    before = second.owned()
    first.worker.kill()
    deployment.expel_dead_workers()
    second.wait_until_owning(ALL)
    taken = {unit: counts[-1] for unit, counts in second.restored().items() if unit not in before}
    assert len(taken) == ALL // 2
    written = changelog_end(deployment)
    assert written > 500
    assert sum(taken.values()) < written // 5, taken
    deployment.produce(records[1_000:])
    deployment.wait_for_commits(20)
    second.worker.stop()
    deployment.drain()
    assert_equals_simulate(deployment)


@pytest.mark.soak
def test_in_a_rolling_restart_every_worker_goes_on_with_what_its_folder_holds(deploy):
    """Owners become standbys and owners again."""
    deployment = deploy()
    records = list(History(55, records=1_200))
    deployment.produce(records[:600])
    workers = {"first": start(deployment, "first")}
    workers["first"].wait_until_owning(ALL)
    workers["second"] = start(deployment, "second")
    for at, name in enumerate(("first", "second", "first")):
        for each in workers.values():
            each.wait_until_standing_by(ALL // 2)
        written = changelog_end(deployment)
        (other,) = (site for other, site in workers.items() if other != name)
        before = other.restored()
        workers[name].worker.stop()
        other.wait_until_owning(ALL)
        deployment.produce(records[600 + at * 200 : 800 + at * 200])
        workers[name] = start(deployment, name)
        workers[name].wait_until_owning(ALL // 2)
        taken = sum(sum(counts[len(before.get(unit, ())) :]) for unit, counts in other.restored().items())
        assert taken < written // 20
        back = sum(counts[-1] for counts in workers[name].restored().values())
        assert back < changelog_end(deployment) - written + written // 20
    for each in workers.values():
        each.worker.stop()
    deployment.drain()
    assert_equals_simulate(deployment)


@pytest.mark.soak
def test_a_standby_that_is_killed_goes_on_where_it_was_and_one_that_lost_its_disk_from_the_start(deploy):
    deployment = deploy()
    records = list(History(52, records=1_200))
    owner = start(deployment, "owner")
    owner.wait_until_owning(ALL)
    for number, folder in enumerate(("stands-by", "stands-by", "empty")):
        deployment.produce(records[number * 400 : (number + 1) * 400])
        other = start(deployment, folder)
        other.wait_until_standing_by(ALL // 2)
        owner.wait_until_standing_by(ALL // 2)
        if number < 2:
            other.worker.kill()
            deployment.expel_dead_workers()
            owner.wait_until_owning(ALL)
    mine = other.owned()
    written = changelog_end(deployment)
    owner.worker.kill()
    deployment.expel_dead_workers()
    other.wait_until_owning(ALL)
    assert sum(counts[-1] for unit, counts in other.restored().items() if unit not in mine) < written // 20
    other.worker.stop()
    deployment.drain()
    assert_equals_simulate(deployment)


def test_a_worker_with_everything_to_restore_warms_up_while_the_owner_goes_on(deploy):
    """And when it has caught up it gets its share, of which hardly anything is left to restore."""
    deployment = deploy()
    faults = Faults(batch=20, wakes=3, slice=4, cached=8, short=40)
    records = list(History(53, records=1_600))
    owner = start(deployment, "owner", faults)
    deployment.produce(records[:1_000])
    deployment.wait_for_commits(30)
    owner.wait_until_idle()
    joiner = start(deployment, "joiner", faults)
    joiner.wait_until_owning(ALL // 2)
    restored = joiner.restored()
    written = changelog_end(deployment)
    assert sum(counts[-1] for unit, counts in restored.items() if unit[0] == "members") < written // 10, (
        restored
    )
    assert joiner.worker.log().count("generation") >= 2
    deployment.produce(records[1_000:])
    deployment.wait_for_commits(10)
    joiner.worker.stop()
    owner.worker.stop()
    deployment.drain()
    assert_equals_simulate(deployment)


def test_a_standby_under_other_playbooks_takes_over_and_brings_the_members_under_its_own(deploy, tmp_path):
    """As in a rolling upgrade. The re-engager is the same, so its outputs are; the policy, which differs, judges nothing here."""
    playbooks = {"re-engager.toml": 'kind = "reengager"\n'}
    deployment = deploy(REENGAGE_PLAYBOOKS=write_files(tmp_path / "old", playbooks))
    records = list(History(54, records=1_200))
    old = start(deployment, "old")
    old.wait_until_owning(ALL)
    deployment.more["REENGAGE_PLAYBOOKS"] = write_files(
        tmp_path / "new", playbooks | {"policy.toml": "holidays = false\n"}
    )
    new = start(deployment, "new")
    deployment.produce(records[:600])
    deployment.wait_for_commits(20)
    old.wait_until_standing_by(ALL // 2)
    new.wait_until_standing_by(ALL // 2)
    mine, written = new.owned(), changelog_end(deployment)
    old.worker.kill()
    deployment.expel_dead_workers()
    new.wait_until_owning(ALL)
    assert sum(counts[-1] for unit, counts in new.restored().items() if unit not in mine) < written // 20
    deployment.produce(records[600:])
    deployment.wait_for_commits(20)
    new.worker.stop()
    deployment.drain()
    assert_equals_simulate(deployment)


@pytest.mark.soak
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
@pytest.mark.parametrize("seed", range(500, 510))
def test_with_standbys_workers_are_killed_at_random_and_lose_their_disks(deploy, seed, guarantee):
    """Three workers, two standbys for each partition at times; units warm up, change hands, and stand by again."""
    rnd = random.Random(seed)
    partitions = rnd.choice((1, 2, 3, 4))
    deployment = deploy(
        partitions=partitions, REENGAGE_GUARANTEE=guarantee, REENGAGE_STANDBYS=rnd.choice(("1", "1", "2"))
    )
    records = list(History(seed, records=1_500, members=rnd.choice((5, 40, 200)), partitions=partitions))
    faults = Faults(
        batch=rnd.choice((0, 5, 30)), cached=rnd.choice((0, 2, 8)), short=rnd.choice((0, 1, 50, 500))
    )
    workers: dict[str, Worker] = {}
    for at in range(0, len(records), 100):
        deployment.produce(records[at : at + 100])
        name = rnd.choice(("a", "b", "c"))
        worker = workers.pop(name, None)
        if worker is None:
            workers[name] = deployment.start_worker(data=name, faults=faults)
            workers[name].wait_until_started()
        elif rnd.random() < 0.3:
            worker.stop()
        else:
            worker.kill()
            if rnd.random() < 0.7:
                deployment.expel_dead_workers()
            if rnd.random() < 0.3:
                shutil.rmtree(deployment.folder / name, ignore_errors=True)
    for worker in workers.values():
        worker.stop()
    deployment.expel_dead_workers()
    deployment.drain(faults=faults)
    assert_equals_simulate(deployment, repeats=guarantee == "at_least_once")
