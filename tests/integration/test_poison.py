"""One record in a hundred that cannot be applied: it becomes a dead letter, and changes nothing for any other."""

import json
import random
from collections import Counter

import pytest

from app.domain.events import Activity
from app.wire.codec import Codec
from tests.integration.deployment import Sent
from tests.integration.faults import FEW, STEPS_OF, Faults
from tests.integration.history import History
from tests.integration.oracle import comparable, simulated

pytestmark = pytest.mark.broker

CODEC, JSON = Codec(), Codec(encoding="json")
BUG = "poison.bug"
OF_THE_HISTORY = "unknown_workflow"
"""The history itself now and then asks to resolve what is not open."""


def poison(rnd, number, like):
    """One of the ways in which a record cannot be applied, addressed to the member of another; an id tells it by."""
    member, at_ms = like.member_id, like.occurred_at
    common = {"event_id": f"poison-{number}", "member_id": member, "channel": "APP"}
    good = Activity(**common, occurred_at=at_ms, type="article.read")
    text = JSON.encode(good)
    key = member.encode()
    return rnd.choice(
        (
            Sent("activity", key, b"\xff poison"),
            Sent("activity", key, text[:-4]),
            Sent("activity", key, text.replace(b'"APP"', b'"FAX"')),
            Sent("activity", key, text.replace(b'"occurred_at"', b'"ocurred_at"')),
            Sent("score", key, CODEC.encode(good)),
            Sent("activity", b"somebody-else", text),
            Sent(
                "activity", key, CODEC.encode(Activity(**common, occurred_at=4_102_444_800_000, type="a.b"))
            ),
            Sent("activity", key, CODEC.encode(Activity(**common, occurred_at=900_000_000_000, type="a.b"))),
            Sent("activity", key, CODEC.encode(Activity(**common, occurred_at=at_ms, type=BUG))),
            Sent("activity", key, CODEC.encode(Activity(**common, occurred_at=at_ms, type=BUG))),
        )
    )


def poisoned(seed, *, records, partitions):
    """A history without a bad record, and another one in a hundred in between; returns it and how many those are."""
    rnd, found, count = random.Random(seed), [], 0
    for sent in History(seed, records=records, partitions=partitions, bad=0):
        found.append(sent)
        if rnd.random() < 0.01:
            count += 1
            like = CODEC.decode(sent.topic, sent.key, sent.value, 4_000_000_000_000)
            found.append(poison(rnd, count, like))
    return found, count


def is_poison(line):
    return "poison" in line or '"raw"' in line


def assert_nothing_else_changed(deployment, count, *, repeats=False):
    """What came out is what `simulate` gives for the inputs without the poison; and that has one dead letter each."""
    inputs = deployment.merged_inputs()
    assert sum(map(is_poison, inputs)) == count
    found, expected = (
        [line for line in comparable(lines) if json.loads(line)["topic"] != "dead-letter"]
        for lines in (deployment.outputs(), simulated(deployment, [x for x in inputs if not is_poison(x)])[0])
    )
    letters = [letter for _, _, letter in deployment.records("dead-letter")]
    places = [
        (each.source_topic, each.source_partition, each.source_offset)
        for each in letters
        if each.error != OF_THE_HISTORY
    ]
    if repeats:
        found, expected, places = (sorted(set(each)) for each in (found, expected, places))
    assert Counter(found) == Counter(expected)
    assert len(places) == len(set(places)) == count
    assert any(each.error == "internal" for each in letters)


def test_under_load_one_in_a_hundred_changes_nothing_for_the_others(deploy):
    deployment = deploy()
    records, count = poisoned(101, records=2_500, partitions=2)
    worker = deployment.start_worker(faults=Faults(bug=BUG))
    deployment.produce(records[:1_200])
    deployment.wait_for_commits(2)
    worker.kill()
    deployment.expel_dead_workers()
    deployment.produce(records[1_200:])
    deployment.drain(faults=Faults(bug=BUG))
    assert_nothing_else_changed(deployment, count)


def test_nor_does_it_at_least_once(deploy):
    deployment = deploy(REENGAGE_GUARANTEE="at_least_once")
    records, count = poisoned(102, records=1_200, partitions=2)
    deployment.produce(records)
    for step in ("outputs", "states"):
        crashing = Faults(crash_at=step, crash_after=4, bug=BUG, **FEW)
        worker = deployment.start_worker("--until-drained", faults=crashing)
        assert worker.exit_code() < 0
        deployment.expel_dead_workers()
    deployment.drain(faults=Faults(bug=BUG, **FEW))
    assert_nothing_else_changed(deployment, count, repeats=True)


@pytest.mark.soak
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
@pytest.mark.parametrize("seed", range(800, 815))
def test_whatever_is_poison_and_wherever_workers_are_killed(deploy, seed, guarantee):
    rnd = random.Random(seed)
    partitions = rnd.choice((1, 2, 3))
    deployment = deploy(partitions=partitions, REENGAGE_GUARANTEE=guarantee)
    records, count = poisoned(seed, records=4_000, partitions=partitions)
    deployment.produce(records)
    for _ in range(6):
        crashing = Faults(
            crash_at=rnd.choice(STEPS_OF[guarantee]), crash_after=rnd.randint(1, 9), bug=BUG, **FEW
        )
        deployment.start_worker("--until-drained", faults=crashing).exit_code()
        deployment.expel_dead_workers()
    deployment.drain(faults=Faults(bug=BUG))
    assert_nothing_else_changed(deployment, count, repeats=guarantee == "at_least_once")
