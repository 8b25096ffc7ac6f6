"""The command line: exit codes, what is said to whom, and what is not loaded. The commands' own work has its own tests."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.interrupt import ending_at_once
from app.cli.root import app
from app.playbooks.loader import DEFAULTS

EVENT = {
    "topic": "activity",
    "member_id": "m1",
    "type": "article.read",
    "channel": "APP",
    "occurred_at": "2026-01-05T10:00:00Z",
}


@pytest.fixture
def reengage(tmp_path, monkeypatch):
    """Runs the command in an empty folder, for a user who has set and kept nothing."""
    for name in [name for name in os.environ if name.startswith("REENGAGE_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*arguments, stdin=None, **environ):
        return CliRunner().invoke(
            app,
            arguments,
            input=stdin,
            env={f"REENGAGE_{name}": text for name, text in environ.items()},
            prog_name="reengage",
        )

    return run


@pytest.mark.parametrize("command", ["worker", "produce", "tail", "topics apply", "topics diff"])
def test_without_a_broker_a_command_ends_with_2_and_says_how_to_get_one(reengage, command):
    result = reengage(*command.split())
    assert result.exit_code == 2
    assert result.stderr == (
        "error[no-broker] REENGAGE_BROKER: no broker is set, and none is kept here\n"
        "  hint: set REENGAGE_BROKER=host:port, or run `reengage broker start`\n"
    )
    assert result.stdout == ""


def test_all_problems_of_the_settings_are_told_at_once(reengage):
    result = reengage("check", GRACE="soon", GUARANTEE="maybe")
    assert result.exit_code == 2
    assert result.stderr.count("error[bad-setting] environment: REENGAGE_") == 2


@pytest.mark.parametrize(
    "command",
    [
        "worker",
        "check",
        "check pb",
        "simulate --events -",
        "simulate --events - --playbooks pb",
        "explain m1",
        "replay --into x-",
        "replay --into x- --playbooks pb",
    ],
)
def test_what_is_wrong_with_the_playbooks_is_told_with_what_is_wrong_with_the_settings(reengage, command):
    Path("pb").mkdir()
    Path("pb/a.toml").write_text('kind = "scor"')
    result = reengage(*command.split(), GRACE="soon", PLAYBOOKS="" if "pb" in command else "pb")
    assert result.exit_code == 2
    assert "error[bad-setting] environment: REENGAGE_GRACE" in result.stderr
    assert "error[unknown-kind] pb/a.toml: kind" in result.stderr


def test_what_is_wrong_with_the_playbooks_is_told_with_that_there_is_no_broker(reengage):
    Path("pb").mkdir()
    result = reengage("worker", PLAYBOOKS="pb")
    assert "error[no-broker]" in result.stderr
    assert "error[no-playbooks] pb" in result.stderr


def test_where_the_folder_of_the_playbooks_is_wrong_it_alone_is_told_of_them(reengage):
    result = reengage("worker", GRACE="soon", PLAYBOOKS="nowhere")
    assert result.stderr.count("error[") == 2
    assert result.stderr.count("nowhere") == 1


def test_what_is_wrong_in_several_folders_of_playbooks_is_told_at_once(reengage):
    folders = ["a", "b"]
    for folder in folders:
        Path(folder).mkdir()
    named = [word for folder in folders for word in ("--playbooks", folder)]
    result = reengage("replay", "--into", "x-", "--order", "journal", *named, BROKER="127.0.0.1:1")
    assert [line.split()[:2] for line in result.stderr.splitlines() if line.startswith("error")] == [
        ["error[no-playbooks]", f"{folder}:"] for folder in folders
    ]


def test_an_unknown_setting_hides_neither_the_settings_nor_what_is_wrong_with_them(reengage):
    result = reengage("settings", GRACE="soon", GRASE="1s")
    assert result.exit_code == 2
    assert "REENGAGE_GRACE = soon" in result.stdout
    assert "error[unknown-setting] environment: REENGAGE_GRASE" in result.stderr
    assert "error[bad-setting] environment: REENGAGE_GRACE" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "reengage: No such command 'nonsense'"),
        (["brokr"], "reengage: No such command 'brokr'. Did you mean 'broker'?"),
        (["--nonsense"], "reengage: No such option: --nonsense"),
        (["simulate"], "reengage simulate: Missing option '--events'"),
        (["tail", "--nonsense"], "reengage tail: No such option: --nonsense"),
        (["worker", "--port", "x"], "reengage worker: Invalid value for '--port': "),
        (
            ["caseload", "--format", "xml"],
            "reengage caseload: Invalid value for '--format': 'xml' is not one of 'table', 'json', 'csv'",
        ),
        (
            ["topics", "apply", "--partitions", "0"],
            "reengage topics apply: Invalid value for '--partitions': ",
        ),
    ],
)
def test_wrong_use_ends_with_2_and_one_message(reengage, arguments, said):
    result = reengage(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error[wrong-use] {said}")
    command = said.partition(":")[0]
    assert result.stderr.endswith(f"\n  hint: `{command} -h` shows how it is used\n")
    assert result.stderr.count("\n") == 2
    assert not result.stdout


@pytest.mark.parametrize("arguments", [[], ["broker"]])
def test_a_command_without_its_second_word_shows_its_help(reengage, arguments):
    result = reengage(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: reengage")
    assert "Commands:" in result.stderr


def test_no_command_shows_the_help(reengage):
    assert "simulate" in reengage("--help").stdout


def test_version_prints_the_version(reengage):
    assert reengage("--version").stdout.startswith("reengage 0.")


def test_an_option_that_stands_for_a_setting_is_checked_as_the_setting_is(reengage):
    result = reengage("worker", "--guarantee", "twice", BROKER="127.0.0.1:1")
    assert result.exit_code == 2
    assert "error[bad-setting] --guarantee: 'twice' is none of exactly_once, at_least_once" in result.stderr


def test_settings_are_printed_with_value_origin_default_and_help_and_without_secrets(reengage):
    Path("reengage.toml").write_text('reengage_grace = "1m"')
    result = reengage(
        "settings",
        BROKER="127.0.0.1:9092",
        SECURITY_PROTOCOL="SASL_PLAINTEXT",
        SASL_MECHANISM="PLAIN",
        SASL_USERNAME="me",
        SASL_PASSWORD="hunter2",  # noqa: S106  made up; it must not be seen
    )
    assert result.exit_code == 0
    assert "REENGAGE_GRACE = 1m\n    from reengage.toml; default 2s\n    How far" in result.stdout
    assert (
        "REENGAGE_BROKER = 127.0.0.1:9092\n    from environment; default (the broker kept by" in result.stdout
    )
    assert "REENGAGE_SASL_PASSWORD = ***\n" in result.stdout
    assert "hunter2" not in result.output


def test_settings_shows_what_is_wrong_after_what_was_found(reengage):
    result = reengage("settings", GRACE="soon")
    assert result.exit_code == 2
    assert "REENGAGE_GRACE = soon" in result.stdout
    assert "error[bad-setting] environment: REENGAGE_GRACE" in result.stderr


def test_simulate_reads_standard_input_and_prints_lines(reengage):
    result = reengage("simulate", "--events", "-", stdin=json.dumps(EVENT))
    assert result.exit_code == 0
    assert [json.loads(line)["topic"] for line in result.stdout.splitlines()] == [
        "tag-changed",
        "tag-changed",
        "workflow-opened",
    ]


def test_simulate_names_a_folder_of_playbooks_that_is_not_there(reengage):
    result = reengage("simulate", "--events", "-", "--playbooks", "nowhere", stdin="")
    assert result.exit_code == 2
    assert "error[no-such-folder] --playbooks: there is no folder nowhere" in result.stderr


def test_check_and_schemas_check_find_nothing_wrong_in_what_is_shipped(reengage):
    assert reengage("check").exit_code == 0
    assert reengage("schemas", "check").exit_code == 0


def test_stopping_a_broker_that_was_never_started_is_no_error(reengage):
    result = reengage("broker", "stop")
    assert result.exit_code == 0
    assert result.stderr == "none was running\n"


@pytest.fixture
def clean_environ():
    return {name: text for name, text in os.environ.items() if not name.startswith("REENGAGE_")}


def run_into(output, folder: Path, environ: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a command of its own process, standard output being `output`."""
    script = "import sys; from app.cli import main; sys.argv[0] = 'reengage'; main()"
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=folder,
        env=environ,
        stdout=output,
        stderr=subprocess.PIPE,
        check=False,
        text=True,
    )
    return result.returncode, result.stderr


