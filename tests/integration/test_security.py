"""A cluster that asks who is there: every command with a login and TLS, and what is said when none comes about."""

import asyncio
import dataclasses
import socket
import time

import pytest

from app.broker.rights import Operation, Resource, Right, missing_right
from app.broker.roles import ROLES
from tests.integration.history import History
from tests.integration.oracle import assert_equals_simulate
from tests.integration.people import Said, command, write_events
from tests.integration.secured import password

pytestmark = pytest.mark.broker

IN_SECONDS = 30.0
"""How long a refusal may take on a busy machine; on a quiet one it is well below a second."""


def rights_of(people, role):
    return next(each for each in ROLES if each.name == role).rights(people.names)


def worked(deployment):
    """What a worker says that cannot start; as a process of its own, since it changes the one it runs in."""
    worker = deployment.start_worker()
    return Said(worker.exit_code(), "", worker.log())


def test_the_rights_that_are_listed_suffice_for_every_command(people):
    """From nothing to a replay, each user with its own role's rights only, by password and by certificate."""
    asyncio.run(people.grant_roles())
    write_events(people.everyone.folder / "events.jsonl")
    assert command(people.user("admin"), "topics", "apply", "--partitions", "2").code == 0
    assert command(people.user("admin"), "topics", "diff").code == 0
    assert command(people.user("producer"), "produce", "events.jsonl").code == 0
    people.user("worker").drain()
    assert command(people.by_certificate("producer"), "produce", "events.jsonl").code == 0
    people.by_certificate("worker").drain()
    assert_equals_simulate(people.everyone)
    reader, explainer = people.user("reader"), people.by_certificate("explainer")
    for report in (
        ["caseload"],
        ["failed-transfers"],
        ["engagements"],
        ["outcomes"],
        ["tail", "--until-end"],
    ):
        assert command(reader, *report).code == 0
    assert "m1" in command(explainer, "explain", "m1").out
    assert '"topic":"activity"' in command(explainer, "tail", "--inputs", "--until-end").out
    again = ["replay", "--into", people.names.into, "--diff"]
    assert command(people.user("replayer"), *again).code == 0


@pytest.mark.soak
def test_the_rights_that_are_listed_suffice_to_promote(people):
    asyncio.run(people.grant_roles())
    asyncio.run(people.broker.grant("promoter", rights_of(people, "replayer")))
    people.everyone.create_topics()
    people.everyone.produce(History(62, records=500))
    people.user("worker").drain()
    said = command(people.user("promoter"), "replay", "--into", people.names.into, "--promote")
    assert said.code == 0, said.err
    people.user("worker").drain()


@pytest.mark.parametrize(
    ("user", "operation", "topic", "arguments"),
    [
        ("admin", Operation.CREATE, "nudge", ["topics", "apply"]),
        ("admin", Operation.DESCRIBE, "nudge", ["topics", "diff"]),
        ("producer", Operation.WRITE, "score", ["produce", "events.jsonl"]),
        ("worker", Operation.READ, "internal-member-moved", ["worker"]),
        ("reader", Operation.READ, "nudge", ["tail", "--until-end"]),
        ("reader", Operation.READ, "activity", ["outcomes"]),
        ("explainer", Operation.READ, "profile", ["explain", "m1"]),
        ("replayer", Operation.READ, "internal-journal", ["replay", "--into", "INTO"]),
    ],
)
def test_a_command_without_one_of_its_rights_names_it_and_how_to_give_it(
    people, user, operation, topic, arguments
):
    right = Right(operation, Resource.TOPIC, people.everyone.prefix + topic)
    given = [
        each
        for each in rights_of(people, user)
        if each != right and each.operation != Operation.ALTER_CONFIGS
    ]
    if user == "admin":
        # Seeing the settings, which altering them lets too.
        given += [each._replace(operation=Operation.DESCRIBE_CONFIGS) for each in given]
    asyncio.run(people.broker.grant(user, given))
    write_events(people.everyone.folder / "events.jsonl")
    words = [people.names.into if word == "INTO" else word for word in arguments]
    said = worked(people.user(user)) if user == "worker" else command(people.user(user), *words)
    assert (said.code, said.references) == (2, ["missing-rights"]), said
    assert f"topic {right.name}: User:{user} has no right to {operation.word} it" in said.err
    assert f"kafka-acls --add --allow-principal 'User:{user}' {right.options()};" in said.err


