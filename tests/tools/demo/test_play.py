"""The whole demo on a real broker: it tells the story, ends by itself, and leaves nothing behind."""

import asyncio
import re
import socket
import tempfile
from pathlib import Path

import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from app.domain.errors import UserError
from app.playbooks.loader import load_playbooks
from app.service.settings import load_settings
from app.tools import demo
from app.tools.demo import place, play
from app.tools.demo.play import Demo
from app.tools.demo.script import Character, Event, Pool, deliveries, in_app, sets_up, signs_up, transferred
from app.tools.demo.story import POOLS, STORY
from app.tools.simulate import simulate

pytestmark = pytest.mark.broker

ANA = Character(
    "ana",
    "Ana",
    "came, went and came back",
    (
        signs_up("Jan 05 09:00", "ana@example.org"),
        in_app("article.read", "Jan 05 10:00"),
        transferred("Jan 06 10:00", "coach-silva"),
        Event("Jan 07 10:00", "activity", {"type": "article.read", "channel": "WATCH"}, readable=False),
        in_app("article.read", "Feb 02 10:00"),
    ),
)

BO_AND_CY = (
    Character("bo", "Bo", "was first", (signs_up("Jan 05 09:00", "bo@example.org"), sets_up("Jan 05 10:00"))),
    Character(
        "cy", "Cy", "waited for a night", (in_app("article.read", "Jan 05 09:00"), sets_up("Jan 05 10:01"))
    ),
)
"""Whose requests are a minute, that is nothing, apart; the slot is the first one's."""

ONE_SLOT = Pool("default", (("Jan 05 08:00", 1), ("Jan 06 08:00", 1)))


@pytest.fixture
def settings(broker, topic_prefix, tmp_path):
    return load_settings(
        {
            "REENGAGE_BROKER": broker,
            "REENGAGE_TOPIC_PREFIX": topic_prefix,
            "REENGAGE_APP": topic_prefix.rstrip("-"),
        },
        tmp_path,
    )


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The folder for temporary files, to see what is left in it."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def topics_under(broker, prefix):
    async def found():
        admin = AIOKafkaAdminClient(bootstrap_servers=broker)
        await admin.start()
        try:
            return [topic for topic in await admin.list_topics() if topic.startswith(prefix)]
        finally:
            await admin.close()

    return asyncio.run(found())


def test_the_story_is_told_and_ends_by_itself(settings, scratch, capsys):
    assert Demo(settings, [ANA], seconds_a_week=0).play() == 0
    text = capsys.readouterr().out
    lines = [re.sub(" +", " ", line).strip() for line in text.splitlines()]
    assert "5 Jan 10:00 Ana workflow-opened first activity" in lines
    assert "12 Jan 10:00 Ana tag-changed inactive added: seven days without activity" in lines
    assert any(line.startswith("7 Jan 10:00 Ana dead-letter unknown enum") for line in lines)
    assert any(line.endswith("2 Feb returned after 28 days: workflow opened") for line in lines)
    assert "in 5 events: profile 1, transfer 1, activity 3" in lines
    assert "out 8 records: dead-letter 1, tag-changed 4, workflow-opened 2, workflow-resolved 1" in lines
    assert "\x1b" not in text
    assert list(scratch.iterdir()) == []


def test_who_finds_no_slot_is_served_at_the_reset_however_fast_the_story_is_told(settings, scratch, capsys):
    assert Demo(settings, BO_AND_CY, [ONE_SLOT], seconds_a_week=0).play() == 0
    lines = [re.sub(" +", " ", line).strip() for line in capsys.readouterr().out.splitlines()]
    assert "5 Jan 10:01 Cy transfer-failed attempt 1, next try 6 Jan, 01:00" in lines
    assert "6 Jan 01:00 Cy workflow-resolved transferred" in lines


def test_a_broker_that_is_given_is_left_as_it_was(settings, eventually, scratch, capsys):
    Demo(settings, [ANA], seconds_a_week=0).play()
    eventually(lambda: not topics_under(settings.broker, settings.topic_prefix))


def test_without_a_broker_it_brings_its_own_and_the_whole_story_comes_out(
    tmp_path, scratch, monkeypatch, capsys
):
    monkeypatch.setattr(place, "locate_broker", lambda _configured: None)
    monkeypatch.setattr(play, "SECONDS_A_WEEK", 0)
    settings = load_settings({"REENGAGE_APP": "mine"}, tmp_path)
    before = set(psutil.Process().children(recursive=True))
    assert demo.run(settings, keep=False) == 0
    text = capsys.readouterr().out
    sent = deliveries(STORY, POOLS)
    expected = simulate([delivery.line for delivery in sent], load_playbooks(None))
    assert f"{len(sent)} events" in text
    assert f"{len(expected.outputs) + len(expected.dead_letters)} records" in text
    assert "Where to look next" in text
    assert list(scratch.iterdir()) == []
    assert set(psutil.Process().children(recursive=True)) <= before


def test_a_worker_that_cannot_start_is_one_error_that_names_its_log(settings, scratch, monkeypatch, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(play, "free_port", lambda: port)
        with pytest.raises(UserError) as raised:
            Demo(settings, [ANA], seconds_a_week=0).play()
    error = raised.value
    assert (error.reference, error.exit_code) == ("worker-ended", 1)
    assert f"error[port-not-free] --port {port}" in error.problem
    (log,) = scratch.iterdir()
    assert Path(error.place) == log


def test_outputs_that_are_not_those_of_simulate_are_an_error(settings, scratch, capsys):
    wrong = Demo(settings, [ANA], seconds_a_week=0)
    del wrong._expected.outputs[0]
    with pytest.raises(UserError) as raised:
        wrong.play()
    assert raised.value.reference == "demo-differs"
    assert "ana/1" in raised.value.problem


def test_a_broker_that_does_not_answer_is_one_error_and_leaves_no_file(tmp_path, scratch, capsys):
    settings = load_settings({"REENGAGE_BROKER": "127.0.0.1:9"}, tmp_path)
    with pytest.raises(UserError) as raised:
        Demo(settings, [ANA], seconds_a_week=0).play()
    assert (raised.value.reference, raised.value.exit_code) == ("broker-unreachable", 1)
    assert list(scratch.iterdir()) == []
