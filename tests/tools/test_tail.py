"""Printing committed records as JSON lines, on a real Kafka."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest
from aiokafka import AIOKafkaProducer

from app.domain.crossings import JournalEntry, Rerouted
from app.domain.errors import UserError, UserErrors
from app.domain.events import Activity, MemberProfile
from app.domain.outputs import DeadLetter, MemberSnapshot, TagChanged, TransferView
from app.tools import tail
from app.wire.codec import shipped_codec
from app.wire.lines import Clock, Line, parse_line
from app.wire.partitioner import murmur2_partition

AT_MS = 1_767_607_200_000
CODEC = shipped_codec()


def tag(member: str, sequence: int, at_ms: int = AT_MS) -> TagChanged:
    return TagChanged(
        event_id=f"{member}/{sequence}",
        sequence=sequence,
        member_id=member,
        occurred_at=at_ms,
        cause="line-1",
        tag="inactive",
        action="ADDED",
        reason="inactive",
    )


def snapshot(member: str, *tags: str) -> MemberSnapshot:
    return MemberSnapshot(
        member_id=member, occurred_at=AT_MS, tags=list(tags), transfer=TransferView(state="NONE", attempts=0)
    )


def letter(offset: int) -> DeadLetter:
    return DeadLetter(
        source_topic="activity", source_partition=0, source_offset=offset, error="too_old", message=""
    )


def written(output, partition=0):
    key = getattr(output, "member_id", "m").encode()
    return output.topic, partition, key, CODEC.encode(output)


def activity(event_id: str, member: str = "m1", **fields):
    return Activity(
        event_id=event_id, member_id=member, occurred_at=AT_MS, type="article.read", channel="APP", **fields
    )


def placed(record, partition=None):
    key = record.member_id.encode()
    return (
        record.topic,
        murmur2_partition(key, 2) if partition is None else partition,
        key,
        CODEC.encode(record),
    )


@pytest.fixture
def printed(settings, capsys):
    """What `tail` prints for these arguments, as parsed lines."""

    def run(*topics, **options):
        assert tail.run(settings, topics, **options) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def test_until_the_end_all_outputs_come_in_the_order_of_simulate(write_records, printed):
    write_records(
        written(snapshot("b", "old")),
        written(snapshot("b", "new")),
        written(snapshot("a")),
        written(tag("b", 2, AT_MS + 5)),
        written(tag("b", 1), partition=1),
        written(tag("a", 1), partition=1),
        written(letter(9)),
        written(letter(7), partition=1),
    )
    lines = printed(until_end=True)
    assert [line["topic"] for line in lines] == ["dead-letter"] * 2 + ["tag-changed"] * 3 + [
        "member-snapshot"
    ] * 2
    assert [line.get("source_offset") or line.get("event_id") or line["tags"] for line in lines] == [
        7,
        9,
        "a/1",
        "b/1",
        "b/2",
        [],
        ["new"],
    ]


def test_the_snapshot_of_a_forgotten_member_is_left_out(write_records, printed):
    write_records(written(snapshot("a")), written(snapshot("b")), ("member-snapshot", 0, b"a", None))
    assert [line["member_id"] for line in printed(until_end=True)] == ["b"]


def test_only_the_topics_named_are_printed_in_the_form_of_simulate(write_records, printed):
    write_records(written(tag("a", 1)), written(letter(1)))
    (line,) = printed("tag-changed", "workflow-opened", until_end=True)
    assert line == {
        "topic": "tag-changed",
        "event_id": "a/1",
        "sequence": 1,
        "member_id": "a",
        "occurred_at": "2026-01-05T10:00:00.000Z",
        "playbook": None,
        "playbook_version": None,
        "cause": "line-1",
        "tag": "inactive",
        "action": "ADDED",
        "reason": "inactive",
    }


def test_an_input_topic_is_printed_with_its_place_and_bad_bytes_as_they_are(write_records, printed):
    write_records(placed(activity("e1"), 0), ("activity", 0, b"k", b"\xff"))
    good, bad = printed("activity", until_end=True)
    assert (good["event_id"], good["partition"], good["offset"]) == ("e1", 0, 0)
    assert (bad["key"], bad["partition"], bad["offset"], bad["raw"]) == ("k", 0, 1, "/w==")


def test_what_no_worker_wrote_into_an_output_is_shown_as_it_is(write_records, printed):
    write_records(("tag-changed", 1, None, b"hello"))
    (line,) = printed(until_end=True)
    assert (line["topic"], line["partition"], line["raw"]) == ("tag-changed", 1, "aGVsbG8=")


def test_nothing_is_printed_of_empty_topics(settings, printed):
    assert printed(until_end=True) == []
    assert printed(until_end=True, inputs=True) == []


async def write_in_transaction(settings, output, during=None, *, commit=True):
    """Writes an output in a transaction, during which `during()` runs in a thread; gives its result."""
    producer = AIOKafkaProducer(**settings.client_options(), transactional_id=settings.topic_prefix)
    await producer.start()
    try:
        await producer.begin_transaction()
        topic, partition, key, value = written(output)
        await producer.send_and_wait(settings.topic_prefix + topic, value, key, partition)
        reading = asyncio.ensure_future(asyncio.to_thread(during)) if during else None
        if reading is not None:
            await asyncio.wait([reading], timeout=0.5)
            assert not reading.done()
        await (producer.commit_transaction() if commit else producer.abort_transaction())
        return await reading if reading is not None else None
    finally:
        await producer.stop()


def test_records_of_an_aborted_transaction_are_left_out(settings, write_records, printed):
    asyncio.run(write_in_transaction(settings, tag("a", 1), commit=False))
    write_records(written(tag("a", 1)))
    assert len(printed(until_end=True)) == 1


def test_the_end_waits_for_a_transaction_that_is_open(settings, capsys):
    asyncio.run(
        write_in_transaction(
            settings, tag("a", 1), lambda: tail.run(settings, ["tag-changed"], until_end=True)
        )
    )
    assert '"event_id":"a/1"' in capsys.readouterr().out


def test_an_end_that_does_not_come_is_told_and_given_up(settings, write_records, capsys, monkeypatch):
    monkeypatch.setattr("app.tools.committed._PATIENCE_S", 0.5)
    write_records(written(tag("a", 1)))

    async def leave_open():
        producer = AIOKafkaProducer(**settings.client_options(), transactional_id=settings.topic_prefix)
        await producer.start()
        await producer.begin_transaction()
        topic, partition, key, value = written(tag("a", 2))
        await producer.send_and_wait(settings.topic_prefix + topic, value, key, partition)
        await asyncio.to_thread(tail.run, settings, ["tag-changed"], until_end=True)
        await producer.abort_transaction()
        await producer.stop()

    asyncio.run(leave_open())
    seen = capsys.readouterr()
    assert seen.out.count("\n") == 1
    assert f"{settings.topic_prefix}tag-changed 0: left out what a transaction still open" in seen.err


def test_unknown_and_internal_topics_are_refused_with_the_nearest_name(settings):
    with pytest.raises(UserErrors) as caught:
        tail.run(settings, ["tag-change", "internal-journal"])
    assert [(error.reference, error.place) for error in caught.value.errors] == [
        ("unknown-topic", "tag-change"),
        ("unknown-topic", "internal-journal"),
    ]
    assert caught.value.errors[0].hint == "did you mean tag-changed?"


def test_inputs_takes_no_topic(settings):
    with pytest.raises(UserError, match="takes no topic"):
        tail.run(settings, ["activity"], inputs=True)


def journal(offsets: dict[str, int], partition: int, time_ms: int = AT_MS, processor: str = "members"):
    entry = JournalEntry(
        processor=processor,
        offsets=offsets,
        time=time_ms,
        mark_due=time_ms - 2_000,
        mark_entity="m",
        playbooks_hash="h",
        version="1",
    )
    return "internal-journal", partition, processor.encode(), CODEC.encode(entry)


def ids(lines):
    return [line.get("event_id") or (line["topic"], line["occurred_at"][11:19]) for line in lines]


def test_inputs_without_a_journal_come_merged_by_append_time_topic_and_offset(write_records, printed):
    profile = MemberProfile(event_id="e2", member_id="m1", occurred_at=AT_MS)
    write_records(placed(activity("e1")), placed(profile), placed(activity("e3")))
    assert ids(printed(until_end=True, inputs=True)) == ["e1", "e2", "e3"]


def test_inputs_follow_the_commits_of_the_journal_even_against_the_append_time(write_records, printed):
    profile = MemberProfile(event_id="early, taken late", member_id="m1", occurred_at=AT_MS)
    partition = placed(profile)[1]
    write_records(
        placed(profile),
        placed(activity("e1")),
        placed(activity("e2")),
        placed(activity("rest")),
        journal({"activity": 2}, partition),
        journal({"activity": 2, "profile": 1}, partition, AT_MS + 5_000),
    )
    lines = printed(until_end=True, inputs=True)
    assert ids(lines) == [
        "e1",
        "e2",
        ("clock", "10:00:00"),
        "early, taken late",
        ("clock", "10:00:05"),
        "rest",
    ]
    assert lines[2] == {
        "topic": "clock",
        "occurred_at": "2026-01-05T10:00:00.000Z",
        "partition": partition,
        "processor": "members",
        "mark_due": "2026-01-05T09:59:58.000Z",
        "mark_entity": "m",
    }


def test_every_line_of_inputs_can_be_read_as_simulate_reads_it(write_records, printed):
    write_records(
        placed(activity("e1", attributes={"steps": 3})),
        ("score", 1, b"\xff", None),
        ("score", 1, None, b"{}"),
        journal({"score": 2}, 1),
    )
    lines = printed(until_end=True, inputs=True)
    assert len(lines) == 4
    good = [parse_line(json.dumps(line), 1) for line in lines if "raw" not in line]
    assert {type(line) for line in good} == {Line, Clock}
    assert [line["raw"] for line in lines if "raw" in line] == [None, "e30="]


def test_a_record_in_a_wrong_partition_comes_where_its_own_partition_took_it_over(write_records, printed):
    stray = activity("stray")
    own = placed(stray)[1]
    topic, other, key, value = placed(stray, 1 - own)
    rerouted = Rerouted(
        source_topic=topic, source_partition=other, source_offset=0, appended_at=AT_MS, key=key, value=value
    )
    write_records(
        (topic, other, key, value),
        journal({"activity": 1}, other),
        placed(activity("first")),
        ("internal-rerouted", own, key, CODEC.encode(rerouted)),
        journal({"activity": 1}, own),
        journal({"activity": 1, "internal-rerouted": 1}, own),
    )
    lines = printed(until_end=True, inputs=True)
    assert [line.get("event_id", "clock") for line in lines] == ["clock", "first", "clock", "stray", "clock"]
    assert lines[3]["partition"] == own


def test_inputs_come_whole_when_far_more_lies_in_one_topic_than_is_buffered(
    write_records, printed, monkeypatch
):
    monkeypatch.setattr("app.tools.committed._BUFFERED_RECORDS", 2)
    profile = MemberProfile(event_id="profile", member_id="m1", occurred_at=AT_MS)
    partition = placed(profile)[1]
    write_records(
        *(placed(activity(f"e{number}")) for number in range(9)),
        journal({"activity": 7}, partition),
        placed(profile),
        journal({"activity": 8, "profile": 1}, partition),
    )
    names = [line.get("event_id") for line in printed(until_end=True, inputs=True)]
    assert names == [*(f"e{number}" for number in range(7)), None, "e7", "profile", None, "e8"]


def test_crossings_are_no_inputs(write_records, printed):
    write_records(journal({"activity": 0, "internal-transfer-answer": 3}, 0))
    assert [line["topic"] for line in printed(until_end=True, inputs=True)] == ["clock"]


@pytest.mark.parametrize("inputs", [False, True])
def test_a_live_tail_prints_what_is_committed_from_then_on_and_ends_with_ctrl_c(
    settings, write_records, tmp_path, inputs
):
    write_records(written(tag("a", 1)), placed(activity("before")))
    environ = {
        **os.environ,
        "REENGAGE_BROKER": str(settings.broker),
        "REENGAGE_TOPIC_PREFIX": settings.topic_prefix,
    }
    command = [
        sys.executable,
        "-c",
        "from app.cli import main; main()",
        "tail",
        *(["--inputs"] if inputs else []),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, cwd=tmp_path, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline().startswith("following ")
        new = activity("after")
        partition = placed(new)[1]
        write_records(written(tag("a", 2)), placed(new), journal({"activity": 2}, partition))
        line = json.loads(process.stdout.readline())
        assert line["event_id"] == ("after" if inputs else "a/2")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read() == ""