def test_a_worker_ends_when_a_right_is_taken_away_and_says_which(people):
    people.everyone.create_topics()
    rights = rights_of(people, "worker")
    asyncio.run(people.broker.grant("worker", rights))
    worker = people.user("worker").start_worker()
    worker.wait_until_ready()
    taken = Right(Operation.WRITE, Resource.TOPIC, f"{people.everyone.prefix}tag-changed")
    asyncio.run(people.broker.revoke("worker", [taken]))
    write_events(people.everyone.folder / "events.jsonl")
    assert command(people.everyone, "produce", "events.jsonl").code == 0
    assert worker.exit_code() == 2, worker.log()
    told = missing_right(taken, {"sasl_plain_username": "worker"})
    assert f"error[missing-rights] {told.place}: {told.problem}" in worker.log()
    assert "Traceback" not in worker.log()


REFUSED = {
    "a wrong password": ("broker-refused", "REENGAGE_SASL_PASSWORD"),
    "an unknown user": ("broker-refused", "REENGAGE_SASL_USERNAME"),
    "a wrong password, in the clear": ("broker-refused", "REENGAGE_SASL_PASSWORD"),
    "an authority nobody knows": ("broker-not-trusted", "REENGAGE_SSL_CAFILE"),
    "a certificate that has expired": ("broker-not-trusted", "certificate has expired"),
    "a certificate of another host": ("broker-not-trusted", "127.0.0.1"),
    "no TLS where it is expected": ("broker-hangs-up", "REENGAGE_SECURITY_PROTOCOL"),
    "TLS where none is expected": ("broker-", "REENGAGE_SECURITY_PROTOCOL"),
    "no login where one is expected": ("broker-hangs-up", "a login"),
    "a login where none is expected": ("broker-refused", "REENGAGE_SECURITY_PROTOCOL"),
    "no certificate where one is expected": ("broker-", "REENGAGE_SSL_CERTFILE"),
    "a certificate of a stranger": ("broker-", "REENGAGE_SSL_CERTFILE"),
    "a wrong password of the key": ("bad-certificate", "REENGAGE_SSL_KEY_PASSWORD"),
    "nobody there": ("broker-unreachable", "REENGAGE_BROKER"),
}
"""By what is wrong: how the error's reference begins, and what it names."""


def settings_with(broker, what, folder):
    """Settings in which one thing is wrong."""
    login, shown, address = broker.login("nobody"), broker.certificate("nobody"), broker.kafka.address
    plain = {"REENGAGE_BROKER": address()}
    tls = {"REENGAGE_SECURITY_PROTOCOL": "SSL", "REENGAGE_SSL_CAFILE": str(broker.authority.file)}
    stranger = broker.stranger.identity("stranger") if "stranger" in what else None
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
    made = {
        "a wrong password": login | {"REENGAGE_SASL_PASSWORD": password("else")},
        "an unknown user": login | {"REENGAGE_SASL_USERNAME": "somebody"},
        "a wrong password, in the clear": broker.login("nobody", "PLAIN")
        | {"REENGAGE_SASL_PASSWORD": password("else")},
        "an authority nobody knows": login | {"REENGAGE_SSL_CAFILE": str(broker.stranger.file)},
        "a certificate that has expired": tls | {"REENGAGE_BROKER": address("EXPIRED")},
        "a certificate of another host": tls | {"REENGAGE_BROKER": address("ELSEWHERE")},
        "no TLS where it is expected": {"REENGAGE_BROKER": address("SCRAM")},
        "TLS where none is expected": tls | plain,
        "no login where one is expected": tls | {"REENGAGE_BROKER": address("SCRAM")},
        "a login where none is expected": login | shown | {"REENGAGE_SECURITY_PROTOCOL": "SASL_SSL"},
        "no certificate where one is expected": tls | {"REENGAGE_BROKER": address("MUTUAL")},
        "a certificate of a stranger": shown
        if stranger is None
        else shown
        | {"REENGAGE_SSL_CERTFILE": str(stranger.chain), "REENGAGE_SSL_KEYFILE": str(stranger.key)},
        "a wrong password of the key": shown | {"REENGAGE_SSL_KEY_PASSWORD": password("else")},
        "nobody there": login | {"REENGAGE_BROKER": nobody},
    }[what]
    if "stranger" in what:
        del made["REENGAGE_SSL_KEY_PASSWORD"]
    return made


@pytest.mark.parametrize("what", REFUSED)
def test_a_connection_that_does_not_come_about_is_told_in_one_error_at_once(people, what, tmp_path):
    deployment = dataclasses.replace(people.everyone, more=settings_with(people.broker, what, tmp_path))
    began_s = time.monotonic()
    said = command(deployment, "topics", "diff")
    assert time.monotonic() - began_s < IN_SECONDS
    reference, named = REFUSED[what]
    assert (said.code, len(said.references)) == (2, 1), said
    assert said.references[0].startswith(reference), said.err
    assert named in said.err
