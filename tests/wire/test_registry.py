"""The client of a schema registry, against one that answers over HTTP."""

import copy
from io import BytesIO

import pytest
from fastavro import schemaless_writer

from app.domain.errors import UserError
from app.domain.events import Activity
from app.domain.outputs import TagChanged
from app.wire import confluent
from app.wire.bad_record import BadRecord
from app.wire.codec import Codec
from app.wire.registry import Registry
from app.wire.schemas import shipped_schemas, wire_schema

NOW_MS = 1_767_607_200_000
FIELDS = {
    "event_id": "e1",
    "member_id": "m1",
    "occurred_at": NOW_MS,
    "type": "article.read",
    "channel": "APP",
}
TAG = TagChanged(
    event_id="m1/1",
    sequence=1,
    member_id="m1",
    occurred_at=NOW_MS,
    cause="e1",
    tag="t",
    action="ADDED",
    reason="r",
)


def source_of(name):
    return copy.deepcopy(shipped_schemas().current(name).source)


def written(number, source, **fields):
    body = BytesIO()
    schemaless_writer(body, wire_schema(source).parsed, fields)
    return confluent.header(number) + body.getvalue()


def refusal(codec, value):
    with pytest.raises(BadRecord) as caught:
        codec.decode("activity", b"m1", value, NOW_MS)
    return caught.value


class TestReading:
    def test_the_schema_of_an_id_is_asked_for_once(self, registry_server):
        codec = Codec(registry=Registry(registry_server.url))
        number = registry_server.add(source_of("Activity"), 7)
        for _ in range(3):
            value = written(number, source_of("Activity"), **FIELDS)
            assert codec.decode("activity", b"m1", value, NOW_MS) == Activity(**FIELDS)
        assert registry_server.requests == [("GET", "/schemas/ids/7")]

    def test_a_producers_own_schema_is_resolved_to_ours(self, registry_server):
        source = source_of("Activity")
        source["namespace"] = "com.example"
        source["fields"] = [
            {
                "name": "device",
                "type": {"type": "record", "name": "Device", "fields": [{"name": "os", "type": "string"}]},
            },
            *reversed([field for field in source["fields"] if field["name"] != "attributes"]),
        ]
        number = registry_server.add(source)
        value = written(number, source, device={"os": "x"}, **FIELDS)
        read = Codec(registry=Registry(registry_server.url)).decode("activity", b"m1", value, NOW_MS)
        assert read == Activity(**FIELDS)

    def test_an_unknown_id_is_an_unknown_schema_and_not_asked_for_again_at_once(self, registry_server):
        codec = Codec(registry=Registry(registry_server.url))
        for _ in range(3):
            found = refusal(codec, confluent.header(9) + b"x")
            assert (found.error, found.message) == ("unknown_schema", "schema id 9 is not in the registry")
        assert len(registry_server.requests) == 1

    def test_an_unknown_id_is_asked_for_again_later(self, registry_server, monkeypatch):
        times = iter([0.0, 0.0, 31.0])
        monkeypatch.setattr("app.wire.registry.time.monotonic", lambda: next(times))
        codec = Codec(registry=Registry(registry_server.url))
        refusal(codec, confluent.header(9) + b"x")
        registry_server.add(source_of("Activity"), 9)
        value = written(9, source_of("Activity"), **FIELDS)
        assert codec.decode("activity", b"m1", value, NOW_MS) == Activity(**FIELDS)

    @pytest.mark.parametrize(
        ("answer", "problem"),
        [
            ({"schema": "syntax = 3", "schemaType": "PROTOBUF"}, 'is of type "PROTOBUF", not AVRO'),
            ({"schema": "{}", "references": [{"name": "x"}]}, "refers to other schemas"),
            ({"schema": '"string"'}, "it is not of type record"),
            ({"schema": "{"}, "is no Avro schema"),
            ({}, "is no Avro schema"),
            (
                {"schema": '{"type":"record","name":"R","fields":[{"name":"a","type":["null","R"]}]}'},
                "R contains itself",
            ),
        ],
    )
    def test_a_schema_that_cannot_be_used_is_an_unknown_schema(self, registry_server, answer, problem):
        registry_server.answers["/schemas/ids/3"] = (200, answer)
        found = refusal(Codec(registry=Registry(registry_server.url)), confluent.header(3) + b"x")
        assert found.error == "unknown_schema"
        assert problem in found.message

    def test_the_schema_of_another_record_is_an_unknown_schema(self, registry_server):
        number = registry_server.add(source_of("CompanyStatus"))
        value = written(
            number,
            source_of("CompanyStatus"),
            event_id="e1",
            company_id="c",
            occurred_at=1,
            status="OPERATIONAL",
        )
        found = refusal(Codec(registry=Registry(registry_server.url)), value)
        assert found.error == "unknown_schema"
        assert found.message.startswith("written as CompanyStatus, which cannot be read as Activity")


