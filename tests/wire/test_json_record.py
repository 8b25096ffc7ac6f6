"""JSON checked against a schema, and made from records."""

import pytest

from app.wire.bad_record import BadRecord
from app.wire.json_record import JsonForm, parse_object
from app.wire.schemas import shipped_schemas

SNAPSHOT = JsonForm(shipped_schemas().current("MemberSnapshot").source)
LETTER = JsonForm(shipped_schemas().current("DeadLetter").source)
RESPONSE = JsonForm(shipped_schemas().current("CampaignResponse").source)
PROFILE = JsonForm(shipped_schemas().current("MemberProfile").source)
LEAST = {"member_id": "m1", "occurred_at": "2026-01-05T10:00:00Z"}


def refused(form, fields):
    with pytest.raises(BadRecord) as caught:
        form.read(fields)
    return caught.value.error, caught.value.message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "it is no JSON"),
        (b"{} {}", "trailing characters"),
        (b'{"a":NaN}', "invalid character"),
        (b'{"a":"\xff"}', "it is no UTF-8 text: it holds a byte 0xff; write it as UTF-8"),
        (b'{"a":"\\ud800"}', "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (b"5", "it is no JSON object but 5"),
        (b"[1]", "it is no JSON object but a list"),
        (b"null", "it is no JSON object but null"),
    ],
)
def test_text_that_is_no_json_object_is_undecodable(text, problem):
    with pytest.raises(BadRecord, match=problem) as caught:
        parse_object(text)
    assert caught.value.error == "undecodable"


class TestReading:
    def test_what_is_left_out_has_its_default(self):
        read = SNAPSHOT.read(LEAST)
        assert read["transfer"] == {"state": "NONE", "pool": None, "program": None, "attempts": 0}
        assert (read["tags"], read["scores"], read["owner_id"]) == ([], {}, None)

    def test_records_in_lists_are_checked_with_their_whole_path(self):
        workflow = {"workflow_id": "w", "kind": "reengager", "reason": "returned", "opened_at": 5}
        assert SNAPSHOT.read({**LEAST, "workflows": [workflow]})["workflows"] == [workflow]
        for change, found in [
            (
                {"kind": "rengager"},
                ("unknown_enum", 'workflows[1].kind: "rengager" is none of reengager, score'),
            ),
            ({"knd": "score"}, ("unknown_field", "workflows[1].knd: no such field; did you mean 'kind'?")),
            ({"reason": 5}, ("bad_value", "workflows[1].reason: 5 is no text")),
            ({"opened_at": "now"}, ("bad_value", 'workflows[1].opened_at: "now" is no instant')),
        ]:
            error, message = refused(SNAPSHOT, {**LEAST, "workflows": [workflow, {**workflow, **change}]})
            assert error == found[0]
            assert message.startswith(found[1])
        assert refused(SNAPSHOT, {**LEAST, "workflows": [{}]}) == (
            "missing_field",
            "workflows[0].workflow_id: the field is missing",
        )
        assert refused(SNAPSHOT, {**LEAST, "workflows": [5]}) == ("bad_value", "workflows[0]: 5 is no object")
        assert refused(SNAPSHOT, {**LEAST, "workflows": {}}) == (
            "bad_value",
            "workflows: an object is no list",
        )

    def test_an_unknown_field_is_named_before_the_missing_one_it_mostly_is(self):
        assert refused(SNAPSHOT, {"member_id": "m1", "occured_at": 5})[0] == "unknown_field"

    @pytest.mark.parametrize(
        ("value", "read"), [(5, 5), (5.0, 5), (-(2**63), -(2**63)), (2**63 - 1, 2**63 - 1)]
    )
    def test_a_whole_number_is_one_however_it_is_written(self, value, read):
        assert SNAPSHOT.read({**LEAST, "scores": {"a": value}})["scores"] == {"a": read}

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            (5.5, "5.5 is no whole number"),
            ("5", '"5" is no whole number'),
            (True, "true is no whole number"),
            (None, "null is no whole number"),
            (2**63, "9223372036854775808 is out of the range of a long"),
            (1e300, "is out of the range of a long"),
        ],
    )
    def test_anything_else_is_none(self, value, problem):
        error, message = refused(SNAPSHOT, {**LEAST, "scores": {"a": value}})
        assert error == "bad_value"
        assert message.startswith("scores.a: ")
        assert problem in message

    def test_true_and_false_are_all_there_is_of_booleans(self):
        fields = {**LEAST, "event_id": "e", "response_id": "r", "campaign_id": "c", "status": "s"}
        assert RESPONSE.read({**fields, "is_response": False})["is_response"] is False
        assert refused(RESPONSE, {**fields, "is_response": 1}) == (
            "bad_value",
            "is_response: 1 is neither true nor false",
        )

    def test_enums_in_lists_are_checked(self):
        assert PROFILE.read({**LEAST, "event_id": "e", "channels": ["SMS"]})["channels"] == ["SMS"]
        error, message = refused(PROFILE, {**LEAST, "event_id": "e", "channels": ["SMS", "PIGEON"]})
        assert error == "unknown_enum"
        assert message.startswith('channels[1]: "PIGEON" is none of EMAIL, SMS')

    def test_bytes_are_base64(self):
        fields = {"source_topic": "activity", "error": "internal", "message": "x"}
        assert LETTER.read({**fields, "raw": "AP8="})["raw"] == b"\x00\xff"
        assert refused(LETTER, {**fields, "raw": "AP8"}) == ("bad_value", 'raw: "AP8" is no base64')
        assert refused(LETTER, {**fields, "raw": "é"}) == ("bad_value", 'raw: "é" is no base64')
