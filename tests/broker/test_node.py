"""A node's folder keeps its identity and its ports."""

import socket

import pytest

from app.broker.distribution import Distribution
from app.broker.node import PORTS, Node, NodeOptions


@pytest.fixture
def distribution(tmp_path):
    made = Distribution(tmp_path / "kafka")
    made.folder.mkdir()
    made.bootstrap_checkpoint.write_bytes(b"features")
    return made


def prepared(folder, distribution, options=None, controller=None, *, new_ports=False):
    node = Node(folder, options or NodeOptions(), controller)
    node._prepare(distribution, new_ports=new_ports)
    return node


def properties(folder):
    lines = (folder / "server.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_a_folder_used_again_keeps_cluster_storage_and_address(tmp_path, distribution):
    first = prepared(tmp_path / "n", distribution)
    (tmp_path / "n" / "data" / "bootstrap.checkpoint").write_bytes(b"as Kafka left it")
    again = prepared(tmp_path / "n", distribution)
    assert (again.cluster_id(), again.address()) == (first.cluster_id(), first.address())
    assert (tmp_path / "n" / "data" / "bootstrap.checkpoint").read_bytes() == b"as Kafka left it"


def test_two_folders_are_two_clusters(tmp_path, distribution):
    one, two = prepared(tmp_path / "1", distribution), prepared(tmp_path / "2", distribution)
    assert one.cluster_id() != two.cluster_id()
    assert len(one.cluster_id()) == 22


def test_a_port_that_another_process_took_meanwhile_is_left_to_it(tmp_path, distribution):
    port = prepared(tmp_path / "n", distribution).port("PLAINTEXT")
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert prepared(tmp_path / "n", distribution).port("PLAINTEXT") != port


def test_other_ports_can_be_had(tmp_path, distribution):
    old = prepared(tmp_path / "n", distribution).address()
    assert prepared(tmp_path / "n", distribution, new_ports=True).address() != old


def test_a_ports_file_that_cannot_be_read_is_replaced(tmp_path, distribution):
    prepared(tmp_path / "n", distribution)
    (tmp_path / "n" / "ports.json").write_text("{")
    assert prepared(tmp_path / "n", distribution).port("CONTROLLER") in PORTS


def test_each_listener_has_a_port_that_no_outgoing_connection_is_given(tmp_path, distribution):
    node = prepared(tmp_path / "n", distribution, NodeOptions(listeners={"SASL": "SASL_PLAINTEXT"}))
    ports = {node.port(name) for name in ("PLAINTEXT", "CONTROLLER", "SASL")}
    assert len(ports) == 3
    assert all(port in PORTS for port in ports)


def test_a_node_that_joins_is_of_the_same_cluster_and_knows_its_controller(tmp_path, distribution):
    first = prepared(tmp_path / "1", distribution)
    second = prepared(tmp_path / "2", distribution, NodeOptions(node_id=2), first)
    assert second.cluster_id() == first.cluster_id()
    assert properties(tmp_path / "2")["controller.quorum.voters"] == f"1@127.0.0.1:{first.port('CONTROLLER')}"
    assert "node.id=2" in (tmp_path / "2" / "data" / "meta.properties").read_text()


def test_properties_asked_for_reach_the_broker(tmp_path, distribution):
    prepared(tmp_path / "n", distribution, NodeOptions(properties={"num.io.threads": "3"}))
    assert properties(tmp_path / "n")["num.io.threads"] == "3"


def test_the_quick_compiler_is_left_out_for_throughput(tmp_path, distribution):
    quick = Node(tmp_path / "n", NodeOptions(heap_mb=300))._prepare(distribution, new_ports=False)
    full = Node(tmp_path / "n", NodeOptions(throughput=True))._prepare(distribution, new_ports=False)
    assert "-XX:TieredStopAtLevel=1" in quick
    assert "-Xmx300m" in quick
    assert "-XX:TieredStopAtLevel=1" not in full
