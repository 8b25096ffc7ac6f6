"""Where a key of a playbook or of the policy stands."""

from __future__ import annotations

import pytest

from app.playbooks.sources import Place, Sources

WELCOME = """\
name = "hello"
kind = "reengager"

[inactivity]
channels = [
    "APP",
]
"""


@pytest.fixture
def sources(tmp_path, monkeypatch) -> Sources:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "playbooks"
    (folder / "more").mkdir(parents=True)
    (folder / "more" / "welcome.toml").write_text(WELCOME)
    (folder / "policy.toml").write_text('hold_out_percent = 5\n\n[caps]\n"2d" = 1\n')
    return Sources(folder)


@pytest.mark.parametrize(
    ("key", "line", "is_default"),
    [
        ("inactivity.channels", 5, False),
        ("inactivity.channels[0]", 6, False),
        ("inactivity.after", 4, True),
        ("transfer.pool", None, True),
        ("", None, False),
    ],
)
def test_a_playbooks_key_has_its_line_or_that_of_the_table_it_would_stand_in(sources, key, line, is_default):
    assert sources.of_playbook("hello", key) == Place("playbooks/more/welcome.toml", line, key, is_default)


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("hold_out_percent", "playbooks/policy.toml:1 hold_out_percent"),
        ("caps.2d", "playbooks/policy.toml:4 caps.2d"),
        ("caps.7d", "playbooks/policy.toml:3 caps.7d (default)"),
        ("spread", "playbooks/policy.toml spread (default)"),
    ],
)
def test_a_key_of_the_policy_is_shown_with_file_and_line(sources, key, shown):
    assert str(sources.of_policy(key)) == shown


def test_a_playbook_that_is_not_there_has_no_place(sources):
    assert sources.of_playbook("welcome", "kind") is None


def test_without_a_working_directory_files_are_shown_whole(sources, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    folder = tmp_path / "playbooks"
    assert str(Sources(folder).of_policy("caps")) == f"{folder}/policy.toml:3 caps"


def test_shipped_playbooks_are_named_from_their_own_folder():
    place = Sources(None).of_playbook("re-engager", "kind")
    assert place is not None
    assert place.file == "re-engager/re-engager.toml"
    assert str(Sources(None).of_policy("quiet")) == "policy.toml quiet (default)"
