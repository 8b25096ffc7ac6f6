"""JSON lines: what simulate and produce read, and what simulate and tail print."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import INPUTS, Activity
from app.domain.outputs import OUTPUTS, DeadLetter, TagChanged
from app.wire.codec import Codec
from app.wire.lines import (
    BadLine,
    Clock,
    Line,
    format_clock,
    format_input,
    format_raw,
    format_record,
    parse_line,
)
from app.wire.topics import PROCESSORS

NOW_MS = 1_767_607_200_000
DAY_MS = 86_400_000
YEAR_2100_MS = 4_102_444_800_000
QUICK = settings(max_examples=25)
FIELDS = {"member_id": "m1", "type": "article.read", "channel": "APP", "occurred_at": "2026-01-05T10:00:00Z"}


def line(**fields):
    return json.dumps({"topic": "activity", **FIELDS, **fields})


def bad(text, number=1, **more):
    with pytest.raises(BadLine) as caught:
        parse_line(text, number, **more)
    return caught.value


class TestRecords:
    def test_a_line_is_a_record_with_its_topic(self):
        text = line()
        assert parse_line(text, 7) == Line(
            number=7,
            topic="activity",
            record=Activity(
                event_id="line-7", member_id="m1", occurred_at=NOW_MS, type="article.read", channel="APP"
            ),
            arrived_at=NOW_MS,
            partition=None,
            offset=None,
            value=text.encode(),
        )

    def test_the_envelope_is_no_part_of_the_record(self):
        parsed = parse_line(
            line(event_id="e1", key="m1", arrived_at="2026-01-06T10:00:00Z", partition=3, offset=9), 1
        )
        assert (parsed.arrived_at, parsed.partition, parsed.offset) == (NOW_MS + DAY_MS, 3, 9)
        assert (parsed.record.event_id, parsed.occurred_at, parsed.key) == ("e1", NOW_MS, b"m1")

    def test_the_run_names_the_records_that_come_without_id(self):
        assert parse_line(line(), 3, run="r9").record.event_id == "r9-3"

    @pytest.mark.parametrize("blank", ["", "\n", " \t\r\n", b""])
    def test_a_blank_line_says_nothing(self, blank):
        assert parse_line(blank, 1) is None

    @pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", "\ufeff"])
    def test_a_byte_order_mark_says_nothing_at_the_beginning_of_the_first_line(self, mark):
        text = line().encode() if isinstance(mark, bytes) else line()
        assert parse_line(mark + text, 1) == parse_line(line(), 1)
        assert parse_line(mark, 1) is None
        assert bad(mark + text, 2).error == "undecodable"

    def test_bytes_and_line_ends_are_as_good_as_text(self):
        assert parse_line(line().encode() + b"\r\n", 1) == parse_line(line(), 1)

    def test_how_far_ahead_a_record_lies_counts_from_its_arrival(self):
        assert parse_line(line(arrived_at=NOW_MS - 300_000), 1).occurred_at == NOW_MS
        found = bad(line(arrived_at=NOW_MS - 300_001))
        assert (found.error, found.occurred_at) == ("in_the_future", NOW_MS)

    def test_or_from_now_where_it_is_about_to_be_sent(self):
        assert parse_line(line(arrived_at=0), 1, append_ms=NOW_MS).occurred_at == NOW_MS
        assert bad(line(), append_ms=NOW_MS - 300_001).error == "in_the_future"

    def test_a_record_beyond_the_calendar_is_in_the_future_of_any_arrival(self):
        found = bad(line(occurred_at=2**62))
        assert (found.error, found.message) == (
            "in_the_future",
            "occurred_at: 4611686018427387904 lies after the year 9899; is it in microseconds? Milliseconds are expected",
        )

    @pytest.mark.parametrize("more", [{}, {"arrived_at": "9999-12-31T23:59:59.999Z"}])
    def test_a_record_so_late_that_its_timers_could_not_be_written_is_in_the_future_too(self, more):
        assert parse_line(line(occurred_at="9899-12-31T23:59:59.999Z", **more), 1).occurred_at
        found = bad(line(occurred_at="9900-01-01T00:00:00Z", **more))
        assert (found.error, found.message) == (
            "in_the_future",
            "occurred_at: 9900-01-01T00:00:00.000Z lies after the year 9899",
        )

    def test_a_session_and_a_snooze_may_be_for_ever(self):
        never = "9999-12-31T23:59:59.999Z"
        session = {"engagement_id": "e", "type": "SESSION_SCHEDULED", "session_id": "s", "session_at": never}
        snooze = {"type": "SNOOZE_NUDGES", "issued_by": "op", "until": never}
        for topic, fields in ("engagement", session), ("command", snooze):
            text = json.dumps({"topic": topic, "member_id": "m1", "occurred_at": NOW_MS, **fields})
            assert parse_line(text, 1).occurred_at == NOW_MS

    def test_a_crossing_fact_lies_in_the_calendar(self):
        answer = {
            "topic": "internal-transfer-queued",
            "pool": "p",
            "member_id": "m1",
            "partition": 0,
            "occurred_at": 2**62,
        }
        answer |= {"program": None, "playbook": "r", "request_id": "m1/1", "cause": "c", "attempt": 1}
        found = bad(json.dumps(answer), internal=True)
        assert found.message == "occurred_at: 4611686018427387904 lies outside the years 1970 to 9999"

    @pytest.mark.parametrize("topic", sorted(INPUTS))
    @QUICK
    @given(data=st.data())
    def test_a_printed_input_reads_back_as_it_was(self, topic, records, data):
        record = data.draw(records(topic))
        parsed = parse_line(format_input(record, arrived_at=YEAR_2100_MS, partition=2, offset=5), 1)
        assert repr(parsed.record) == repr(record)
        assert (parsed.topic, parsed.arrived_at, parsed.partition, parsed.offset) == (
            topic,
            YEAR_2100_MS,
            2,
            5,
        )


class TestClock:
    def test_it_moves_time(self):
        assert parse_line('{"topic":"clock","occurred_at":"2026-01-05T10:00:00Z"}', 4) == Clock(
            number=4, occurred_at=NOW_MS, arrived_at=NOW_MS
        )

    @QUICK
    @given(
        instants=st.tuples(st.integers(0, YEAR_2100_MS), st.none() | st.integers(0, YEAR_2100_MS)),
        partition=st.none() | st.integers(0, 99),
        names=st.tuples(st.none() | st.sampled_from(PROCESSORS), st.none() | st.text()),
    )
    def test_a_mark_reads_back_as_it_was_printed(self, instants, partition, names):
        clock = Clock(
            number=1,
            occurred_at=instants[0],
            arrived_at=instants[0],
            partition=partition,
            processor=names[0],
            mark_due=instants[1],
            mark_entity=names[1],
        )
        assert parse_line(format_clock(clock), 1) == clock

    @pytest.mark.parametrize(
        ("fields", "error", "message"),
        [
            ({}, "missing_field", "occurred_at: the field is missing"),
            ({"occurred_at": 5, "member_id": "m1"}, "unknown_field", "member_id: no such field"),
            (
                {"occurred_at": 5, "partion": 1},
                "unknown_field",
                "partion: no such field; did you mean 'partition'?",
            ),
            ({"occurred_at": 5, "partition": -1}, "bad_value", "partition: -1 is no whole number from 0"),
            (
                {"occurred_at": 5, "processor": "member"},
                "bad_value",
                "processor: \"member\" is none of members, companies, desk, digests; did you mean 'members'?",
            ),
            ({"occurred_at": 5, "processor": 5}, "bad_value", "processor: 5 is no text"),
            (
                {"occurred_at": 2**62},
                "bad_value",
                "occurred_at: 4611686018427387904 lies outside the years 1970 to 9999",
            ),
        ],
    )
    def test_a_wrong_one_says_what_is_wrong(self, fields, error, message):
        found = bad(json.dumps({"topic": "clock", **fields}))
        assert (found.error, found.message, found.letter.source_topic) == (error, message, "clock")


class TestBadLines:
    @pytest.mark.parametrize(
        ("text", "error", "message", "topic", "key"),
        [
            ("x", "undecodable", "it is no JSON: JSON is malformed: invalid character (byte 0)", "?", None),
            ("[1]", "undecodable", "it is no JSON object but a list", "?", None),
            ("{}", "missing_field", "topic: the field is missing", "?", None),
            (
                '{"topic":"actvity"}',
                "bad_value",
                "topic: \"actvity\" is no input topic; did you mean 'activity'?",
                "actvity",
                None,
            ),
            (
                line(channel="FAX"),
                "unknown_enum",
                'channel: "FAX" is none of APP, WEB, EMAIL, SMS, PHONE, SYSTEM',
                "activity",
                "m1",
            ),
            (
                line(chanel=1),
                "unknown_field",
                "chanel: no such field; did you mean 'channel'?",
                "activity",
                "m1",
            ),
            (line(member_id=5), "bad_value", "member_id: 5 is no text", "activity", None),
            (
                line(key="m2"),
                "bad_key",
                'the key "m2" differs from the record\'s member_id, "m1"',
                "activity",
                "m2",
            ),
            (
                line(key=None),
                "bad_key",
                'the record has no key; its key must be its member_id, "m1"',
                "activity",
                None,
            ),
            (
                line(type=""),
                "bad_value",
                "type: it has 0 characters, where 1 to 256 are expected",
                "activity",
                "m1",
            ),
        ],
    )
    def test_each_becomes_a_dead_letter_with_its_line(self, text, error, message, topic, key):
        found = bad(text, 12)
        assert str(found) == f"line 12: {message} ({error})"
        assert found.letter == DeadLetter(
            source_topic=topic,
            source_line=12,
            key=key,
            occurred_at=NOW_MS if topic == "activity" else None,
            error=error,
            message=message,
            raw=text.encode(),
        )

    @pytest.mark.parametrize(
        ("text", "arrived_at", "occurred_at"),
        [
            (line(chanel=1), NOW_MS, NOW_MS),
            (line(chanel=1, arrived_at=NOW_MS + 5), NOW_MS + 5, NOW_MS),
            (line(topic="actvity", arrived_at=NOW_MS + 5), NOW_MS + 5, NOW_MS),
            (line(arrived_at="oops"), NOW_MS, NOW_MS),
            (line(occurred_at="oops", arrived_at=NOW_MS + 5), NOW_MS + 5, None),
            (json.dumps({"topic": "clock", "occurred_at": NOW_MS, "partition": "x"}), NOW_MS, NOW_MS),
            (json.dumps({"topic": "clock", "occurred_at": [], "arrived_at": 7}), 7, None),
            ("{}", None, None),
            ("x", None, None),
        ],
    )
    def test_its_place_in_time_is_known_as_far_as_it_can_be_read(self, text, arrived_at, occurred_at):
        found = bad(text)
        assert (found.arrived_at, found.occurred_at) == (arrived_at, occurred_at)
        assert found.letter.occurred_at == occurred_at

    def test_its_place_in_kafka_is_kept_where_the_line_has_it(self):
        letter = bad(line(partition=3, offset=9, channel="FAX")).letter
        assert (letter.source_partition, letter.source_offset) == (3, 9)

    def test_a_record_the_core_refuses_gives_one_too(self):
        text = line(partition=3, offset=9)
        assert parse_line(text, 5).dead_letter("unknown_workflow", "why") == DeadLetter(
            source_topic="activity",
            source_partition=3,
            source_offset=9,
            source_line=5,
            key="m1",
            occurred_at=NOW_MS,
            error="unknown_workflow",
            message="why",
            raw=text.encode(),
        )

    @settings(max_examples=300)
    @given(st.binary(max_size=80) | st.text(max_size=80))
    def test_any_line_is_a_line_or_a_bad_one(self, text):
        try:
            assert isinstance(parse_line(text, 1), Line | Clock | None)
        except BadLine as found:
            format_record("dead-letter", found.letter)

    @settings(max_examples=300)
    @given(
        st.dictionaries(
            st.sampled_from(
                ["topic", "key", "raw", "arrived_at", "partition", "offset", "occurred_at", "mark_due"]
            ),
            st.none()
            | st.integers()
            | st.sampled_from(["activity", "clock", "AP8=", "2026-01-05T10:00:00Z"])
            | st.dictionaries(st.sampled_from(["base64"]), st.sampled_from([None, 5, "AP8="])),
        )
    )
    def test_any_envelope_is_a_line_or_a_bad_one(self, fields):
        try:
            assert isinstance(parse_line(json.dumps(fields), 1), Line | Clock | None)
        except BadLine as found:
            format_record("dead-letter", found.letter)


class TestRawRecords:
    """Records that are no valid ones travel as bytes, and give the dead letter they gave in Kafka."""

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            (b"m1", b"hello"),
            (b"m1", b""),
            (b"m1", None),
            (None, b"{}"),
            (b"m\xff", b"\xc3\x01"),
            (
                b"m2",
                Codec().encode(
                    Activity(event_id="e", member_id="m1", occurred_at=NOW_MS, type="a.b", channel="APP")
                ),
            ),
        ],
    )
    def test_the_dead_letter_is_the_same(self, key, value):
        text = format_raw("activity", key, value, arrived_at=NOW_MS, partition=3, offset=9)
        found = bad(text, 4).letter
        try:
            Codec().decode("activity", key, value, NOW_MS)
        except Exception as error:  # noqa: BLE001  compared below
            there = error.dead_letter("activity", 3, 9, key, value)
        there.source_line = 4
        assert found == there

    def test_a_valid_record_may_travel_so_too(self):
        record = Activity(event_id="e", member_id="m1", occurred_at=NOW_MS, type="a.b", channel="APP")
        text = format_raw("activity", b"m1", Codec().encode(record), arrived_at=NOW_MS, partition=3, offset=9)
        assert parse_line(text, 1).record == record

    def test_a_line_with_raw_has_no_fields(self):
        found = bad('{"topic":"activity","raw":"e30=","member_id":"m1"}')
        assert (found.error, found.message) == (
            "unknown_field",
            "member_id: a line with raw has no other fields",
        )


class TestPrinting:
    def test_the_topic_comes_first_then_every_field_in_the_schemas_order(self):
        record = TagChanged(
            event_id="m1/1",
            sequence=1,
            member_id="m1",
            occurred_at=NOW_MS,
            cause="e1",
            tag="inactive",
            action="ADDED",
            reason="never_active",
        )
        assert format_record("tag-changed", record) == (
            '{"topic":"tag-changed","event_id":"m1/1","sequence":1,"member_id":"m1",'
            '"occurred_at":"2026-01-05T10:00:00.000Z","playbook":null,"playbook_version":null,"cause":"e1",'
            '"tag":"inactive","action":"ADDED","reason":"never_active"}'
        )

    @pytest.mark.parametrize("topic", sorted(OUTPUTS))
    @QUICK
    @given(data=st.data())
    def test_every_output_is_one_line_of_json_that_reads_back(self, topic, records, data):
        record = data.draw(records(topic))
        text = format_record(topic, record)
        assert "\n" not in text
        fields = json.loads(text)
        assert next(iter(fields)) == "topic"
        assert fields.pop("topic") == topic
        assert repr(Codec().from_json(topic, fields)) == repr(record)
