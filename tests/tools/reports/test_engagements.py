"""`reengage engagements`: rows, filters, and who may see how an engagement stands."""

from __future__ import annotations

import csv
import io
import json

import pytest

from app.domain.errors import UserError
from app.domain.instants import DAY_MS
from app.domain.outputs import EngagementView, MemberSnapshot
from app.tools.reports import engagements
from app.tools.reports.engagements import Filters, parse_dates, parse_filters, rows
from app.tools.reports.form import Form
from app.tools.reports.visibility import parse_viewer
from app.wire.codec import shipped_codec
from app.wire.partitioner import murmur2_partition
from tests.tools.conftest import PARTITIONS
from tests.tools.story import START_MS

STANDING = ("status", "off_track_since", "last_session", "next_session")


def view(engagement: str, status: str = "ON_TRACK", since: float | None = None, **fields) -> EngagementView:
    return EngagementView(
        engagement_id=engagement,
        status=status,
        off_track_since=None if since is None else START_MS + round(since * DAY_MS),
        last_session=START_MS,
        next_session=None,
        **{"owner_id": "o1", "coach_id": "k1", "company_id": "acme", "location_id": "zurich", **fields},
    )


PAGES = [
    MemberSnapshot(
        member_id="m1",
        occurred_at=START_MS,
        engagements=[
            view("e1"),
            view("e2", "OFF_TRACK", 3),
            view("e3", "NOT_TRACKING", owner_id="o2", coach_id=None),
        ],
    ),
    MemberSnapshot(member_id="m2", occurred_at=START_MS, engagements=[]),
    MemberSnapshot(
        member_id="m3",
        occurred_at=START_MS,
        engagements=[view("e4", "OFF_TRACK", 1, owner_id="o2", company_id="other", location_id=None)],
    ),
]


def found(**filters) -> list[str]:
    asked = {name: filters.get(name) for name in ("status", "off_track_since", "owner", "coach", "viewer")}
    return [row["engagement_id"] for row in rows(PAGES, parse_filters(*asked.values()))]


def test_there_is_a_row_for_each_engagement_the_longest_off_track_first():
    printed = rows(PAGES, Filters())
    assert [row["engagement_id"] for row in printed] == ["e4", "e2", "e1", "e3"]
    assert printed[1] == {
        "engagement_id": "e2",
        "member_id": "m1",
        "coach_id": "k1",
        "owner_id": "o1",
        "company_id": "acme",
        "location_id": "zurich",
        "status": "OFF_TRACK",
        "off_track_since": "2026-01-08T10:00:00.000Z",
        "last_session": "2026-01-05T10:00:00.000Z",
        "next_session": None,
    }


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"status": "OFF_TRACK"}, ["e4", "e2"]),
        ({"status": "NOT_TRACKING"}, ["e3"]),
        ({"owner": "o2"}, ["e4", "e3"]),
        ({"coach": "k1"}, ["e4", "e2", "e1"]),
        ({"coach": "k9"}, []),
        ({"owner": "o2", "status": "OFF_TRACK"}, ["e4"]),
        ({"off_track_since": "2026-01-06..2026-01-08"}, ["e4", "e2"]),
        ({"off_track_since": "2026-01-07..2026-01-08"}, ["e2"]),
        ({"off_track_since": "2026-01-06..2026-01-06"}, ["e4"]),
        ({"off_track_since": "2026-01-09..2026-01-31"}, []),
        ({"off_track_since": "2026-01-07.."}, ["e2"]),
        ({"off_track_since": "..2026-01-07"}, ["e4"]),
    ],
)
def test_filters_leave_out_the_others(filters, wanted):
    assert found(**filters) == wanted


def test_both_dates_are_included_to_the_millisecond():
    from_ms, to_ms = parse_dates("2026-01-05..2026-01-06")
    assert (from_ms, to_ms) == (1767571200000, 1767744000000)
    edges = [from_ms - 1, from_ms, to_ms - 1, to_ms]
    pages = [
        MemberSnapshot(
            member_id=str(number),
            occurred_at=0,
            engagements=[EngagementView(engagement_id=str(number), status="OFF_TRACK", off_track_since=edge)],
        )
        for number, edge in enumerate(edges)
    ]
    filters = parse_filters(None, "2026-01-05..2026-01-06", None, None, None)
    assert [row["member_id"] for row in rows(pages, filters)] == ["1", "2"]


