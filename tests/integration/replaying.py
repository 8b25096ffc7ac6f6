"""Running `reengage replay` on a deployment, and looking at what lies under its prefix."""

import asyncio
import contextlib
import io
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from operator import itemgetter
from typing import Any

from aiokafka import TopicPartition

from app.domain.events import INPUTS
from app.domain.outputs import OUTPUTS, MemberSnapshot
from app.tools import tail
from app.tools.committed import committed_reader
from app.tools.replay import run as replaying
from app.tools.replay.options import Options
from app.wire.codec import Codec
from app.wire.topics import JOURNAL
from tests.integration.deployment import LAUNCHER, PATIENCE_S, REENGAGE, Deployment
from tests.integration.faults import Faults

Rows = dict[tuple[str, int, bytes | None], list[bytes | None]]
"""The values of each key's records, in order, by (topic, partition, key)."""


def replay(deployment: Deployment, into: str, **options: object) -> int:
    """Replay in this process; returns the exit code."""
    return replaying.run(deployment.settings(), Options(into=deployment.prefix + into, **options))  # type: ignore[arg-type]


def start_replay(
    deployment: Deployment, into: str, *arguments: str, faults: Faults | None = None
) -> "subprocess.Popen[bytes]":
    """Start the command as users do; with `faults`, the same with what they ask for."""
    command = [str(REENGAGE)] if faults is None else [sys.executable, str(LAUNCHER), faults.dump()]
    command += ["replay", "--into", deployment.prefix + into, *arguments]
    return subprocess.Popen(
        command,
        env=deployment.environ(),
        cwd=deployment.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def replay_command(
    deployment: Deployment, into: str, *arguments: str, faults: Faults | None = None
) -> tuple[int, str, str]:
    """Run the command as users do: exit code, standard output, standard error."""
    process = start_replay(deployment, into, *arguments, faults=faults)
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out.decode(), err.decode()


def replay_printing(deployment: Deployment, into: str, **options: object) -> tuple[int, str]:
    """The exit code, and what went to standard output."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = replay(deployment, into, **options)
    return code, printed.getvalue()


def rows(deployment: Deployment, under: str = "", topics: tuple[str, ...] = ()) -> Rows:
    """Every committed record of the outputs, and of the journal where it is asked for, as it lies."""

    async def read() -> Rows:
        found: Rows = defaultdict(list)
        prefix, settings = deployment.prefix + under, deployment.settings()
        places = [
            TopicPartition(prefix + topic, number)
            for topic in topics or OUTPUTS
            for number in range(deployment.partitions)
        ]
        async with committed_reader(settings, places, from_beginning=True, until_end=True) as reader:
            async for record in reader.each():
                topic = record.topic.removeprefix(prefix)
                found[topic, record.partition, record.key].append(record.value)
        return found

    return asyncio.run(read())


def assert_equal_to_live(deployment: Deployment, under: str) -> None:
    """Every output under the prefix is the live one: values, keys, order of each key, pages of members included."""
    live, replayed = rows(deployment), rows(deployment, under)
    assert live.keys() == replayed.keys()
    different = [place for place, values in live.items() if replayed[place] != values]
    assert not different, f"{len(different)} keys differ, first {different[0]}"
    assert any(topic == MemberSnapshot.topic for topic, _, _ in live)
    assert sum(len(values) for values in live.values()) > 100


def printed(deployment: Deployment, under: str) -> list[str]:
    """The outputs under the prefix as `tail` prints them; of pages each member's last."""
    lines = io.StringIO()
    settings = replace(deployment.settings(), topic_prefix=deployment.prefix + under)
    with contextlib.redirect_stdout(lines):
        tail.run(settings, [], until_end=True)
    return lines.getvalue().splitlines()


def inputs_by_time(deployment: Deployment) -> list[str]:
    """The inputs as lines for `simulate` in event-time order, in the order in which they were appended.

    Without internal topics, marks, and where they lay. A record that was rerouted stands where it was first appended.
    """
    found = []
    for line in map(json.loads, deployment.merged_inputs()):
        if line["topic"] in INPUTS and "raw" not in line:
            place = (line.pop("arrived_at"), line.pop("partition"), line.pop("offset"))
            found.append((place, json.dumps(line)))
    return [text for _, text in sorted(found, key=itemgetter(0))]


def records_of(deployment: Deployment, under: str, topics: tuple[str, ...]) -> list[Any]:
    """The decoded outputs of these topics, by member and sequence."""
    codec = Codec()
    found = [
        codec.decode(topic, key, value, 0)
        for (topic, _, key), values in rows(deployment, under, topics).items()
        for value in values
    ]
    return sorted(found, key=lambda record: (record.member_id, record.sequence))


def journal(deployment: Deployment, under: str = "") -> list[tuple[Any, ...]]:
    """Partition, processor, offsets, time and mark of each commit, partition by partition."""
    codec = Codec()
    return [
        (number, entry.processor, entry.offsets, entry.time, entry.mark_due, entry.mark_entity)
        for (topic, number, key), values in sorted(rows(deployment, under, (JOURNAL,)).items())
        for entry in (codec.decode(topic, key, value, 0) for value in values)
    ]
