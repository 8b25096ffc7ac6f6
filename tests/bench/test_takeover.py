"""What the bench of a takeover takes for one."""

from types import SimpleNamespace

from bench.report import Report
from bench.takeover import Seat, _partition_of, _tell, _Timed


def timed(killed_s, *events):
    """Events by (sent, answered), in order; None: not answered."""
    made = _Timed()
    made.killed_s = killed_s
    for number, (sent_s, read_s) in enumerate(events):
        made.sent_s.append(sent_s)
        if read_s is not None:
            made.hear(SimpleNamespace(cause=f"e{number}"), read_s)
    return made


def test_a_partition_is_taken_over_with_the_first_answer_to_an_event_sent_after_the_kill():
    events = [(1.0 + number / 10, 8.0 + number) for number in range(20)]
    found = timed(1.45, *events).taken_over_s()
    first = {}
    for number in range(5, 20):
        first.setdefault(_partition_of(number), 8.0 + number - 1.45)
    assert found == first


def test_answers_of_the_members_loaded_before_are_not_looked_at():
    made = timed(0.0)
    made.hear(SimpleNamespace(cause="s0"), 1.0)
    assert not made.answered_s


def test_an_output_that_came_twice_or_is_missing_makes_the_run_wrong():
    report = Report("a broker", 0.0)
    made = timed(0.5, (1.0, 2.0), (1.1, None))
    made.hear(SimpleNamespace(cause="e0"), 3.0)
    _tell(report, made, "with a standby", wanted=True, lost={_partition_of(0)}, members=100)
    assert not report.exact
    assert len(report.wrong) == 2
    (promise,) = report.promises
    assert promise.reached


def test_both_workers_use_the_same_topics_and_folders_of_their_own(tmp_path):
    seats = [Seat("127.0.0.1:9", "p-", tmp_path / name, "exactly_once", standbys=1) for name in ("a", "b")]
    environs = [seat.environ() for seat in seats]
    assert len({environ["REENGAGE_DATA"] for environ in environs}) == 2
    assert {environ["REENGAGE_TOPIC_PREFIX"] for environ in environs} == {"p-"}
    assert {environ["REENGAGE_STANDBYS"] for environ in environs} == {"1"}
