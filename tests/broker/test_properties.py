"""What a node of ours is set to, and how it is written down for Java."""

from pathlib import Path

import pytest

from app.broker.properties import render_properties, server_properties

PORTS = {"PLAINTEXT": 21, "CONTROLLER": 22}


def properties(**changed):
    return server_properties(**{"node_id": 1, "data": Path("/d"), "ports": PORTS, "protocols": {}} | changed)


def test_a_node_of_its_own_is_broker_and_controller_on_loopback():
    made = properties()
    assert made["process.roles"] == "broker,controller"
    assert made["listeners"] == "PLAINTEXT://127.0.0.1:21,CONTROLLER://127.0.0.1:22"
    assert made["advertised.listeners"] == "PLAINTEXT://127.0.0.1:21"
    assert made["controller.quorum.voters"] == "1@127.0.0.1:22"


def test_a_node_that_joins_is_a_broker_only_and_votes_for_the_other_ones_controller():
    made = properties(node_id=2, voters={1: 99})
    assert made["process.roles"] == "broker"
    assert made["listeners"] == "PLAINTEXT://127.0.0.1:21"
    assert made["controller.quorum.voters"] == "1@127.0.0.1:99"
    assert made["node.id"] == "2"


def test_a_further_listener_is_offered_with_its_protocol():
    made = properties(ports=PORTS | {"SAFE": 23}, protocols={"SAFE": "SASL_SSL"})
    assert made["advertised.listeners"] == "PLAINTEXT://127.0.0.1:21,SAFE://127.0.0.1:23"
    assert made["listener.security.protocol.map"] == "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SAFE:SASL_SSL"


def test_what_is_asked_for_wins():
    assert (
        properties(extra={"num.io.threads": "9", "x": "y"}).items()
        >= {"num.io.threads": "9", "x": "y"}.items()
    )


def test_topics_are_neither_created_nor_emptied_by_themselves():
    assert properties()["auto.create.topics.enable"] == "false"
    assert properties()["log.retention.ms"] == "-1"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain = text: #1", "plain = text: #1"),
        ("C:\\data", "C:\\\\data"),
        ("two\nlines", "two\\nlines"),
        ("é€", "\\u00e9\\u20ac"),
        ("\U0001f600", "\\ud83d\\ude00"),
        ('user="u";', 'user=\\"u\\";'),
    ],
)
def test_any_value_is_written_as_java_reads_it_back(value, written):
    assert render_properties({"a.b": value}) == f"a.b={written}\n"
