"""What the worker should have put out, and what it should know: `simulate --in-order` over the inputs as it took them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.domain.events import INPUTS
from app.domain.outputs import OUTPUTS, Output
from app.playbooks.loader import load_playbooks
from app.tools.simulate import simulate
from app.tools.world import World
from app.wire.envelope import CLOCK
from app.wire.lines import format_input, format_record
from app.wire.partitioner import murmur2_partition
from app.wire.topics import load_topics
from tests.integration.deployment import Deployment
from tests.integration.states import assert_states_equal

SEQUENCED = tuple(topic for topic, record in OUTPUTS.items() if issubclass(record, Output))

RULES_REFUSE = frozenset({"unknown_workflow", "not_managed", "merge_cycle", "cascade_limit"})
"""Dead letters of valid records: the worker's carry Kafka's bytes, `simulate`'s the line; and of a record that was
rerouted the line says the partition that took it over, the dead letter the one it lay in."""


def simulated(deployment: Deployment, inputs: list[str]) -> tuple[list[str], World]:
    """The outputs of `simulate --in-order --snapshots`, as it prints them; and the world that made them."""
    settings = deployment.settings()
    playbooks = load_playbooks(settings.playbooks)
    world = World(playbooks, settings.grace_ms)
    result = simulate(inputs, playbooks, in_order=True, world=world)
    lines = [
        format_record(record.topic, record)
        for record in (*result.dead_letters, *result.outputs, *result.snapshots)
    ]
    return lines, world


def comparable(lines: list[str]) -> list[str]:
    """Lines sorted, and freed of what says only who printed them: the line's number, the line as `raw`."""
    found = []
    for line in lines:
        record: dict[str, Any] = json.loads(line)
        if record["topic"] == "dead-letter":
            del record["source_line"]
            if record["error"] in RULES_REFUSE:
                del record["raw"], record["source_partition"]
        found.append(json.dumps(record, sort_keys=True))
    return sorted(found)


def assert_equals_simulate(deployment: Deployment, *, repeats: bool = False) -> None:
    """Outputs and states equal what `simulate` gives: record for record, sequences included, and part for part.

    Snapshots: each member's last. `repeats`: outputs may be there more than once, each time the same (at_least_once).
    So may a record that was sent on to its own partition; where the rules refuse it, `simulate` too says so once for
    each time it came.
    """
    inputs = deployment.merged_inputs()
    outputs = comparable(deployment.outputs())
    lines, world = simulated(deployment, inputs)
    expected = comparable(lines)
    if repeats:
        outputs, expected = sorted(set(outputs)), sorted(set(expected))
    assert not (Counter(expected) - Counter(outputs)), _difference("missing", expected, outputs)
    assert not (Counter(outputs) - Counter(expected)), _difference("too many", outputs, expected)
    assert_all_inputs_taken(inputs)
    assert_states_equal(deployment, world)


def assert_all_inputs_taken(inputs: list[str]) -> None:
    """No record lies behind the last commit of its processor's partition."""
    processor_of = {topic.name: topic.processor for topic in load_topics().values()}
    committed = set()
    for line in reversed(inputs):
        record = json.loads(line)
        if record["topic"] == CLOCK:
            committed.add((record["processor"], record["partition"]))
        elif record["topic"] in INPUTS:
            place = processor_of[record["topic"]], record["partition"]
            assert place in committed, f"no commit has taken {line}"


def assert_in_place_and_order(deployment: Deployment) -> None:
    """Every sequenced output lies in its key's partition, and those of one topic and member in order of sequence."""
    last: dict[tuple[str, str], int] = {}
    for topic, partition, record in deployment.records(*SEQUENCED):
        at = f"{record.event_id} in {topic} {partition}"
        assert partition == murmur2_partition(record.member_id.encode(), deployment.partitions), at
        assert record.sequence > last.get((topic, record.member_id), 0), at
        last[topic, record.member_id] = record.sequence
    assert last


def _difference(what: str, these: list[str], those: list[str]) -> str:
    left = sorted((Counter(these) - Counter(those)).elements())
    return f"{len(left)} {what}, of {len(these)}:\n" + "\n".join(left[:6])


def remade(
    inputs: list[str], playbooks: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> list[dict[str, Any]]:
    """What crosses to members as `kind`, made anew in memory from what the senders' partitions were told, mark by mark."""
    made: list[dict[str, Any]] = []

    class Listening(World):
        def _drop_crossings(self) -> None:
            made.extend(
                json.loads(format_input(output, arrived_at=0, partition=0, offset=0))
                for output in self._sink.outputs
                if isinstance(output, kind)
            )
            super()._drop_crossings()

    monkeypatch.setattr("app.tools.simulate.World", Listening)
    simulate(inputs, load_playbooks(Path(playbooks)), in_order=True)
    return made