@pytest.mark.parametrize(
    ("viewer", "seen"),
    [
        ("owner:o1", {"e1", "e2"}),
        ("owner:o2", {"e3", "e4"}),
        ("owner:o9", set()),
        ("coach:k1", {"e1", "e2", "e4"}),
        ("coach:o1", set()),
        ("global_admin:acme", {"e1", "e2", "e3"}),
        ("global_admin:other", {"e4"}),
        ("global_admin:zurich", set()),
        ("location_admin:acme/zurich", {"e1", "e2", "e3"}),
        ("location_admin:acme/geneva", set()),
        ("location_admin:other/zurich", set()),
    ],
)
def test_a_viewer_sees_how_those_stand_that_concern_them_and_a_dash_for_the_others(viewer, seen):
    printed = rows(PAGES, Filters(viewer=parse_viewer(viewer)))
    assert {row["engagement_id"] for row in printed} == {"e1", "e2", "e3", "e4"}
    for row in printed:
        is_hidden = {row[name] for name in STANDING} == {"-"}
        assert is_hidden == (row["engagement_id"] not in seen)
        assert row["owner_id"] in ("o1", "o2")


def test_neither_order_nor_filters_tell_what_a_viewer_may_not_see():
    assert found(viewer="owner:o1") == ["e2", "e1", "e3", "e4"]
    assert found(viewer="owner:o1", status="OFF_TRACK") == ["e2"]
    assert found(viewer="owner:o1", off_track_since="2026-01-01..") == ["e2"]
    assert found(viewer="owner:o1", owner="o2") == ["e3", "e4"]


@pytest.mark.parametrize(
    "text", ["o1", "boss:o1", "owner:", "owner", "location_admin:acme", "location_admin:/x", ""]
)
def test_a_viewer_that_is_none_is_refused_with_what_to_write(text):
    with pytest.raises(UserError, match="--as") as caught:
        parse_viewer(text)
    assert (caught.value.reference, caught.value.exit_code) == ("bad-viewer", 2)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["", "..", "2026-01-05", "2026-02-30..", "x..y", "2026-01-06..2026-01-05", "2026-01-05...2026-01-06"],
)
def test_a_span_of_dates_that_is_none_is_refused_with_what_to_write(text):
    with pytest.raises(UserError, match="--off-track-since") as caught:
        parse_dates(text)
    assert (caught.value.reference, caught.value.exit_code) == ("bad-dates", 2)
    assert caught.value.hint


class TestPrinted:
    @pytest.fixture
    def told(self, write_records):
        encode = shipped_codec().encode
        write_records(
            *(
                (page.topic, murmur2_partition(key, PARTITIONS), key, encode(page))
                for page in PAGES
                if (key := page.member_id.encode())
            )
        )

    def test_table_json_and_csv_say_the_same(self, settings, told, capsys):
        filters = Filters(viewer=parse_viewer("owner:o1"))
        assert engagements.run(settings, filters, Form.JSON) == 0
        wanted = json.loads(capsys.readouterr().out)
        assert wanted == rows(PAGES, filters)
        engagements.run(settings, filters, Form.CSV)
        read = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert read == [{name: value or "" for name, value in row.items()} for row in wanted]
        engagements.run(settings, filters, Form.TABLE)
        table = capsys.readouterr().out.splitlines()
        assert all(any(row["engagement_id"] in line for line in table) for row in wanted)
        assert all(
            title in table[1]
            for title in ("engagement", "coachee", "coach", "owner", "company", "status", "off track since")
        )

    def test_when_there_is_none_it_says_so(self, settings, capsys):
        assert engagements.run(settings, Filters(), Form.TABLE) == 0
        printed = capsys.readouterr()
        assert (printed.out, printed.err) == ("", "no such engagement\n")
