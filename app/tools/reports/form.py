"""The ways a report can be printed. A module of its own, for the command line reads it at every start."""

from enum import StrEnum


class Form(StrEnum):
    """How a report is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
