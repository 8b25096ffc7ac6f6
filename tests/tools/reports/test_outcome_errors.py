"""Which errors members saw, at which companies, and who came back; from activities and pages in any order."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from app.domain.events import Activity
from app.domain.outputs import MemberSnapshot
from app.tools.reports.form import Form
from app.tools.reports.outcome_errors import ErrorCounts, ErrorRow
from app.tools.reports.outcomes import run
from app.wire.codec import shipped_codec
from app.wire.partitioner import murmur2_partition
from tests.domain.intents import AUTHENTICATION, MFA, SUCCESS, instant, intent
from tests.tools.conftest import PARTITIONS


def activity(at: float, member: str, kind: str, **attributes: Any) -> Activity:
    return Activity(
        event_id=f"{member} {at} {kind}",
        member_id=member,
        occurred_at=instant(at),
        type=f"transact.{kind}",
        channel="APP",
        attributes=attributes,
    )


def seen(at: float, member: str, page: str = MFA, **attributes: Any) -> Activity:
    return activity(at, member, "interaction", name=page, **attributes)


def rows(*records: Any, by: tuple[str, ...] = ("error",)) -> list[ErrorRow]:
    counts = ErrorCounts([intent()])
    for record in records:
        counts.take(record)
    return counts.rows(by)


def test_views_and_members_are_counted_by_error_and_company():
    records = [
        seen(0, "a", company_id="acme"),
        seen(1, "a", company_id="acme"),
        seen(0, "b", company_id="acme"),
        seen(0, "c", company_id="globex"),
        seen(0, "d", AUTHENTICATION),
    ]
    assert [row[:3] for row in rows(*records, by=("error", "company"))] == [
        (("authentication", None), 1, 1),
        (("mfa", "acme"), 3, 2),
        (("mfa", "globex"), 1, 1),
    ]
    assert [row.key for row in rows(*records, by=("company",))] == [("acme",), ("globex",), (None,)]


def test_a_company_whose_id_came_as_a_number_is_one_company():
    records = [seen(0, "a", company_id=42), seen(1, "b", company_id=42.0), seen(2, "c", company_id="42")]
    assert rows(*records, by=("company",)) == [ErrorRow(("42",), 3, 3, 0, 0)]


def test_a_page_that_names_no_company_counts_at_the_members():
    page = MemberSnapshot(member_id="a", occurred_at=0, company_id="acme")
    assert rows(page, seen(0, "a"), by=("company",))[0].key == ("acme",)


@pytest.mark.parametrize(
    ("more", "came_back", "converted"),
    [
        ([], 0, 0),
        ([seen(5, "a", "Home")], 0, 0),
        ([activity(5, "a", "closed"), seen(6, "a", "Home")], 1, 0),
        ([activity(5, "a", "started")], 1, 0),
        ([seen(30, "a", "Home")], 1, 0),
        ([seen(29.9, "a", "Home")], 0, 0),
        ([activity(5, "a", "finished")], 0, 1),
        ([seen(5, "a", SUCCESS, state="completed")], 0, 1),
        ([seen(5, "a", SUCCESS)], 0, 0),
        ([activity(600, "a", "finished")], 1, 1),
        ([activity(-600, "a", "finished")], 0, 0),
        ([activity(5, "a", "closed"), activity(6, "a", "closed")], 0, 0),
        ([activity(600, "b", "finished")], 0, 0),
    ],
)
def test_who_begins_another_session_came_back_and_who_succeeds_converted(more, came_back, converted):
    (row,) = rows(seen(0, "a"), *more)
    assert (row.members, row.came_back, row.converted) == (1, came_back, converted)


def test_order_and_repetition_change_nothing():
    records = [
        each
        for member in "abc"
        for each in (
            seen(0, member, company_id="acme"),
            activity(1, member, "closed"),
            seen(90, member, AUTHENTICATION),
            activity(95, member, "finished"),
        )
    ]
    expected = rows(*records, by=("error", "company"))
    shuffled = records * 2
    random.Random(1).shuffle(shuffled)
    assert rows(*shuffled, by=("error", "company")) == expected


def test_two_playbooks_of_one_session_count_a_view_once():
    counts = ErrorCounts([intent(), intent("other")])
    counts.take(seen(0, "a"))
    assert counts.rows(("error",)) == [ErrorRow(("mfa",), 1, 1, 0, 0)]


def test_other_pages_and_other_activities_are_no_errors():
    other = Activity(event_id="x", member_id="a", occurred_at=0, type="article.read", channel="APP")
    assert rows(seen(0, "a", "Home"), other) == []


@pytest.mark.broker
def test_the_command_says_it_as_json_csv_and_table(settings, write_records, capsys):
    records = [
        seen(0, "a", company_id="acme"),
        activity(1, "a", "closed"),
        activity(500, "a", "finished"),
        MemberSnapshot(member_id="b", occurred_at=0, company_id="globex"),
        seen(0, "b"),
    ]
    encode = shipped_codec().encode
    write_records(
        *(
            (
                each.topic,
                murmur2_partition(each.member_id.encode(), PARTITIONS),
                each.member_id.encode(),
                encode(each),
            )
            for each in records
        )
    )
    assert run(settings, "error,company", Form.JSON) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"error": "mfa", "company": "acme", "views": 1, "members": 1, "came_back": 1, "converted": 1},
        {"error": "mfa", "company": "globex", "views": 1, "members": 1, "came_back": 0, "converted": 0},
    ]
    assert run(settings, "company", Form.CSV) == 0
    assert capsys.readouterr().out.splitlines()[1] == "acme,1,1,1,1"
    assert run(settings, "error,company", Form.TABLE) == 0
    assert "came back" in capsys.readouterr().out
