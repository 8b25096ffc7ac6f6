"""Producing JSON lines, on a real Kafka but for the reading of lines."""

import asyncio
import json
import os
import random
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.domain.errors import UserError, UserErrors
from app.service.client import partition_counts
from app.service.settings import load_settings
from app.tools import produce
from app.wire.codec import shipped_codec
from app.wire.partitioner import murmur2_partition
from app.wire.topics import INPUTS_IN_ORDER, MEMBER_INPUTS, RANK

RECORDS = {
    "command": {"type": "FORGET_MEMBER", "issued_by": "someone"},
    "profile": {"time_zone": "UTC"},
    "campaign": {"response_id": "r", "campaign_id": "c", "is_response": True, "status": "Sent"},
    "engagement": {"engagement_id": "e", "type": "LAUNCHED"},
    "transfer": {"type": "PROGRAM_ASSIGNED"},
    "score": {"operation": "ADD", "points": 5},
    "activity": {"type": "article.read", "channel": "APP"},
}


def line(topic="activity", member_id="m1", **fields):
    base = {"topic": topic, "member_id": member_id, "occurred_at": "2026-01-05T10:00:00Z"}
    return json.dumps(base | RECORDS[topic] | fields)


def write(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def decoded(record, prefix):
    topic = record.topic.removeprefix(prefix)
    return shipped_codec().decode(topic, record.key, record.value, record.timestamp)


def line_number(record, prefix):
    return int(decoded(record, prefix).event_id.rpartition("-")[2])


def test_the_merge_of_each_partition_takes_the_records_in_line_order(settings, tmp_path, read_topics):
    chance = random.Random(7)
    topics = [chance.choice(MEMBER_INPUTS) for _ in range(400)]
    path = write(tmp_path, *(line(topic, f"m{chance.randrange(20)}") for topic in topics))
    assert produce.run(settings, path) == 0
    prefix = settings.topic_prefix
    merged = sorted(
        read_topics(*MEMBER_INPUTS),
        key=lambda record: (record.timestamp, RANK[record.topic.removeprefix(prefix)], record.offset),
    )
    for partition in (0, 1):
        numbers = [line_number(record, prefix) for record in merged if record.partition == partition]
        assert len(numbers) > 100
        assert numbers == sorted(numbers)


def test_a_record_is_keyed_by_its_id_and_lies_where_murmur2_says(settings, tmp_path, read_topics):
    company = json.dumps(
        {"topic": "company", "company_id": "é", "status": "OPERATIONAL", "occurred_at": 1767607200000}
    )
    pool = json.dumps({"topic": "capacity", "pool": "p", "slots_per_day": 3, "occurred_at": 1767607200000})
    produce.run(settings, write(tmp_path, line(member_id="m9"), company, pool))
    found = {record.key: record for record in read_topics("activity", "company", "capacity")}
    assert set(found) == {b"m9", "é".encode(), b"p"}
    for key, record in found.items():
        assert record.partition == murmur2_partition(key, 2)


def test_a_record_without_event_id_gets_the_run_and_its_line(settings, tmp_path, read_topics, capsys):
    produce.run(settings, write(tmp_path, "", line(), line(event_id="mine")))
    printed = capsys.readouterr().out
    run = re.match(r"run ([0-9a-f]{8}): 2 records sent \(activity 2\)\n", printed)
    assert run is not None
    ids = {decoded(record, settings.topic_prefix).event_id for record in read_topics("activity")}
    assert ids == {f"{run[1]}-2", "mine"}


def test_bad_lines_are_not_sent_and_are_named_after_the_others_were(settings, tmp_path, read_topics, capsys):
    ahead = line(occurred_at="2100-01-01T00:00:00Z")
    path = write(tmp_path, line(), line(channel="APPP"), ahead, "nonsense", line(), line(key="someone else"))
    with pytest.raises(UserErrors) as caught:
        produce.run(settings, path)
    assert caught.value.exit_code == 1
    errors = caught.value.errors
    assert {error.reference for error in errors} == {"bad-line"}
    assert [error.place for error in errors] == [f"{path}, line {number}" for number in (2, 3, 4, 6)]
    assert errors[0].problem.startswith('channel: "APPP" is none of APP, WEB')
    assert [bool(error.hint) for error in errors] == [False, False, False, True]
    assert capsys.readouterr().out.endswith("2 records sent (activity 2), 4 bad lines not sent\n")
    assert len(read_topics("activity")) == 2


def test_of_many_bad_lines_ten_are_named(settings, tmp_path, capsys):
    path = write(tmp_path, *["nonsense"] * 12)
    with pytest.raises(UserErrors) as caught:
        produce.run(settings, path)
    assert [error.place for error in caught.value.errors] == [f"{path}, line {n}" for n in range(1, 11)]
    assert capsys.readouterr().out.endswith("0 records sent, 12 bad lines not sent\n")


def test_clock_lines_are_skipped_and_counted_and_arrived_at_is_ignored(
    settings, tmp_path, read_topics, capsys
):
    clock = json.dumps({"topic": "clock", "occurred_at": "2026-01-05T10:00:00Z"})
    later = line(arrived_at="2026-03-01T00:00:00Z")
    assert produce.run(settings, write(tmp_path, clock, later, clock)) == 0
    assert "1 record sent (activity 1), 2 clock lines skipped" in capsys.readouterr().out
    assert len(read_topics("activity")) == 1


def test_a_record_of_nearly_a_megabyte_is_sent_and_a_larger_one_is_a_bad_line(
    settings, tmp_path, read_topics
):
    path = write(
        tmp_path, line(attributes={"text": "x" * 1_100_000}), line(attributes={"text": "x" * 990_000})
    )
    with pytest.raises(UserErrors, match="too_large"):
        produce.run(settings, path)
    assert [line_number(record, settings.topic_prefix) for record in read_topics("activity")] == [2]


def test_every_missing_topic_is_named_and_nothing_is_sent(bare_settings, tmp_path, capsys):
    with pytest.raises(UserErrors) as caught:
        produce.run(bare_settings, write(tmp_path, line()))
    assert [error.place for error in caught.value.errors] == [
        bare_settings.topic_prefix + topic for topic in INPUTS_IN_ORDER
    ]
    assert {error.reference for error in caught.value.errors} == {"missing-topic"}
    assert capsys.readouterr().out == ""


def test_a_topic_that_keeps_the_senders_time_is_refused(bare_settings, tmp_path, eventually):
    prefix = bare_settings.topic_prefix

    async def create_topics():
        admin = AIOKafkaAdminClient(**bare_settings.client_options())
        await admin.start()
        configs = {"message.timestamp.type": "CreateTime"}
        await admin.create_topics(
            [NewTopic(prefix + name, 2, 1, topic_configs=configs) for name in INPUTS_IN_ORDER]
        )
        await admin.close()

    def exist():
        with suppress(UserErrors):
            return asyncio.run(partition_counts(bare_settings, INPUTS_IN_ORDER))

    asyncio.run(create_topics())
    eventually(exist)
    with pytest.raises(UserError) as caught:
        produce.run(bare_settings, write(tmp_path, line()))
    assert (caught.value.reference, caught.value.place, caught.value.exit_code) == (
        "no-append-time",
        "activity",
        1,
    )


def test_a_broker_that_does_not_answer_is_named(settings, tmp_path):
    nowhere = replace(settings, broker="127.0.0.1:1")
    with pytest.raises(UserError) as caught:
        produce.run(nowhere, write(tmp_path, line()))
    assert (caught.value.reference, caught.value.place) == ("broker-unreachable", nowhere.broker)


@pytest.mark.parametrize("name", ["nowhere.jsonl", "."])
def test_a_file_that_cannot_be_read_is_named(bare_settings, tmp_path, name):
    path = tmp_path / name
    with pytest.raises(UserError) as caught:
        produce.run(bare_settings, path)
    assert (caught.value.reference, caught.value.place) == ("unreadable-file", str(path))


def test_so_is_a_standard_input_that_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UserError) as caught:
        produce.run(load_settings({"REENGAGE_BROKER": "127.0.0.1:1"}, tmp_path), "-")
    assert (caught.value.reference, caught.value.place) == ("unreadable-file", "-")


