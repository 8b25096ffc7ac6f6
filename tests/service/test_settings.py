"""Settings: where they come from, what is refused, what is never shown."""

# ruff: noqa: S106  made-up passwords are what must not be seen

import base64
import logging
import ssl
from dataclasses import fields
from pathlib import Path

import pytest
import trustme
from aiokafka.protocol.admin import SaslAuthenticateRequest, SaslAuthenticateRequest_v0
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import UserError, UserErrors
from app.service.logging import RedactingFormatter, log_handler, secrets_of
from app.service.setting_kinds import DURATION, SERVERS, SIZE, URL, count
from app.service.setting_table import SETTINGS
from app.service.settings import Settings, find_settings, load_settings


def load(tmp_path: Path, toml: str = "", **environ: str) -> Settings:
    """Settings from these variables (without REENGAGE_) and this reengage.toml, and from nothing else."""
    if toml:
        (tmp_path / "reengage.toml").write_text(toml)
    return load_settings({f"REENGAGE_{name}": text for name, text in environ.items()}, tmp_path)


def refused(tmp_path: Path, toml: str = "", **environ: str) -> list[tuple[str, str, str]]:
    """(reference, place, problem) of every error."""
    with pytest.raises(UserErrors) as caught:
        load(tmp_path, toml, **environ)
    return [(error.reference, error.place, error.problem) for error in caught.value.errors]


def test_every_row_of_the_table_is_an_attribute_and_the_other_way_round():
    assert [setting.attribute for setting in SETTINGS] == [field.name for field in fields(Settings)]


def test_every_default_can_be_read_and_every_missing_one_says_what_holds():
    for setting in SETTINGS:
        if setting.default is None:
            assert setting.unset
        else:
            setting.kind.read(setting.default)


def test_defaults_are_those_of_the_contract(tmp_path):
    settings = load(tmp_path)
    assert settings.broker is None
    assert settings.security_protocol == "PLAINTEXT"
    assert (settings.app, settings.topic_prefix, settings.guarantee) == ("reengage", "", "exactly_once")
    assert (settings.grace_ms, settings.idle_ms) == (2_000, 10_000)
    assert (settings.standbys, settings.cached_states) == (1, 200_000)
    assert (settings.block_cache_bytes, settings.write_buffers_bytes) == (64 << 20, 128 << 20)
    assert settings.playbooks is None
    assert settings.data.name == "reengage"


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path):
    (tmp_path / "reengage.toml").write_text(
        'reengage_app = "file"\nreengage_grace = "1m"\nreengage_idle = "1h"'
    )
    found = {
        item.setting.name: (item.text, item.origin)
        for item in find_settings(
            {"REENGAGE_APP": "environ", "REENGAGE_GRACE": "3s"}, tmp_path, {"REENGAGE_APP": "option"}
        )[0]
    }
    assert found["REENGAGE_APP"] == ("option", "option --app")
    assert found["REENGAGE_GRACE"] == ("3s", "environment")
    assert found["REENGAGE_IDLE"] == ("1h", "reengage.toml")
    assert found["REENGAGE_GUARANTEE"] == ("exactly_once", "default")


def test_an_empty_value_counts_as_not_set(tmp_path):
    assert load(tmp_path, 'reengage_app = ""', BROKER="", GUARANTEE="").app == "reengage"


def test_unknown_names_are_refused_all_at_once_with_the_nearest_known_one(tmp_path):
    (tmp_path / "reengage.toml").write_text('reengage_idel = "1s"\n[worker]\nport = 1')
    with pytest.raises(UserErrors) as caught:
        load_settings({"REENGAGE_BROKR": "a:1", "REENGAGE_GRACE": "nonsense", "OTHER": "x"}, tmp_path)
    errors = caught.value.errors
    assert [(error.reference, error.place) for error in errors if error.reference == "unknown-setting"] == [
        ("unknown-setting", "environment: REENGAGE_BROKR"),
        ("unknown-setting", "reengage.toml: reengage_idel"),
        ("unknown-setting", "reengage.toml: worker"),
    ]
    assert [error.hint for error in errors if error.reference == "unknown-setting"][:2] == [
        "did you mean REENGAGE_BROKER?",
        "did you mean reengage_idle?",
    ]
    assert caught.value.exit_code == 2


def test_an_unknown_name_hides_neither_bad_values_nor_contradictions(tmp_path):
    assert [said[:2] for said in refused(tmp_path, BROKR="a:1", GRACE="soon", GUARANTEE="twice")] == [
        ("unknown-setting", "environment: REENGAGE_BROKR"),
        ("bad-setting", "environment: REENGAGE_GUARANTEE"),
        ("bad-setting", "environment: REENGAGE_GRACE"),
    ]
    assert [said[0] for said in refused(tmp_path, BROKR="a:1", SASL_USERNAME="me")] == [
        "unknown-setting",
        "unused-setting",
    ]


