"""The orders in which a replay can take the records; a file of its own, for the command line starts with it."""

import enum


class Order(enum.StrEnum):
    """Contract 5, "Journal": as the workers took them, or by occurred_at with all processors in one order of time."""

    JOURNAL = "journal"
    EVENT_TIME = "event-time"
