"""How a timeline can be printed."""

from enum import StrEnum


class Form(StrEnum):
    """For people, or one JSON object a line."""

    TEXT = "text"
    JSON = "json"
