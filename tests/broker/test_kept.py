"""The broker that outlives its command is found, found out when it is gone, and stopped."""

import json
import subprocess
import sys

import psutil
import pytest

from app.broker import kept
from app.broker.kept import kept_broker, start_kept, stop_kept
from app.domain.errors import UserError

pytestmark = pytest.mark.broker

START = "import sys; from pathlib import Path; from app.broker.kept import start_kept; start_kept(Path(sys.argv[1]))"


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "kept"
    stop_kept(tmp_path / "kept")


def state(home):
    return json.loads((home / "kept.json").read_text())


def test_it_outlives_the_command_that_started_it_until_another_stops_it_and_then_keeps_its_address(
    home, ended
):
    subprocess.run([sys.executable, "-c", START, str(home)], check=True)
    running = kept_broker(home)
    assert running is not None
    assert not ended(running.pid)
    assert start_kept(home) == (running, False)
    assert stop_kept(home) == running
    assert ended(running.pid)
    assert kept_broker(home) is None
    assert stop_kept(home) is None
    again, started = start_kept(home)
    assert started
    assert again.bootstrap == running.bootstrap


def test_one_that_was_killed_counts_as_none(home, eventually, ended):
    running, started = start_kept(home)
    assert started
    psutil.Process(running.pid).kill()
    eventually(lambda: ended(running.pid))
    assert kept_broker(home) is None


def test_another_process_that_has_its_pid_by_now_is_left_alone(tmp_path):
    bystander = psutil.Process()
    (tmp_path / "kept.json").write_text(
        json.dumps(
            {"pid": bystander.pid, "started": bystander.create_time() - 3600, "bootstrap": "127.0.0.1:1"}
        )
    )
    assert kept_broker(tmp_path) is None
    assert stop_kept(tmp_path) is None
    assert not (tmp_path / "kept.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_state_file_that_cannot_be_read_counts_as_none(tmp_path, text):
    (tmp_path / "kept.json").write_text(text)
    assert kept_broker(tmp_path) is None


def test_stopping_where_none_was_ever_started_makes_nothing(tmp_path):
    assert stop_kept(tmp_path / "none") is None
    assert not (tmp_path / "none").exists()


def test_one_that_does_not_start_leaves_no_trace_but_its_log(home):
    with pytest.raises(UserError, match="broker-not-started"):
        start_kept(home, timeout_s=0.01)
    assert kept_broker(home) is None
    assert not (home / "kept.json").exists()
    assert (home / "broker.log").exists()


def test_it_can_be_found_while_it_still_starts(home, monkeypatch):
    seen = []

    def wait(*_):
        seen.append(kept_broker(home))

    monkeypatch.setattr(kept.BrokerProcess, "wait_until_ready", wait)
    running, _ = start_kept(home)
    assert seen == [running]


def test_its_home_is_a_per_user_folder_apart_from_the_workers_state():
    assert kept.default_home().name == "reengage-broker"
