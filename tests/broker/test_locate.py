"""Which broker is used: the configured one, else the kept one if it runs, else none."""

import json

import psutil
import pytest

from app.broker.locate import locate_broker


@pytest.fixture
def running(tmp_path):
    """A home whose state file names a process that runs."""
    process = psutil.Process()
    state = {"pid": process.pid, "started": process.create_time(), "bootstrap": "127.0.0.1:29092"}
    (tmp_path / "kept.json").write_text(json.dumps(state))
    return tmp_path


def test_a_configured_broker_is_used_though_one_is_kept(running):
    assert locate_broker("kafka:9092", running) == "kafka:9092"


@pytest.mark.parametrize("configured", [None, ""])
def test_without_one_configured_the_kept_one_is_used(running, configured):
    assert locate_broker(configured, running) == "127.0.0.1:29092"


def test_without_either_there_is_none(tmp_path):
    assert locate_broker(None, tmp_path) is None