def test_a_value_the_file_does_not_give_in_quotes_is_not_called_missing(tmp_path):
    toml = 'reengage_sasl_username = 5\nreengage_sasl_mechanism = "PLAIN"'
    found = refused(tmp_path, toml, SECURITY_PROTOCOL="SASL_SSL", SASL_PASSWORD="hunter2")
    assert found == [("bad-setting", "reengage.toml: reengage_sasl_username", "must be a string")]


def test_a_name_in_the_wrong_case_is_unknown_and_nearest_to_itself(tmp_path):
    (tmp_path / "reengage.toml").write_text('REENGAGE_APP = "x"')
    with pytest.raises(UserErrors) as caught:
        load_settings({"REENGAGE_broker": "a:1"}, tmp_path)
    assert [(error.reference, error.place, error.hint) for error in caught.value.errors] == [
        ("unknown-setting", "environment: REENGAGE_broker", "did you mean REENGAGE_BROKER?"),
        ("unknown-setting", "reengage.toml: REENGAGE_APP", "did you mean reengage_app?"),
    ]


def test_one_mistake_in_the_file_is_told_once(tmp_path):
    toml = "reengage_brokr = 5\n[worker]\nport = 1\n[reengage_app]\nname = 1"
    assert [said[:2] for said in refused(tmp_path, toml)] == [
        ("bad-setting", "reengage.toml: reengage_app"),
        ("unknown-setting", "reengage.toml: reengage_brokr"),
        ("unknown-setting", "reengage.toml: worker"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("GRACE", "2", "'2' is no duration; write a whole number and a unit, such as 30s, 20m, 2h, 7d or 3w"),
        ("GUARANTEE", "twice", "'twice' is none of exactly_once, at_least_once"),
        ("BROKER", "localhost", "'localhost' is not host:port"),
        ("BROKER", "localhost:99999", "'localhost:99999' is not host:port"),
        ("BROKER", "kafka://u:secret@h:1", "a server is host:port, without a scheme, a user or a path"),
        ("SCHEMA_REGISTRY", "localhost:8081", "not a URL such as http://127.0.0.1:8081"),
        ("SCHEMA_REGISTRY", "http://u:secret@h:port", "not a URL such as http://127.0.0.1:8081"),
        ("TOPIC_PREFIX", "a b", "'a b' has characters other than letters, digits, '.', '_' and '-'"),
        ("TOPIC_PREFIX", "x" * 151, "longer than 150 characters"),
        ("SSL_CAFILE", "nowhere.pem", "there is no file nowhere.pem"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_with_its_place(tmp_path, name, text, problem):
    assert refused(tmp_path, **{name: text}) == [("bad-setting", f"environment: REENGAGE_{name}", problem)]


def test_a_word_that_is_misspelt_is_told_with_the_one_that_is_meant(tmp_path):
    with pytest.raises(UserErrors) as caught:
        load(tmp_path, GUARANTEE="exactly-once", SECURITY_PROTOCOL="sasl-ssl", SASL_MECHANISM="kerberos")
    assert [error.hint for error in caught.value.errors] == [
        "did you mean SASL_SSL?",
        "How a client proves who it is, with SASL_PLAINTEXT or SASL_SSL",
        "did you mean exactly_once?",
    ]


def test_a_folder_of_playbooks_that_is_none_is_told_as_where_a_command_is_given_it(tmp_path):
    assert refused(tmp_path, PLAYBOOKS="nowhere") == [
        ("no-such-folder", "environment: REENGAGE_PLAYBOOKS", "there is no folder nowhere")
    ]


@pytest.mark.parametrize(
    ("toml", "reference", "place"),
    [
        ("reengage_app = ", "not-toml", "reengage.toml"),
        ("reengage_grace = 2", "bad-setting", "reengage.toml: reengage_grace"),
        ('reengage_grace = "2"', "bad-setting", "reengage.toml: reengage_grace"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_with_its_key(tmp_path, toml, reference, place):
    assert refused(tmp_path, toml)[0][:2] == (reference, place)


def test_a_byte_order_mark_in_the_file_is_forgiven(tmp_path):
    assert load(tmp_path, '\ufeffreengage_app = "x"').app == "x"


@pytest.mark.parametrize("value", ["[" * 500 + "]" * 500, "9" * 5000])
def test_what_no_setting_could_be_is_refused_in_words(tmp_path, value):
    assert refused(tmp_path, f"x = {value}")[0][:2] == ("not-toml", "reengage.toml")


@pytest.mark.parametrize("name", ["DATA", "PLAYBOOKS", "SSL_CAFILE"])
@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("~nosuchuser/x", "begins with the home of a user who is not known here"),
        ("x" * 300, "cannot be looked at: File name too long"),
        ("circle/x", "cannot be looked at: Too many levels of symbolic links"),
    ],
)
def test_a_path_that_cannot_be_followed_is_refused(tmp_path, monkeypatch, name, path, problem):
    monkeypatch.chdir(tmp_path)
    Path("circle").symlink_to("circle")
    assert refused(tmp_path, **{name: path}) == [
        ("bad-setting", f"environment: REENGAGE_{name}", f"{path} {problem}")
    ]


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "reengage.toml").write_bytes(b'reengage_app = "\xff"')
    assert refused(tmp_path) == [("not-toml", "reengage.toml", "is no UTF-8 text (at line 1)")]


@given(st.integers(0, 99_999), st.sampled_from([("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]))
def test_a_duration_is_its_number_times_its_unit(number, unit):
    assert DURATION.read(f"{number}{unit[0]}") == number * unit[1]


@pytest.mark.parametrize(("text", "hours"), [("7d", 168), ("3w", 504)])
def test_days_and_weeks_are_exact_multiples_of_24_hours(text, hours):
    assert DURATION.read(text) == hours * 3_600_000


@pytest.mark.parametrize("text", ["", "s", "1.5s", "-1s", "1 s", "1S", "1y", "\u0661s"])
def test_anything_else_is_no_duration(text):
    with pytest.raises(ValueError, match="is no duration"):
        DURATION.read(text)


@pytest.mark.parametrize(("text", "size"), [("1KiB", 1_024), ("64MiB", 64 << 20), ("2GiB", 2 << 30)])
def test_a_size_is_its_number_times_its_unit(text, size):
    assert SIZE.read(text) == size


@given(st.integers(1, 1 << 20), st.sampled_from(["KiB", "MiB", "GiB"]))
def test_a_size_and_a_duration_are_written_as_they_are_read(number, unit):
    size, duration_ms = SIZE.read(f"{number}{unit}"), DURATION.read(f"{number}ms")
    assert (SIZE.read(SIZE.write(size)), DURATION.read(DURATION.write(duration_ms))) == (size, duration_ms)


@pytest.mark.parametrize("text", ["", "64", "64MB", "0MiB", "-1MiB", "1.5GiB", "1 GiB", "9999999GiB"])
def test_anything_else_is_no_size(text):
    with pytest.raises(ValueError, match="is not a size"):
        SIZE.read(text)


@pytest.mark.parametrize("text", ["", "-1", "10", "1.0", "one"])
def test_a_count_is_a_whole_number_within_its_bounds(text):
    assert count(0, 9).read("9") == 9
    with pytest.raises(ValueError, match="is not a whole number from 0 to 9"):
        count(0, 9).read(text)


def test_sasl_needs_mechanism_user_and_password_together(tmp_path):
    assert [problem for _, _, problem in refused(tmp_path, SECURITY_PROTOCOL="SASL_SSL")] == [
        "SASL_SSL needs REENGAGE_SASL_MECHANISM",
        "SASL_SSL needs REENGAGE_SASL_USERNAME",
        "SASL_SSL needs REENGAGE_SASL_PASSWORD",
    ]


def test_a_security_setting_that_would_be_ignored_is_refused(tmp_path):
    (tmp_path / "ca.pem").write_text("")
    found = refused(tmp_path, SASL_PASSWORD="hunter2", SSL_CAFILE=str(tmp_path / "ca.pem"))
    assert [(reference, place) for reference, place, _ in found] == [
        ("unused-setting", "environment: REENGAGE_SASL_PASSWORD"),
        ("unused-setting", "environment: REENGAGE_SSL_CAFILE"),
    ]


def test_client_options_carry_credentials_and_tls(tmp_path):
    settings = load(
        tmp_path,
        BROKER="a:9093, b:9093",
        SECURITY_PROTOCOL="SASL_SSL",
        SASL_MECHANISM="SCRAM-SHA-512",
        SASL_USERNAME="reengage",
        SASL_PASSWORD="hunter2",
    )
    options = settings.client_options()
    context = options.pop("ssl_context")
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert options == {
        "bootstrap_servers": "a:9093,b:9093",
        "client_id": "reengage",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "reengage",
        "sasl_plain_password": "hunter2",
    }


def test_client_options_of_a_plain_broker_hold_nothing_else(tmp_path):
    options = load(tmp_path, BROKER="127.0.0.1:9092").client_options()
    assert options == {
        "bootstrap_servers": "127.0.0.1:9092",
        "client_id": "reengage",
        "security_protocol": "PLAINTEXT",
    }


def test_without_a_broker_there_are_no_client_options(tmp_path):
    with pytest.raises(UserError, match="reengage broker start") as caught:
        load(tmp_path).client_options()
    assert (caught.value.reference, caught.value.exit_code) == ("no-broker", 2)


@pytest.mark.parametrize("setting", ["SSL_CAFILE", "SSL_CERTFILE"])
def test_a_file_without_certificates_is_refused_by_its_setting(tmp_path, setting):
    (tmp_path / "bad.pem").write_text("nothing")
    settings = load(tmp_path, BROKER="a:1", SECURITY_PROTOCOL="SSL", **{setting: str(tmp_path / "bad.pem")})
    with pytest.raises(UserError) as caught:
        settings.client_options()
    assert (caught.value.reference, caught.value.place) == ("bad-certificate", f"REENGAGE_{setting}")


@pytest.mark.parametrize("secret", ["plain-enough", "p'ä\"\\s", "it's-enough"])
@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        lambda text: repr(text.encode()),
        lambda text: repr(f"{text}'\"".encode()),
        lambda text: base64.b64encode(text.encode()[6:]).decode(),
    ],
)
def test_a_secret_is_masked_in_every_shape_in_which_a_library_prints_it(tmp_path, secret, show):
    settings = load(
        tmp_path,
        SECURITY_PROTOCOL="SASL_PLAINTEXT",
        SASL_MECHANISM="PLAIN",
        SASL_USERNAME="user",
        SASL_PASSWORD=secret,
    )
    record = logging.LogRecord(
        "aiokafka", logging.DEBUG, "", 0, "sent %s", (show(f"\0user\0{secret}"),), None
    )
    logged = RedactingFormatter(secrets_of(settings)).format(record)
    assert "***" in logged
    assert not any(trace in logged for trace in ("ä", "xc3", "enough"))


def test_what_is_said_in_a_login_is_not_logged_at_all(tmp_path):
    """Cut off after some bytes, it may show a part of the password."""
    handler = log_handler(load(tmp_path))
    said = SaslAuthenticateRequest(b"\0user\0half").build(SaslAuthenticateRequest_v0)
    record = logging.LogRecord("aiokafka.conn", logging.DEBUG, "", 0, "Request: %s", (said,), None)
    assert not handler.filter(record)


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        (SERVERS, "u:hunter2@a:1,b:2", "***@a:1,b:2"),
        (URL, "user:hunter2@registry:8081", "***"),
        (URL, "http://registry:8081", "http://registry:8081"),
    ],
)
def test_a_password_written_where_it_does_not_belong_is_not_shown_either(kind, text, shown):
    assert kind.show(text) == shown


def test_an_encrypted_key_is_opened_with_its_password_and_with_no_other(tmp_path):
    leaf = trustme.CA().issue_cert("127.0.0.1")
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2"))
    (tmp_path / "both.pem").write_bytes(locked + leaf.cert_chain_pems[0].bytes())
    tls = {"BROKER": "a:1", "SECURITY_PROTOCOL": "SSL", "SSL_CERTFILE": str(tmp_path / "both.pem")}
    assert load(tmp_path, **tls, SSL_KEY_PASSWORD="hunter2").client_options()
    for wrong in ({"SSL_KEY_PASSWORD": "hunter3"}, {}):
        with pytest.raises(UserError, match="REENGAGE_SSL_KEY_PASSWORD") as caught:
            load(tmp_path, **tls, **wrong).client_options()
        assert caught.value.reference == "bad-certificate"
        assert "hunter" not in str(caught.value)


def test_a_password_for_no_key_is_refused(tmp_path):
    found = refused(tmp_path, SECURITY_PROTOCOL="SSL", SSL_KEY_PASSWORD="hunter2")
    assert found == [
        ("missing-setting", "environment: REENGAGE_SSL_KEY_PASSWORD", "a key without a certificate")
    ]


def test_secrets_are_in_no_representation_and_in_no_log_line(tmp_path):
    environ = {
        "SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "SASL_MECHANISM": "PLAIN",
        "SASL_USERNAME": "u",
        "SASL_PASSWORD": "hunter2",
        "SCHEMA_REGISTRY": "http://user:hunter3@registry:8081",
    }
    settings = load(tmp_path, **environ)
    shown = " ".join(
        item.shown for item in find_settings({f"REENGAGE_{k}": v for k, v in environ.items()}, tmp_path)[0]
    )
    record = logging.LogRecord("app", logging.ERROR, "", 0, "sent hunter2 to user:hunter3@registry", (), None)
    logged = RedactingFormatter(secrets_of(settings)).format(record)
    for text in (repr(settings), shown, logged):
        assert "hunter" not in text
    assert "http://***@registry:8081" in shown
    assert logged.endswith("ERROR app: sent *** to ***@registry")
