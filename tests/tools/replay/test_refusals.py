"""What `reengage replay` refuses, before it has written anything."""

import asyncio
import json
from dataclasses import replace

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete

from app.broker.topics import admin_client
from app.domain.errors import UserError, UserErrors
from app.tools.replay.options import Options, read_options
from app.tools.replay.order import Order
from app.tools.replay.place import held_place
from app.tools.replay.run import run
from app.tools.reports.form import Form
from tests.integration.deployment import until

pytestmark = pytest.mark.broker


def refusal(settings, into, **options):
    """References of what is refused."""
    with pytest.raises((UserError, UserErrors)) as refused:
        run(settings, Options(into=into, **options))
    error = refused.value
    return {each.reference for each in error.errors} if isinstance(error, UserErrors) else {error.reference}


def with_admin(settings, ask):
    async def go():
        async with admin_client(settings.client_options()) as admin:
            return await ask(admin)

    return asyncio.run(go())


def topics(settings, prefix):
    names = with_admin(settings, lambda admin: admin.list_topics())
    return sorted(name for name in names if name.startswith(prefix))


@pytest.mark.parametrize(
    ("into", "reference"),
    [("", "bad-prefix"), ("a b", "bad-prefix"), ("x" * 151, "bad-prefix"), (None, "live-prefix")],
)
def test_a_prefix_that_topics_cannot_have_or_that_is_the_live_one(settings, into, reference):
    assert refusal(settings, settings.topic_prefix if into is None else into) == {reference}


def test_a_prefix_under_which_there_are_other_topics(settings):
    """Foreign ones, and those of a replay that was begun elsewhere; nothing is created."""
    foreign = f"{settings.topic_prefix}foreign-"
    with_admin(settings, lambda admin: admin.create_topics([NewTopic(f"{foreign}nudge", 1, 1)]))
    until(lambda: topics(settings, foreign), "the topic in the list")
    assert refusal(settings, foreign) == {"foreign-topics"}
    assert topics(settings, foreign) == [f"{foreign}nudge"]
    into = f"{settings.topic_prefix}again-"
    assert run(settings, Options(into=into)) == 0
    assert run(settings, Options(into=into)) == 0
    elsewhere = replace(settings, data=settings.data / "elsewhere")
    assert refusal(elsewhere, into) == {"foreign-topics"}


def test_topics_that_are_gone_let_the_replay_begin_anew(settings):
    into = f"{settings.topic_prefix}again-"
    assert run(settings, Options(into=into)) == 0
    made = topics(settings, into)
    with_admin(settings, lambda admin: admin.delete_topics(made))
    assert run(settings, Options(into=into)) == 0
    assert topics(settings, into) == made


def test_a_replay_that_was_asked_for_differently_naming_all_that_differs(settings):
    into = f"{settings.topic_prefix}again-"
    assert run(settings, Options(into=into, since_ms=5)) == 0
    with pytest.raises(UserErrors) as refused:
        run(settings, Options(into=into, until_ms=7, order=Order.EVENT_TIME))
    places = {error.place.partition(": ")[2] for error in refused.value.errors}
    assert places == {"--order", "--from", "--until", "playbooks"}
    problems = {error.problem for error in refused.value.errors}
    assert "this replay was begun with 1970-01-01T00:00:00.005Z, now it is none" in problems


def test_two_at_once_into_one_prefix(settings):
    into = f"{settings.topic_prefix}again-"
    with held_place(settings, into):
        assert refusal(settings, into) == {"replay-running"}


def test_topics_that_have_lost_their_beginning(settings, write_records):
    write_records(("activity", 0, b"m", b"{}"), ("activity", 0, b"m", b"{}"))
    where = TopicPartition(f"{settings.topic_prefix}activity", 0)
    with_admin(settings, lambda admin: admin.delete_records({where: RecordsToDelete(1)}))
    for order in Order:
        into = f"{settings.topic_prefix}{order}-"
        assert refusal(settings, into, order=order) == {"inputs-gone"}


def test_missing_live_topics(bare_settings):
    assert refusal(bare_settings, f"{bare_settings.topic_prefix}again-") == {"missing-topic"}


def test_options_that_do_not_go_together(tmp_path):
    common = {"into": "x-", "since": None, "until": None, "playbooks": [], "order": None, "diff": False}
    common |= {"form": Form.TABLE, "promote": False, "dry_run": False}
    bad = {"since": "yesterday", "until": "2026-13-01", "playbooks": [tmp_path, tmp_path], "dry_run": True}
    with pytest.raises(UserErrors) as refused:
        read_options(**common | bad)
    assert [error.place for error in refused.value.errors] == [
        "--from",
        "--until",
        "--playbooks",
        "--dry-run",
    ]
    swapped = {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    with pytest.raises(
        UserErrors, match="--from: 2026-02-01T00:00:00Z is after --until 2026-01-01T00:00:00Z"
    ):
        read_options(**common | swapped)
    with pytest.raises(UserErrors, match="takes no window"):
        read_options(**common | {"promote": True, "until": "2026-01-05T10:00:00Z"})


def test_playbooks_make_a_what_if_and_without_them_the_journal_is_followed(tmp_path):
    assert Options(into="x-").chosen_order is Order.JOURNAL
    assert Options(into="x-", playbooks=(tmp_path,)).chosen_order is Order.EVENT_TIME
    assert Options(into="x-", playbooks=(tmp_path,), order=Order.JOURNAL).chosen_order is Order.JOURNAL


def test_an_empty_history_replays_to_nothing_and_is_equal(settings, capsys):
    for order in Order:
        into = f"{settings.topic_prefix}{order}-"
        assert run(settings, Options(into=into, order=order, diff=True, form=Form.JSON)) == 0
        assert json.loads(capsys.readouterr().out)["equal"] is True
