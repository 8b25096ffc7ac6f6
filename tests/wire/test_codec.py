"""Records to bytes and back: all encodings, all topics, and whatever bytes there may be."""

import json
from io import BytesIO

import msgspec
import pytest
from fastavro import schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.crossings import INTERNALS, JournalEntry
from app.domain.events import INPUTS, Activity, ScoreCommand
from app.domain.outputs import OUTPUTS, DeadLetter, MemberSnapshot, TagChanged
from app.wire.checks import LAST_OCCURRED_MS
from app.wire.codec import RECORDS, BadRecord, Codec, encode_key
from app.wire.schemas import shipped_schemas

NOW_MS = 1_767_607_200_000  # 2026-01-05T10:00:00Z
YEAR_2100_MS = 4_102_444_800_000
DEAD_LETTER_CODES = {
    code
    for field in shipped_schemas().current("DeadLetter").source["fields"]
    if field["name"] == "error"
    for code in field["type"]["symbols"]
}
EVERY_TOPIC = pytest.mark.parametrize("topic", sorted(RECORDS))
QUICK = settings(max_examples=25)

codec = Codec()
JSON_CODEC = Codec(encoding="json")


def activity(**changes):
    fields = {
        "event_id": "e1",
        "member_id": "m1",
        "occurred_at": NOW_MS,
        "type": "article.read",
        "channel": "APP",
    }
    return Activity(**{**fields, **changes})


def as_json(**changes):
    fields = {
        "event_id": "e1",
        "member_id": "m1",
        "occurred_at": "2026-01-05T10:00:00Z",
        "type": "article.read",
        "channel": "APP",
    }
    return json.dumps({**fields, **changes}).encode()


def key_of(record):
    return None if record.key_field is None else getattr(record, record.key_field).encode()


def bad(topic, key, value, append_ms=NOW_MS):
    with pytest.raises(BadRecord) as caught:
        codec.decode(topic, key, value, append_ms)
    return caught.value


class TestRoundTrips:
    @EVERY_TOPIC
    @QUICK
    @given(data=st.data())
    def test_single_object_encoding_gives_back_every_record(self, topic, records, data):
        record = data.draw(records(topic))
        value = codec.encode(record)
        assert value[:2] == b"\xc3\x01"
        assert repr(codec.decode(topic, key_of(record), value, YEAR_2100_MS)) == repr(record)

    @EVERY_TOPIC
    @QUICK
    @given(data=st.data())
    def test_json_gives_back_every_record(self, topic, records, data):
        record = data.draw(records(topic))
        value = Codec(encoding="json").encode(record)
        assert value[:1] == b"{"
        assert repr(codec.decode(topic, key_of(record), value, YEAR_2100_MS)) == repr(record)

    @EVERY_TOPIC
    @QUICK
    @given(data=st.data())
    def test_the_confluent_format_gives_back_every_record(self, topic, records, shared_registry, data):
        record = data.draw(records(topic))
        confluent = Codec(registry=shared_registry)
        value = confluent.encode(record)
        assert value[:1] == (b"\xc3" if topic in INTERNALS else b"\x00")
        assert repr(confluent.decode(topic, key_of(record), value, YEAR_2100_MS)) == repr(record)

    def test_attributes_keep_their_types(self):
        record = activity(
            attributes={"a": None, "b": "x", "c": 2**40, "d": 2.0, "e": True, "f": 0, "g": float("inf")}
        )
        read = codec.decode("activity", b"m1", codec.encode(record), NOW_MS)
        assert repr(read) == repr(record)

    def test_the_encoders_buffer_keeps_nothing_of_a_longer_record_before(self):
        codec.encode(activity(type="a" * 200))
        assert codec.decode("activity", b"m1", codec.encode(activity()), NOW_MS) == activity()

    def test_json_after_white_space_is_json(self):
        assert codec.decode("activity", b"m1", b"\r\n\t " + as_json(), NOW_MS) == activity()

    def test_a_key_is_the_id_in_utf8(self):
        assert encode_key("mü") == codec.encode_key("mü") == b"m\xc3\xbc"

    def test_defaults_of_the_contract_fill_what_json_leaves_out(self):
        value = b'{"event_id":"e1","member_id":"m1","occurred_at":1767607200000,"operation":"ADD","points":5}'
        read = codec.decode("score", b"m1", value, NOW_MS)
        assert read == ScoreCommand(
            event_id="e1", member_id="m1", occurred_at=NOW_MS, score="engagement", operation="ADD", points=5
        )

    def test_two_records_never_share_a_default_map(self):
        first, second = (codec.decode("activity", b"m1", as_json(), NOW_MS) for _ in range(2))
        assert first.attributes is not second.attributes