@pytest.mark.parametrize("module", ["typer", "app.domain.errors"])
def test_ctrl_c_while_python_imports_ends_a_command_without_a_word(tmp_path, clean_environ, module):
    script = f"""if True:
        import importlib.abc, os, signal, sys

        class Interrupted(importlib.abc.MetaPathFinder):
            def find_spec(self, name, *_):
                if name == {module!r}:
                    os.kill(os.getpid(), signal.SIGINT)

        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.meta_path.insert(0, Interrupted())
        from app.cli import main
        main()
    """
    result = subprocess.run(
        [sys.executable, "-c", script, "--version"],
        cwd=tmp_path,
        env=clean_environ,
        capture_output=True,
        check=False,
        text=True,
    )
    assert (result.returncode, result.stdout, result.stderr) == (-signal.SIGINT, "", "")


def test_a_ctrl_c_that_is_ignored_stays_so_while_python_imports():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ending_at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with ending_at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture
def events(tmp_path) -> str:
    (tmp_path / "events.jsonl").write_text(json.dumps(EVENT))
    return "events.jsonl"


def test_records_come_out_as_utf8_whatever_the_system_is_set_to(tmp_path, clean_environ):
    (tmp_path / "events.jsonl").write_text(json.dumps(EVENT | {"member_id": "Chloé"}))
    with (tmp_path / "out").open("wb") as output:
        environ = clean_environ | {"PYTHONIOENCODING": "ascii"}
        assert run_into(output, tmp_path, environ, "simulate", "--events", "events.jsonl") == (0, "")
    assert '"member_id":"Chloé"' in (tmp_path / "out").read_text("utf-8")


