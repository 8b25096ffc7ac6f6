"""Nobody sees a password: in no log, not even at DEBUG, in no error, no command's output, no page of the worker's."""

import asyncio
import logging
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from app.service import logging as ours
from app.service.worker import free_port
from tests.integration.people import command, write_events
from tests.integration.secured import password
from tests.integration.verbose import LOUD, verbosely

pytestmark = pytest.mark.broker

VERBOSE = Path(__file__).with_name("verbose.py")
MARKER = "marker-of-"
"""What every secret here begins with."""
REGISTRY = f"http://user:{MARKER}registry@127.0.0.1:1"
COMMANDS = (
    ["settings"],
    ["check"],
    ["topics", "diff"],
    ["produce", "events.jsonl"],
    ["tail", "--until-end"],
    ["outcomes"],
    ["explain", "m1"],
)


@pytest.fixture
def loud(monkeypatch):
    """Every command logs everything."""
    monkeypatch.setattr(ours, "configure_logging", verbosely(ours.configure_logging))
    root, levels = logging.getLogger(), {name: logging.getLogger(name).level for name in LOUD}
    handlers = root.handlers[:]
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def everything_said(deployment):
    return "\n".join(
        f"{said.out}\n{said.err}" for said in (command(deployment, *words) for words in COMMANDS)
    )


def page(port, name):
    """What a page of the worker's says, whatever its status."""
    try:
        answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}")
    except urllib.error.HTTPError as unready:
        answer = unready
    with answer:
        return answer.read().decode()


def assert_unseen(text):
    assert text.count(MARKER) == 0, [line for line in text.splitlines() if MARKER in line][:3]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_no_command_shows_one_whether_it_works_or_not(people, loud, mechanism):
    people.everyone.create_topics()
    write_events(people.everyone.folder / "events.jsonl")
    wrong = {"REENGAGE_SASL_PASSWORD": password("else")}
    login = people.broker.login("nobody", mechanism)
    users = [
        people.user("nobody", **login),
        people.user("nobody", **(login | wrong)),
        people.user("nobody", **(login | {"REENGAGE_SCHEMA_REGISTRY": REGISTRY})),
        people.user("nobody", **(login | {"REENGAGE_SCHEMA_REGISTRY": REGISTRY.removeprefix("http://")})),
        people.user("nobody", **(login | {"REENGAGE_BROKER": f"nobody:{MARKER}broker@127.0.0.1:1"})),
        people.user("nobody", REENGAGE_SASL_PASWORD=password("nobody")),
        people.by_certificate("nobody"),
    ]
    said = "\n".join(everything_said(user) for user in users)
    assert_unseen(said)
    assert "DEBUG aiokafka" in said, "the logs were not there to be looked at"
    for reference in ("missing-rights", "broker-refused", "unknown-setting", "bad-setting"):
        assert f"error[{reference}]" in said


def test_a_worker_shows_none_in_its_log_nor_on_its_pages(people):
    people.everyone.create_topics()
    asyncio.run(people.grant_roles())
    write_events(people.everyone.folder / "events.jsonl")
    assert command(people.everyone, "produce", "events.jsonl").code == 0
    port = free_port()
    worker = people.user("worker", **people.broker.login("worker", "PLAIN")).start_worker(
        "--port", str(port), launcher=[sys.executable, VERBOSE]
    )
    worker.wait_until_ready()
    pages = page(port, "health") + page(port, "metrics")
    assert "members" in pages
    worker.stop()
    assert_unseen(pages + worker.log())
    assert "DEBUG aiokafka" in worker.log()
    kept = (path.read_bytes() for path in (people.everyone.folder / "data").rglob("*") if path.is_file())
    assert not any(MARKER.encode() in content for content in kept)