class TestJsonOutput:
    def test_instants_and_bytes_are_text_and_fields_keep_the_schemas_order(self):
        letter = DeadLetter(
            source_topic="activity",
            source_partition=3,
            source_offset=7,
            occurred_at=NOW_MS,
            error="undecodable",
            message="x",
            raw=b"\x00\xff",
        )
        assert list(codec.to_json(letter).items()) == [
            ("source_topic", "activity"),
            ("source_partition", 3),
            ("source_offset", 7),
            ("source_line", None),
            ("key", None),
            ("occurred_at", "2026-01-05T10:00:00.000Z"),
            ("error", "undecodable"),
            ("message", "x"),
            ("raw", "AP8="),
        ]


def avro(name, **fields):
    schema = shipped_schemas().current(name)
    body = BytesIO()
    schemaless_writer(body, schema.parsed, fields)
    return b"\xc3\x01" + schema.fingerprint + body.getvalue()


SCORE = {"event_id": "e1", "member_id": "m1", "occurred_at": NOW_MS, "operation": "ADD"}
TABLE = [
    # code, message, topic, key, value
    ("undecodable", "the value is null; deletions mean nothing on activity", "activity", b"m1", None),
    ("undecodable", "the value is empty", "activity", b"m1", b""),
    (
        "undecodable",
        (
            "the value begins with 68 65 6c 6c; Avro single-object encoding begins with c3 01, Confluent's with 00, JSON"
            " with 7b"
        ),
        "activity",
        b"m1",
        b"hello",
    ),
    (
        "undecodable",
        "the single-object header is cut short after 4 bytes",
        "activity",
        b"m1",
        b"\xc3\x01\x00\x00",
    ),
    ("undecodable", "the Confluent header is cut short after 3 bytes", "activity", b"m1", b"\x00\x00\x00"),
    (
        "undecodable",
        "the bytes end inside the record: 20 are too few for Activity",
        "activity",
        b"m1",
        codec.encode(activity())[:20],
    ),
    (
        "undecodable",
        "the bytes are no Activity: a symbol or branch of a number that is not there",
        "activity",
        b"m1",
        codec.encode(activity())[:-2] + b"\x7e\x00",
    ),
    (
        "undecodable",
        "3 bytes are left over behind the Activity they begin with",
        "activity",
        b"m1",
        codec.encode(activity()) + b"end",
    ),
    (
        "undecodable",
        "a string is no UTF-8: invalid start byte",
        "activity",
        b"m1",
        codec.encode(activity()).replace(b"e1", b"\xff1"),
    ),
    ("undecodable", "it is no JSON: Input data was truncated", "activity", b"m1", as_json()[:-1]),
    (
        "unknown_schema",
        (
            "fingerprint 0000000000000000 is of no released version of Activity; the record was written by a newer version"
            " or with another schema"
        ),
        "activity",
        b"m1",
        b"\xc3\x01" + bytes(8),
    ),
    (
        "unknown_schema",
        (
            f"fingerprint {shipped_schemas().current('ScoreCommand').fingerprint.hex()} is the schema of ScoreCommand,"
            " where Activity belongs"
        ),
        "activity",
        b"m1",
        codec.encode(ScoreCommand(**SCORE, points=1)),
    ),
    (
        "unknown_schema",
        "schema id 7 is of a schema registry, and none is set (REENGAGE_SCHEMA_REGISTRY)",
        "activity",
        b"m1",
        b"\x00\x00\x00\x00\x07xyz",
    ),
    (
        "missing_field",
        "type: the field is missing",
        "activity",
        b"m1",
        as_json().replace(b'"type"', b'"channel"'),
    ),
    (
        "unknown_field",
        "chanel: no such field; did you mean 'channel'?",
        "activity",
        b"m1",
        as_json(chanel="APP"),
    ),
    ("unknown_field", "colour: no such field", "activity", b"m1", as_json(colour="red")),
    (
        "unknown_enum",
        'channel: "FAX" is none of APP, WEB, EMAIL, SMS, PHONE, SYSTEM',
        "activity",
        b"m1",
        as_json(channel="FAX"),
    ),
    (
        "unknown_enum",
        "channel: \"app\" is none of APP, WEB, EMAIL, SMS, PHONE, SYSTEM; did you mean 'APP'?",
        "activity",
        b"m1",
        as_json(channel="app"),
    ),
    ("bad_value", "event_id: 5 is no text", "activity", b"m1", as_json(event_id=5)),
    ("bad_value", "channel: null is no text", "activity", b"m1", as_json(channel=None)),
    ("bad_value", "attributes: a list is no object", "activity", b"m1", as_json(attributes=[])),
    (
        "bad_value",
        "attributes.a: an object is none of null, string, long, double, boolean",
        "activity",
        b"m1",
        as_json(attributes={"a": {}}),
    ),
    (
        "bad_value",
        "attributes.a: 9223372036854775808 is out of the range of a long",
        "activity",
        b"m1",
        as_json(attributes={"a": 2**63}),
    ),
    (
        "bad_value",
        'occurred_at: "yesterday" is no instant, such as 2026-01-05T10:00:00Z',
        "activity",
        b"m1",
        as_json(occurred_at="yesterday"),
    ),
    ("bad_value", "points: ADD needs them", "score", b"m1", avro("ScoreCommand", **SCORE)),
    (
        "too_old",
        "occurred_at: 1999-12-31T23:59:59.999Z is before 2000",
        "activity",
        b"m1",
        codec.encode(activity(occurred_at=946_684_799_999)),
    ),
    (
        "too_old",
        "occurred_at: 1970-01-21T11:00:07.200Z is before 2000; is it in seconds? Milliseconds are expected",
        "activity",
        b"m1",
        codec.encode(activity(occurred_at=NOW_MS // 1000)),
    ),
    (
        "in_the_future",
        (
            "occurred_at: 2026-01-05T10:05:00.001Z is more than 5 minutes ahead of the append time"
            " 2026-01-05T10:00:00.000Z"
        ),
        "activity",
        b"m1",
        codec.encode(activity(occurred_at=NOW_MS + 300_001)),
    ),
    (
        "in_the_future",
        (
            "occurred_at: 1767607200000000 is more than 5 minutes ahead of the append time 2026-01-05T10:00:00.000Z; is it"
            " in microseconds? Milliseconds are expected"
        ),
        "activity",
        b"m1",
        codec.encode(activity(occurred_at=NOW_MS * 1000)),
    ),
    (
        "bad_key",
        'the record has no key; its key must be its member_id, "m1"',
        "activity",
        None,
        codec.encode(activity()),
    ),
    (
        "bad_key",
        'the key "m2" differs from the record\'s member_id, "m1"',
        "activity",
        b"m2",
        codec.encode(activity()),
    ),
    (
        "bad_key",
        'the key "m\\\\xff" differs from the record\'s member_id, "m1"',
        "activity",
        b"m\xff",
        codec.encode(activity()),
    ),
]


class TestDeadLetters:
    @pytest.mark.parametrize(("code", "message", "topic", "key", "value"), TABLE)
    def test_each_kind_of_bad_record_has_its_code_and_says_what_is_wrong_where(
        self, code, message, topic, key, value
    ):
        found = bad(topic, key, value)
        assert (found.error, found.message) == (code, message)
        assert str(found) == f"{message} ({code})"

    def test_the_table_has_every_code_the_wire_gives(self):
        of_the_core = {
            "merge_cycle",
            "unknown_workflow",
            "not_managed",
            "cascade_limit",
            "too_large",
            "internal",
        }
        assert {row[0] for row in TABLE} == DEAD_LETTER_CODES - of_the_core

    def test_no_append_time_lets_a_record_through_whose_timers_could_not_be_written(self):
        value = codec.encode(activity(occurred_at=LAST_OCCURRED_MS))
        assert codec.decode("activity", b"m1", value, 2**62).occurred_at == LAST_OCCURRED_MS
        with pytest.raises(BadRecord, match="lies after the year 9899") as caught:
            codec.decode("activity", b"m1", codec.encode(activity(occurred_at=LAST_OCCURRED_MS + 1)), 2**62)
        assert caught.value.error == "in_the_future"

    @pytest.mark.parametrize("append_ms", [NOW_MS - 300_000, NOW_MS])
    def test_exactly_five_minutes_ahead_is_let_through(self, append_ms):
        assert codec.decode("activity", b"m1", codec.encode(activity()), append_ms) == activity()

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            (None, codec.encode(activity())),
            (b"m1", as_json(channel="FAX")),
            (b"m1", as_json(colour="red")),
            (b"m1", codec.encode(activity(type=""))),
        ],
    )
    def test_the_instant_is_told_wherever_it_can_be_read(self, key, value):
        assert bad("activity", key, value).occurred_at == NOW_MS

    def test_an_unreadable_instant_is_not_told(self):
        assert bad("activity", b"m1", as_json(occurred_at="x")).occurred_at is None

    def test_the_dead_letter_carries_the_place_the_reason_and_the_bytes(self):
        value = as_json(channel="FAX")
        letter = bad("activity", b"m1", value).dead_letter("activity", 3, 17, b"m1\xff", value)
        assert letter == DeadLetter(
            source_topic="activity",
            source_partition=3,
            source_offset=17,
            key="m1\\xff",
            occurred_at=NOW_MS,
            error="unknown_enum",
            message='channel: "FAX" is none of APP, WEB, EMAIL, SMS, PHONE, SYSTEM',
            raw=value,
        )
        assert codec.decode("dead-letter", None, codec.encode(letter), NOW_MS) == letter

    def test_a_message_stays_short_however_long_what_the_sender_wrote(self):
        found = bad("activity", b"m1", as_json(**{"x" * 100_000: 1}))
        assert found.error == "unknown_field"
        assert len(found.message) < 1000

    def test_only_inputs_are_checked_beyond_their_schema(self):
        entry = JournalEntry(processor="p", offsets={}, time=-1, playbooks_hash="h", version="1")
        assert codec.decode("internal-journal", b"another", codec.encode(entry), 0) == entry


