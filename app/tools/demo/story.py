"""The demo's story: eighteen members over ten weeks, from Monday 5 January to Sunday 15 March 2026.

To tell more, add a row. The last day has an activity of a member of each partition, which moves every partition's
time to the end: what was due before is seen (tests/tools/demo/test_story.py holds it to that).
"""

from dataclasses import replace

from app.tools.demo.script import (
    Character,
    Event,
    Pool,
    every,
    in_app,
    on_web,
    opens_message,
    scored,
    sets_up,
    signs_up,
    transferred,
)

WEEKS = 10

STORY = (
    Character(
        "amara.okafor",
        "Amara Okafor",
        "opened the app a day after signing up, set everything up, and keeps coming back",
        (
            signs_up("Jan 05 08:55", "amara@example.org"),
            in_app("et_session.started", "Jan 06 19:20"),
            sets_up("Jan 08 10:00"),
            *every(3, "Jan 08 19:05", "Mar 15 23:59", in_app()),
        ),
    ),
    Character(
        "mei.chen",
        "Mei Chen",
        "reads an article every six days, for ten weeks",
        (
            signs_up("Jan 05 09:10", "mei@example.org"),
            *every(6, "Jan 08 12:30", "Mar 15 23:59", in_app("article.read")),
        ),
    ),
    Character(
        "chloe.dubois",
        "Chloé Dubois",
        "came for three weeks, then no more; her score fell late one evening, the message waited for the morning",
        (
            signs_up("Jan 05 11:40", "chloe@example.org"),
            *every(2, "Jan 05 18:15", "Jan 23 23:59", in_app()),
            scored("Feb 03 21:30", "SET", 12),
            opens_message("Feb 04 18:05", "engagement-follow-up:chloe.dubois:1#1"),
            scored("Feb 04 18:10", "ADD", 15),
        ),
    ),
    Character(
        "diego.ramirez",
        "Diego Ramírez",
        "stopped on 20 January, came back four weeks later, and was called by a coach",
        (
            signs_up("Jan 06 07:50", "diego@example.org"),
            in_app("enso_session.started", "Jan 06 20:10"),
            transferred("Jan 08 10:05", "coach-silva"),
            *every(4, "Jan 12 20:30", "Jan 20 23:59", in_app("enso_session.started")),
            in_app("article.read", "Feb 17 21:00"),
            transferred("Feb 19 15:00", "coach-silva", "MANUAL"),
            *every(5, "Feb 21 20:30", "Mar 15 23:59", in_app("enso_session.started")),
        ),
    ),
    Character(
        "emi.tanaka",
        "Emi Tanaka",
        "reads on the web only, which never counts as using the app",
        (
            signs_up("Jan 06 13:25", "emi@example.org"),
            *every(5, "Jan 06 13:40", "Mar 15 23:59", on_web()),
        ),
    ),
    Character(
        "farid.haddad",
        "Farid Haddad",
        "used the app without a network on 16 February; the phone delivered that three days later",
        (
            signs_up("Jan 05 16:00", "farid@example.org"),
            *every(4, "Jan 05 17:45", "Feb 10 23:59", in_app()),
            replace(in_app("article.read", "Feb 16 07:30"), delivered=("Feb 19 12:30",)),
            on_web(at="Feb 19 08:00"),
            *every(4, "Feb 20 17:45", "Mar 15 23:59", in_app()),
        ),
    ),
    Character(
        "grace.mbeki",
        "Grace Mbeki",
        "has a phone that sends one event twice",
        (
            signs_up("Jan 07 08:20", "grace@example.org"),
            replace(in_app("health_report.made", "Jan 07 08:45"), delivered=("Jan 07 08:45", "Jan 07 08:47")),
            sets_up("Jan 09 10:00"),
            *every(5, "Jan 12 08:30", "Mar 15 23:59", in_app("health_report.made")),
        ),
    ),
    Character(
        "hugo.martins",
        "Hugo Martins",
        "has a watch that sends something no schema knows",
        (
            signs_up("Jan 07 18:30", "hugo@example.org"),
            in_app("appointment.scheduled", "Jan 08 18:35"),
            Event(
                "Jan 10 07:00", "activity", {"type": "et_session.started", "channel": "WATCH"}, readable=False
            ),
            *every(3, "Jan 11 18:40", "Mar 15 23:59", in_app()),
        ),
    ),
    Character(
        "ines.costa",
        "Inês Costa",
        "was called by a coach on the day of her first activity",
        (
            signs_up("Jan 08 09:00", "ines@example.org"),
            in_app("reminder.created", "Jan 12 10:15"),
            transferred("Jan 12 16:40", "coach-lange", "MANUAL"),
            *every(6, "Jan 17 10:10", "Feb 28 23:59", in_app("reminder.updated")),
        ),
    ),
    Character(
        "jonas.weber",
        "Jonas Weber",
        "signed up and never opened the app",
        (signs_up("Jan 09 14:05", "jonas@example.org"),),
    ),
    Character(
        "kavya.nair",
        "Kavya Nair",
        "came back after seven days to the minute",
        (
            signs_up("Jan 13 06:30", "kavya@example.org"),
            in_app("et_session.started", "Jan 14 10:00"),
            sets_up("Jan 16 10:00"),
            in_app("et_session.started", "Jan 21 10:00"),
            *every(4, "Jan 25 10:00", "Mar 15 23:59", in_app()),
        ),
    ),
    Character(
        "liam.oconnor",
        "Liam O'Connor",
        "comes back now and then; nobody has worked on the first workflow yet",
        (
            signs_up("Jan 14 20:00", "liam@example.org"),
            in_app("article.read", "Jan 14 20:05"),
            in_app("article.read", "Feb 01 21:10"),
            in_app("article.read", "Mar 01 20:40"),
        ),
    ),
    Character(
        "rosa.lindqvist",
        "Rosa Lindqvist",
        "completed the set-up on 9 February, when one coach was left, and was first",
        (
            signs_up("Feb 02 08:00", "rosa@example.org"),
            in_app("et_session.started", "Feb 02 08:30"),
            in_app("et_session.started", "Feb 06 08:30"),
            sets_up("Feb 09 09:00"),
            *every(4, "Feb 10 08:30", "Mar 15 23:59", in_app()),
        ),
    ),
    Character(
        "samir.khan",
        "Samir Khan",
        "completed the set-up two hours after Rosa: no coach was free that day",
        (
            signs_up("Feb 03 17:00", "samir@example.org"),
            in_app("article.read", "Feb 03 17:20"),
            in_app("article.read", "Feb 08 17:20"),
            sets_up("Feb 09 11:00"),
            *every(5, "Feb 13 17:20", "Mar 15 23:59", in_app("article.read")),
        ),
    ),
    Character(
        "tessa.devries",
        "Tessa de Vries",
        "was third on that day, and waited for two nights",
        (
            signs_up("Feb 05 12:00", "tessa@example.org"),
            in_app("reminder.created", "Feb 05 12:10"),
            sets_up("Feb 09 15:00"),
            *every(6, "Feb 11 12:10", "Mar 15 23:59", in_app("reminder.updated")),
        ),
    ),
    Character(
        "noor.rahman",
        "Noor Rahman",
        "joined in week nine",
        (
            signs_up("Mar 03 12:00", "noor@example.org"),
            in_app("health_report.made", "Mar 04 07:15"),
            sets_up("Mar 06 11:30"),
            *every(2, "Mar 07 07:10", "Mar 15 23:59", in_app()),
        ),
    ),
    Character(
        "omar.aziz",
        "Omar Aziz",
        "was back twice, each time with a workflow of its own",
        (
            signs_up("Jan 15 09:30", "omar@example.org"),
            in_app("appointment.scheduled", "Jan 15 09:45"),
            transferred("Jan 19 10:00", "coach-silva"),
            in_app("appointment.scheduled", "Jan 30 09:40"),
            transferred("Feb 02 10:00", "coach-silva"),
            in_app("et_session.started", "Feb 27 18:00"),
            *every(3, "Mar 02 18:00", "Mar 15 23:59", in_app()),
        ),
    ),
    Character(
        "priya.shah",
        "Priya Shah",
        "was a regular until the last week",
        (
            signs_up("Jan 20 17:00", "priya@example.org"),
            *every(3, "Jan 20 17:20", "Mar 06 23:59", in_app("reminder.updated")),
        ),
    ),
)
"""The characters, roughly in the order in which they come in."""

POOLS = (Pool("default", (("Feb 09 06:00", 1), ("Feb 11 08:00", 20))),)
"""Coaches are short for two days of the story."""