def test_a_line_of_a_pipe_is_sent_before_the_next_one_comes(settings, read_topics, eventually, tmp_path):
    environ = {
        **os.environ,
        "REENGAGE_BROKER": str(settings.broker),
        "REENGAGE_TOPIC_PREFIX": settings.topic_prefix,
    }
    command = [sys.executable, "-c", "from app.cli import main; main()", "produce"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, cwd=tmp_path, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line() + "\n")
        process.stdin.flush()
        eventually(lambda: len(read_topics("activity")) == 1)
        process.stdin.write(line())
        process.stdin.close()
        assert "2 records sent" in process.stdout.read()
    assert process.returncode == 0


def lines_of(path: Path, data: bytes) -> list[bytes]:
    path.write_bytes(data)

    async def read():
        with path.open("rb", buffering=0) as file:
            return [text async for batch in produce.read_lines(file.fileno(), "a file") for text in batch]

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n\nb\n", [b"a", b"", b"b"]),
        (b"x" * 200_000 + b"\ny", [b"x" * 200_000, b"y"]),
    ],
)
def test_lines_are_those_of_the_file_whatever_its_end(tmp_path, data, lines):
    assert lines_of(tmp_path / "lines", data) == lines


def test_a_file_without_line_ends_is_refused_before_it_fills_the_memory(tmp_path):
    with pytest.raises(UserError, match="longer than 16 MiB"):
        lines_of(tmp_path / "lines", b"x" * (17 << 20))
