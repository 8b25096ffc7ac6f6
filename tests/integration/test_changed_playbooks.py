"""Playbooks that change over many states: all are brought under the new ones, whatever happens meanwhile."""

import asyncio
import random
import signal
from collections import Counter, defaultdict

import pytest
from aiokafka import TopicPartition
from msgspec import structs

from app.domain.events import Activity
from app.service.worker import free_port
from app.tools.committed import committed_reader
from app.tools.replay.order import Order
from app.wire.codec import Codec
from tests.integration.deployment import PATIENCE_S, Sent, until
from tests.integration.faults import Faults
from tests.integration.history import DAY_MS, HOUR_MS, START_MS, belongs_to
from tests.integration.oracle import SEQUENCED
from tests.integration.replaying import replay
from tests.integration.watching import metric

pytestmark = pytest.mark.broker

BEFORE_DAYS, AFTER_DAYS = 20, 3
CODEC = Codec()


class Members:
    """Members, each active once or twice; `last_ms` says when last."""

    def __init__(self, count):
        self.names = [f"m{number}" for number in range(count)]
        self.last_ms = {}
        self._number = 0

    def active(self, names, at_ms):
        for name in names:
            self._number += 1
            self.last_ms[name] = max(at_ms, self.last_ms.get(name, 0))
            record = Activity(
                event_id=f"e{self._number}",
                member_id=name,
                occurred_at=at_ms,
                type="article.read",
                channel="APP",
            )
            yield Sent("activity", name.encode(), CODEC.encode(record))


def use_playbooks(deployment, name, days):
    folder = deployment.folder / name
    folder.mkdir()
    (folder / "re-engager.toml").write_text(f'kind = "reengager"\n[inactivity]\nafter = "{days}d"\n')
    deployment.more["REENGAGE_PLAYBOOKS"] = str(folder)
    return folder


def assert_all_fell_inactive_under_the_new(deployment, members):
    """Each member once, three days after it was last active, and no sequence has a gap or a double."""
    fallen, sequences = asyncio.run(read_outputs(deployment))
    expected = {(name, members.last_ms[name] + AFTER_DAYS * DAY_MS): 1 for name in members.names}
    assert fallen == expected
    for name in members.names:
        assert sorted(sequences[name]) == list(range(1, len(sequences[name]) + 1))


async def read_outputs(deployment):
    """How often (member, instant) fell inactive, and each member's sequences; one record after the other, of millions."""
    codec, fallen, sequences = Codec(), Counter(), defaultdict(list)
    names = [deployment.prefix + topic for topic in SEQUENCED]
    places = [TopicPartition(name, n) for name in names for n in range(deployment.partitions)]
    async with committed_reader(deployment.settings(), places, from_beginning=True, until_end=True) as reader:
        async for raw in reader.each():
            topic = raw.topic.removeprefix(deployment.prefix)
            record = codec.decode(topic, raw.key, raw.value, raw.timestamp)
            sequences[record.member_id].append(record.sequence)
            if topic == "tag-changed" and record.reason == "inactive":
                fallen[record.member_id, record.occurred_at] += 1
    return fallen, sequences


def change_them(deployment, members, live, *, crashes, faults, patience_s=PATIENCE_S):
    """Have states under one set and change it; kill workers in the sweep while events come; let a wave fall due at the end.

    Returns the folder of the first set.
    """
    first = use_playbooks(deployment, "first", BEFORE_DAYS)
    deployment.produce(members.active(members.names, START_MS))
    drain(deployment, patience_s)
    use_playbooks(deployment, "second", AFTER_DAYS)
    slices = len(crashes) + 1
    for place, (step, after) in enumerate(crashes):
        deployment.produce(members.active(live[place::slices], START_MS + DAY_MS + place * HOUR_MS))
        crashing = structs.replace(faults, crash_at=step, crash_after=after)
        worker = deployment.start_worker("--until-drained", faults=crashing)
        assert worker.exit_code(patience_s) == -signal.SIGKILL, worker.log()
        deployment.expel_dead_workers()
    worker = deployment.start_worker("--port", str(port := free_port()), faults=faults)
    worker.wait_until_ready()
    last = live[slices - 1 :: slices]
    deployment.produce(members.active(last, START_MS + 2 * DAY_MS))
    applied = "reengage_records_applied_total"
    until(lambda: metric(port, applied, processor="members") >= len(last), "the live events")
    worker.stop()
    end_ms = START_MS + (2 + AFTER_DAYS) * DAY_MS + HOUR_MS
    ends = {belongs_to(name, deployment.partitions): name for name in (f"end-{n}" for n in range(50))}
    deployment.produce(members.active(ends.values(), end_ms))
    drain(deployment, patience_s)
    return first


def drain(deployment, patience_s):
    worker = deployment.start_worker("--until-drained")
    assert worker.exit_code(patience_s) == 0, worker.log()


def test_over_thousands_of_states_the_sweep_goes_on_where_a_kill_left_it_and_events_keep_flowing(deploy):
    deployment = deploy(partitions=1)
    members = Members(2_000)
    live = random.Random(91).sample(members.names, 200)
    crashes = (("committed", 4), ("produced", 6), ("written", 9))
    first = change_them(deployment, members, live, crashes=crashes, faults=Faults(slice=60, cached=200))
    assert_all_fell_inactive_under_the_new(deployment, members)
    assert replay(deployment, "again-", order=Order.JOURNAL, playbooks=(first,), diff=True) == 0


@pytest.mark.soak
def test_over_a_million_states(deploy):
    deployment = deploy(partitions=2)
    members = Members(1_000_000)
    live = random.Random(92).sample(members.names, 20_000)
    crashes = (("committed", 100), ("produced", 400), ("written", 700))
    change_them(deployment, members, live, crashes=crashes, faults=Faults(), patience_s=3_600)
    assert_all_fell_inactive_under_the_new(deployment, members)
