import json
import os
import subprocess
import sys

import pytest

from app.tools.reports.printing import print_csv, print_json, print_table, short_span

ROWS = [
    {"playbook": "p", "suppressed": {"capped": 2}, "count": 1, "lift": None},
    {"playbook": "q, r", "suppressed": {"a_first": 1}, "count": 0, "lift": {"low": 0.5}},
]


def test_json_is_one_array(capsys):
    print_json(ROWS)
    assert json.loads(capsys.readouterr().out) == ROWS
    print_json([])
    assert json.loads(capsys.readouterr().out) == []


def test_csv_gives_a_maps_entries_columns_of_their_own_side_by_side(capsys):
    print_csv(ROWS)
    assert capsys.readouterr().out == (
        'playbook,suppressed.a_first,suppressed.capped,count,lift.low\np,,2,1,\n"q, r",1,,0,0.5\n'
    )


def test_csv_columns_stand_in_the_order_of_the_rows_also_where_the_first_has_an_empty_map(capsys):
    print_csv([{"a": 1, "m": {}, "b": 2}, {"a": 1, "m": {"x": 3}, "b": 2}])
    assert capsys.readouterr().out == "a,m.x,b\n1,,2\n1,3,2\n"


def test_a_list_is_one_in_json_and_joined_in_csv(capsys):
    rows = [{"tags": ["a", "b"]}, {"tags": []}]
    print_json(rows)
    assert json.loads(capsys.readouterr().out) == rows
    print_csv(rows)
    assert capsys.readouterr().out == 'tags\n"a,b"\n""\n'


@pytest.mark.parametrize("cell", ["[/a]", "[red]a", "a [b] c", ":smile:", "[link=http://a]b[/link]"])
def test_a_cell_is_shown_as_it_stands(capsys, cell):
    print_table(["member"], [[cell]])
    assert f"│ {cell} " in capsys.readouterr().out


def test_a_table_whose_reader_has_gone_is_a_broken_pipe():
    script = "import os; from app.tools.reports.printing import print_table\n"
    script += "try: print_table(['member'], [['m1']])\nexcept BrokenPipeError: os._exit(5)"
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        result = subprocess.run([sys.executable, "-c", script], stdout=closed, check=False)
    assert result.returncode == 5


def test_a_table_is_not_cut_where_there_is_no_terminal(capsys):
    print_table(["one", "two"], [["x" * 100, "y" * 100]])
    assert "x" * 100 in capsys.readouterr().out


@pytest.mark.parametrize(
    ("span_ms", "shown"),
    [
        (0, "0s"),
        (999, "0s"),
        (61_000, "1m 1s"),
        (3_600_000, "1h"),
        (90_061_000, "1d 1h"),
        (86_460_000, "1d"),
        (7 * 86_400_000, "7d"),
    ],
)
def test_a_span_is_shown_by_its_two_largest_units(span_ms, shown):
    assert short_span(span_ms) == shown
