"""What the options of reports can be. A module of its own, for the command line reads it at every start."""

from enum import StrEnum


class Form(StrEnum):
    """How a report is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class TrackStatus(StrEnum):
    """How an engagement stands."""

    ON_TRACK = "ON_TRACK"
    OFF_TRACK = "OFF_TRACK"
    NOT_TRACKING = "NOT_TRACKING"
