"""The end of a broker's log, as an error that says what may help."""

import pytest

from app.broker.log import BrokerLog


def error(tmp_path, text, start=0):
    path = tmp_path / "broker.log"
    path.write_text(text)
    return BrokerLog(path, start).error("ended while it started")


def test_only_what_this_start_printed_is_shown(tmp_path):
    shown = error(tmp_path, "old trouble\nnew trouble\n", start=len("old trouble\n"))
    assert shown.reference == "broker-not-started"
    assert shown.place == str(tmp_path / "broker.log")
    assert shown.problem == "Kafka ended while it started; its log ends with:\n  new trouble"


def test_what_goes_well_and_stack_frames_do_not_hide_the_reason(tmp_path):
    text = "a INFO X: up\nb ERROR X: no\njava.lang.Wrong: disk\n\tat a.b(C.java:1)\n\nc INFO X: down\n"
    assert error(tmp_path, text).problem.splitlines()[1:] == ["  b ERROR X: no", "  java.lang.Wrong: disk"]


def test_a_log_of_nothing_but_good_news_is_shown_by_its_end(tmp_path):
    lines = [f"{number} INFO X: fine" for number in range(40)]
    assert error(tmp_path, "\n".join(lines)).problem.splitlines()[1:] == [f"  {line}" for line in lines[-12:]]


def test_an_empty_log_is_said_to_be_empty(tmp_path):
    assert error(tmp_path, "").problem == "Kafka ended while it started; its log is empty"


@pytest.mark.parametrize(
    ("printed", "hint"),
    [
        ("There is insufficient memory for the Java Runtime Environment", "free some memory"),
        ("java.io.IOException: No space left on device", "free some disk space"),
        ("who knows", "read the whole log"),
    ],
)
def test_the_hint_fits_the_reason(tmp_path, printed, hint):
    assert hint in error(tmp_path, printed).hint
