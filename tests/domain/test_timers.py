from app.domain.timers import arm, cancel, cancel_all


def test_timers_stand_in_the_order_in_which_they_fire():
    """Due, then name, then playbook, then workflow or engagement (contract 5)."""
    timers = []
    wanted = [
        (1, "b", "p", ""),
        (2, "a", "p", "r1"),
        (2, "a", "p", "r2"),
        (2, "a", "q", ""),
        (2, "b", "a", ""),
    ]
    for due, name, playbook, ref in reversed(wanted):
        arm(timers, due, name, playbook, ref)
    assert timers == wanted


def test_arming_again_moves_a_timer_later_and_earlier():
    timers = []
    arm(timers, 5, "inactive", "a")
    arm(timers, 6, "inactive", "b")
    arm(timers, 9, "inactive", "a")
    assert timers == [(6, "inactive", "b", ""), (9, "inactive", "a", "")]
    arm(timers, 1, "inactive", "a")
    assert timers == [(1, "inactive", "a", ""), (6, "inactive", "b", "")]


def test_the_only_timer_can_be_moved_too():
    timers = []
    arm(timers, 5, "inactive", "a")
    arm(timers, 3, "inactive", "a")
    assert timers == [(3, "inactive", "a", "")]


def test_a_cancelled_timer_is_gone_and_cancelling_it_again_does_nothing():
    timers = []
    arm(timers, 5, "nudge", "a", "w1")
    arm(timers, 5, "nudge", "a", "w2")
    cancel(timers, "nudge", "a", "w1")
    cancel(timers, "nudge", "a", "w1")
    assert timers == [(5, "nudge", "a", "w2")]


def test_all_timers_of_one_playbook_can_be_cancelled():
    timers = []
    arm(timers, 5, "snapshot")
    arm(timers, 5, "nudge", "a", "w1")
    arm(timers, 7, "inactive", "a")
    arm(timers, 6, "inactive", "b")
    cancel_all(timers, "a")
    assert timers == [(5, "snapshot", "", ""), (6, "inactive", "b", "")]
