"""`reengage check` (contract 7)."""

from types import SimpleNamespace

import pytest

from app.domain.errors import UserError, UserErrors
from app.playbooks.loader import load_playbooks
from app.tools import check, schemas

SHIPPED = SimpleNamespace(playbooks=None)


def test_the_shipped_files_have_nothing_wrong(capsys):
    assert check.run(None, SHIPPED) == 0
    names = ", ".join(f"{playbook.name} ({playbook.kind})" for playbook in load_playbooks(None).playbooks)
    assert capsys.readouterr().out == f"playbooks of the shipped set: {names}\nno problems found\n"


def test_without_a_folder_that_of_the_settings_is_checked(tmp_path):
    with pytest.raises(UserErrors) as caught:
        check.run(None, SimpleNamespace(playbooks=tmp_path))
    assert [error.reference for error in caught.value.errors] == ["no-playbooks"]


def test_every_problem_is_said_and_the_exit_code_is_1(tmp_path, monkeypatch):
    (tmp_path / "a.toml").write_text('kind = "reengager"\nx = 1')
    (tmp_path / "policy.toml").write_text("spread = 1")
    monkeypatch.setattr(schemas, "check", lambda: [make_error("schema-missing")])
    monkeypatch.setattr(check, "load_topics", raise_error)
    with pytest.raises(UserErrors) as caught:
        check.run(tmp_path, SHIPPED)
    references = [error.reference for error in caught.value.errors]
    assert references == ["unknown-key", "bad-value", "schema-missing", "bad-topic-file"]
    assert caught.value.exit_code == 1


def test_a_folder_that_is_none_is_wrong_use(tmp_path):
    with pytest.raises(UserErrors) as caught:
        check.run(tmp_path / "none", SHIPPED)
    assert caught.value.exit_code == 2


def make_error(reference: str) -> UserError:
    error = UserError(reference, "somewhere", "is wrong")
    error.exit_code = 1
    return error


def raise_error():
    raise UserErrors([UserError("bad-topic-file", "somewhere", "is wrong")])