class TestAnyBytes:
    """Whatever the bytes are, they decode or are a BadRecord."""

    @staticmethod
    def decode(topic, value):
        found = None
        try:
            record = codec.decode(topic, b"m1", value, NOW_MS)
        except BadRecord as error:
            found = error
        if found is None:
            assert type(record) is RECORDS[topic]
        else:
            assert found.error in DEAD_LETTER_CODES
            codec.encode(found.dead_letter(topic, 0, 0, b"m1", value))

    @settings(max_examples=300)
    @given(topic=st.sampled_from(sorted(RECORDS)), value=st.binary(max_size=60))
    def test_random_bytes(self, topic, value):
        self.decode(topic, value)

    @settings(max_examples=500)
    @given(topic=st.sampled_from(sorted(RECORDS)), body=st.binary(max_size=60))
    def test_random_bytes_behind_the_right_header(self, topic, body):
        header = b"\xc3\x01" + shipped_schemas().current(RECORDS[topic].__name__).fingerprint
        self.decode(topic, header + body)

    @EVERY_TOPIC
    @QUICK
    @given(data=st.data())
    def test_a_right_record_with_some_bytes_changed_or_cut_off(self, topic, records, data):
        value = bytearray(data.draw(st.sampled_from([codec, JSON_CODEC])).encode(data.draw(records(topic))))
        for _ in range(data.draw(st.integers(0, 3))):
            value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
        self.decode(topic, bytes(value[: data.draw(st.integers(0, len(value)))]))

    @settings(max_examples=200)
    @given(
        topic=st.sampled_from(sorted(RECORDS)),
        fields=st.dictionaries(
            st.sampled_from(["event_id", "member_id", "occurred_at", "type", "attributes", "x"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=5,
            ),
        ),
    )
    def test_any_json_object(self, topic, fields):
        self.decode(topic, msgspec.json.encode(fields))

    @pytest.mark.parametrize(
        "body",
        [
            b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a string of 2^63 - 1 bytes
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a string of -2^63 bytes
            b"\x01" + b"x" * 50,  # a string of -1 bytes
            b"\xff" * 1000,  # a number without end
            b"\x02e\x02m\x00\x02t\x00" + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # 2^63 - 1 attributes
            b"\x02e\x02m\x00\x02t\x00" + b"\x01\x00" * 1000,  # blocks of -1 attributes
            b"\x02e\x02m\x00\x02t\xfe\xff\xff\xff\x0f\x00",  # an enum's symbol of number 2^31 - 1
        ],
    )
    def test_a_length_that_is_no_length_takes_neither_memory_nor_time(self, body):
        value = b"\xc3\x01" + shipped_schemas().current("Activity").fingerprint + body
        assert bad("activity", b"m1", value).error == "undecodable"

    def test_json_without_end_is_undecodable(self):
        assert bad("activity", b"m1", b'{"a":' * 100_000).error == "undecodable"


class TestTopics:
    def test_every_topic_of_the_contract_has_its_record(self):
        assert len(INPUTS) == 9
        assert len(OUTPUTS) == 12
        assert RECORDS["member-snapshot"] is MemberSnapshot
        assert RECORDS["tag-changed"] is TagChanged
        assert all(topic.startswith("internal-") for topic in INTERNALS)
        assert all(RECORDS[record.topic] is record for record in RECORDS.values())

    def test_prepare_reads_every_schema(self):
        fresh = Codec()
        fresh.prepare()
        assert fresh.decode("activity", b"m1", fresh.encode(activity()), NOW_MS) == activity()