class TestWriting:
    def test_each_topics_schema_is_registered_once_under_its_own_subject(self, registry_server):
        codec = Codec(registry=Registry(registry_server.url), topic_prefix="test.")
        values = [codec.encode(TAG) for _ in range(3)]
        assert registry_server.requests == [("POST", "/subjects/test.tag-changed-value/versions")]
        assert {confluent.schema_id(value) for value in values} == {
            registry_server.subjects["test.tag-changed-value"]
        }
        assert codec.decode("tag-changed", b"m1", values[0], NOW_MS) == TAG

    def test_prepare_registers_all_but_the_internal_topics_so_that_writing_asks_nothing(
        self, registry_server
    ):
        codec = Codec(registry=Registry(registry_server.url))
        codec.prepare()
        asked = len(registry_server.requests)
        assert asked == 21
        assert not any("internal" in path for _, path in registry_server.requests)
        codec.encode(TAG)
        assert len(registry_server.requests) == asked

    def test_a_schema_the_registry_refuses_is_an_error_with_its_words(self, registry_server):
        registry_server.answers["/subjects/tag-changed-value/versions"] = (
            409,
            {"error_code": 409, "message": "Schema being registered is incompatible"},
        )
        with pytest.raises(UserError, match=r"409.*is incompatible") as caught:
            Codec(registry=Registry(registry_server.url)).encode(TAG)
        assert caught.value.reference == "registry-refused"

    def test_an_answer_without_id_is_an_error(self, registry_server):
        registry_server.answers["/subjects/tag-changed-value/versions"] = (200, {})
        with pytest.raises(UserError, match="cannot be registered"):
            Codec(registry=Registry(registry_server.url)).encode(TAG)


class TestTrouble:
    """What is not the record's fault never becomes a dead letter."""

    def test_a_registry_that_does_not_answer_is_an_error_that_names_it_without_secrets(self, registry_server):
        registry_server.stop()
        registry = Registry(registry_server.url.replace("//", "//user:hunter2@"))
        with pytest.raises(UserError) as caught:
            registry.writer_schema(1)
        assert caught.value.reference == "registry-unreachable"
        assert caught.value.place == registry_server.url
        assert "hunter2" not in str(caught.value)

    def test_a_url_that_is_no_registrys_is_an_error_though_it_answers_404_too(self, registry_server):
        with pytest.raises(UserError, match="answered 404") as caught:
            Registry(registry_server.url + "/elsewhere").writer_schema(1)
        assert caught.value.reference == "registry-refused"

    @pytest.mark.parametrize("answer", [(200, b"<html>"), (200, []), (500, b"out of order"), (401, b"")])
    def test_any_other_answer_is_an_error(self, registry_server, answer):
        registry_server.answers["/schemas/ids/1"] = answer
        with pytest.raises(UserError) as caught:
            Registry(registry_server.url).writer_schema(1)
        assert caught.value.reference == "registry-refused"

    def test_after_trouble_the_next_record_asks_again(self, registry_server):
        registry = Registry(registry_server.url)
        registry_server.answers["/schemas/ids/1"] = (503, b"")
        with pytest.raises(UserError):
            registry.writer_schema(1)
        del registry_server.answers["/schemas/ids/1"]
        registry_server.add(source_of("Activity"), 1)
        assert registry.writer_schema(1).name == "Activity"

    @pytest.mark.parametrize("url", ["localhost:8081", "ftp://host", "http://", ""])
    def test_a_url_that_is_none_is_told_at_once(self, url):
        with pytest.raises(UserError) as caught:
            Registry(url)
        assert caught.value.reference == "bad-registry-url"

    def test_user_and_password_go_out_as_basic_authentication(self, registry_server):
        registry_server.add(source_of("Activity"), 1)
        Registry(registry_server.url.replace("//", "//us%40er:pass@")).writer_schema(1)
        assert registry_server.authorizations == ["Basic dXNAZXI6cGFzcw=="]
