"""What the worker should have put out: `simulate --in-order` over the inputs in the order in which it took them."""

import json
from collections import Counter
from typing import Any

from app.domain.events import INPUTS
from app.playbooks.loader import load_playbooks
from app.tools.simulate import simulate
from app.wire.lines import format_record
from tests.integration.deployment import Deployment

RULES_REFUSE = frozenset({"unknown_workflow", "not_managed", "merge_cycle", "cascade_limit"})
"""Dead letters of valid records: the worker's carry Kafka's bytes, `simulate`'s the line; and of a record that was
rerouted the line says the partition that took it over, the dead letter the one it lay in."""


def simulated(deployment: Deployment, inputs: list[str]) -> list[str]:
    """The outputs of `simulate --in-order --snapshots`, as it prints them."""
    settings = deployment.settings()
    result = simulate(inputs, load_playbooks(settings.playbooks), in_order=True, grace_ms=settings.grace_ms)
    return [
        format_record(record.topic, record)
        for record in (*result.dead_letters, *result.outputs, *result.snapshots)
    ]


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
    """Every committed output equals what `simulate` gives, record for record; snapshots: each member's last.

    `repeats`: outputs may be there more than once, each time the same (at_least_once).
    """
    inputs = deployment.merged_inputs()
    outputs = comparable(deployment.outputs())
    if repeats:
        outputs = sorted(set(outputs))
    expected = comparable(simulated(deployment, inputs))
    assert not (Counter(expected) - Counter(outputs)), _difference("missing", expected, outputs)
    assert not (Counter(outputs) - Counter(expected)), _difference("too many", outputs, expected)
    assert_all_inputs_taken(inputs)


def assert_all_inputs_taken(inputs: list[str]) -> None:
    """No record lies behind the last commit of its partition."""
    partitions_seen = set()
    for line in reversed(inputs):
        record = json.loads(line)
        if record["topic"] in INPUTS:
            assert record["partition"] in partitions_seen, f"no commit has taken {line}"
        else:
            partitions_seen.add(record["partition"])


def _difference(what: str, these: list[str], those: list[str]) -> str:
    left = sorted((Counter(these) - Counter(those)).elements())
    return f"{len(left)} {what}, of {len(these)}:\n" + "\n".join(left[:6])
