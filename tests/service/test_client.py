"""Reaching a broker: which one is used, and what is said when it does not answer as it should."""

import asyncio
import logging
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import errors

from app.broker.embedded import EmbeddedBroker
from app.domain.errors import UserError, UserErrors
from app.service.client import broker_errors, make_codec, partition_counts, with_broker
from app.service.settings import Settings, load_settings
from app.wire.codec import Codec


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"REENGAGE_BROKER": "127.0.0.1:1", "REENGAGE_DATA": str(tmp_path)}, tmp_path)


def test_the_broker_that_is_set_is_used_without_asking_it(settings):
    assert with_broker(settings) == settings


def test_without_one_set_the_kept_one_is_used(settings, monkeypatch):
    monkeypatch.setattr("app.service.client.locate_broker", lambda configured: configured or "127.0.0.1:9")
    assert with_broker(replace(settings, broker=None)).broker == "127.0.0.1:9"


def test_without_any_the_error_says_how_to_get_one(settings, monkeypatch):
    monkeypatch.setattr("app.service.client.locate_broker", lambda configured: configured)
    with pytest.raises(UserError, match="reengage broker start"):
        with_broker(replace(settings, broker=None))


@pytest.mark.parametrize(
    ("raised", "reference", "place"),
    [
        (errors.KafkaConnectionError("no route"), "broker-unreachable", "127.0.0.1:1"),
        (errors.KafkaTimeoutError(), "broker-unreachable", "127.0.0.1:1"),
        (errors.AuthenticationFailedError("who?"), "broker-refused", "127.0.0.1:1"),
        (errors.TopicAuthorizationFailedError("activity"), "missing-rights", "activity"),
        (errors.TopicAuthorizationFailedError({"b", "a"}), "missing-rights", "a, b"),
        (errors.GroupAuthorizationFailedError("reengage"), "missing-rights", "group reengage"),
        (
            errors.TransactionalIdAuthorizationFailed("r-desk-0"),
            "missing-rights",
            "transactional-id r-desk-0",
        ),
        (errors.NodeNotReadyError("node 2"), "broker-unreachable", "127.0.0.1:1"),
        (TimeoutError(), "broker-unreachable", "127.0.0.1:1"),
        (errors.UnknownTopicOrPartitionError("activity"), "missing-topic", "activity"),
        (errors.NotEnoughReplicasError("activity"), "broker-error", "127.0.0.1:1"),
    ],
)
def test_what_kafkas_client_raises_becomes_an_error_for_people(settings, raised, reference, place):
    with pytest.raises(UserError) as caught, broker_errors(settings):
        raise raised
    assert (caught.value.reference, caught.value.place) == (reference, place)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("reason", "reference"),
    [
        (ssl.SSLCertVerificationError("certificate has expired"), "broker-not-trusted"),
        (ssl.SSLError(1, "tlsv13 alert certificate required"), "broker-not-trusted"),
        (ConnectionResetError(104, "Connection reset by peer"), "broker-hangs-up"),
        (asyncio.IncompleteReadError(b"", 4), "broker-hangs-up"),
        (ConnectionRefusedError(111, "Connect call failed"), "broker-unreachable"),
    ],
)
def test_what_ended_the_connection_is_told_where_the_client_says_only_that_none_came_about(
    settings, reason, reference
):
    closed = errors.KafkaConnectionError("closed")
    closed.__cause__ = reason

    def ask():
        logging.getLogger("aiokafka").warning("Unable to request metadata: %s", closed)
        raise errors.KafkaConnectionError("Unable to bootstrap")

    with pytest.raises(UserError) as caught, broker_errors(settings):
        ask()
    assert caught.value.reference == reference


def test_other_exceptions_pass_unchanged(settings):
    with pytest.raises(ZeroDivisionError), broker_errors(settings):
        raise ZeroDivisionError


def test_a_broker_that_is_not_there_is_unreachable(settings):
    with pytest.raises(UserError) as caught, broker_errors(settings):
        asyncio.run(partition_counts(settings, ["activity"]))
    assert caught.value.reference == "broker-unreachable"


def test_without_a_registry_no_codec_needs_one(settings):
    assert isinstance(make_codec(settings), Codec)


def test_a_broker_that_wants_a_password_takes_the_right_one_and_refuses_another(settings, tmp_path):
    login = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_reengage="right";'
    properties = {
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": login,
    }
    secured = {"REENGAGE_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "REENGAGE_SASL_MECHANISM": "PLAIN"}
    with EmbeddedBroker(
        tmp_path / "broker", listeners={"SASL": "SASL_PLAINTEXT"}, properties=properties
    ) as broker:
        environ = secured | {
            "REENGAGE_BROKER": broker.address("SASL"),
            "REENGAGE_SASL_USERNAME": "reengage",
            "REENGAGE_SASL_PASSWORD": "right",
        }
        let_in = load_settings(environ, tmp_path)
        with pytest.raises(UserErrors, match="missing-topic"), broker_errors(let_in):
            asyncio.run(partition_counts(let_in, ["activity"]))
        refused = load_settings(environ | {"REENGAGE_SASL_PASSWORD": "wrong"}, tmp_path)
        with pytest.raises(UserError) as caught, broker_errors(refused):
            asyncio.run(partition_counts(refused, ["activity"]))
    assert caught.value.reference == "broker-refused"
    assert "wrong" not in str(caught.value)