@pytest.mark.parametrize("arguments", ["settings", "--help", "simulate --events events.jsonl"])
def test_a_reader_that_goes_away_ends_the_command_without_a_word(tmp_path, clean_environ, events, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        assert run_into(closed, tmp_path, clean_environ, *arguments.split()) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("arguments", ["settings", "--version", "simulate --events events.jsonl"])
def test_output_that_cannot_be_written_ends_the_command_with_2_and_says_so(
    tmp_path, clean_environ, events, arguments
):
    with Path("/dev/full").open("wb") as full:
        said = run_into(full, tmp_path, clean_environ, *arguments.split())
    assert said == (
        2,
        "error[unwritable-output] standard output: cannot be written: No space left on device\n",
    )


@pytest.mark.parametrize(("file", "place"), [("some.file", "some.file"), (None, "reengage")])
def test_what_the_system_refuses_is_told_without_a_traceback(reengage, monkeypatch, file, place):
    def refuse(*_):
        raise OSError(errno.EMFILE, "Too many open files", file)

    monkeypatch.setattr("app.tools.check.run", refuse)
    result = reengage("check")
    assert result.exit_code == 2
    assert result.stderr == f"error[system-error] {place}: Too many open files\n"


def test_explain_works_where_the_working_directory_is_gone(reengage, events, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    playbooks = str(DEFAULTS / "re-engager")
    result = reengage("explain", "m1", "--events", str(tmp_path / events), "--playbooks", playbooks)
    assert (result.exit_code, result.stderr) == (0, "")


def test_explain_in_order_without_a_file_is_wrong_use_whether_there_is_a_broker_or_not(reengage):
    for environ in ({}, {"BROKER": "127.0.0.1:1"}):
        result = reengage("explain", "m1", "--in-order", **environ)
        assert result.exit_code == 2
        assert result.stderr.startswith("error[explain-what] --in-order: ")


def test_simulate_loads_nothing_of_kafka(tmp_path, clean_environ):
    script = (
        "import sys; from typer.testing import CliRunner; from app.cli.root import app;"
        "result = CliRunner().invoke(app, ['simulate', '--events', '-'], input='');"
        "print(result.exit_code, sorted({'aiokafka', 'faust', 'rocksdict', 'avro', 'rich'} & set(sys.modules)))"
    )
    printed = subprocess.check_output(
        [sys.executable, "-c", script], cwd=tmp_path, env=clean_environ, text=True
    )
    assert printed == "0 []\n"
