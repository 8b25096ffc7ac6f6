"""A record that cannot be applied: the error the wire raises, and the dead letter made of it."""

import json
import traceback
from collections.abc import Iterable
from difflib import get_close_matches

from app.domain.outputs import DeadLetter

_SHOWN = 80
_LONGEST_NAME = 80
_LONGEST_TRACE = 4_000
_LONGEST_MESSAGE = 600


class BadRecord(Exception):  # noqa: N818  the record is bad, the program is not in error
    """Bytes or a line that are no valid record. It becomes a dead letter; its partition goes on.

    Attributes:
        error: a dead-letter code of contract 4, such as `unknown_enum`.
        message: the place inside the record, what is wrong there, the nearest right name where there is one; cut
            after 600 characters, for parts of it are the sender's.
        occurred_at: the record's instant in epoch ms, however absurd; None where it could not be read.
    """

    def __init__(self, error: str, message: str, occurred_at: int | None = None) -> None:
        super().__init__(error, message)
        self.error = error
        self.message = message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}..."
        self.occurred_at = occurred_at

    def __str__(self) -> str:
        return f"{self.message} ({self.error})"

    def dead_letter(
        self, topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None
    ) -> DeadLetter:
        """The dead letter of a record read from Kafka; `topic` without prefix, key and value as they came."""
        return DeadLetter(
            source_topic=topic,
            source_partition=partition,
            source_offset=offset,
            key=key_text(key),
            occurred_at=self.occurred_at,
            error=self.error,
            message=self.message,
            raw=value,
        )


def key_text(key: bytes | None) -> str | None:
    r"""A key for people to read: bytes that are no UTF-8 become `\xff`; None stays None."""
    return None if key is None else key.decode("utf-8", "backslashreplace")


def trace_of(bug: Exception) -> str:
    """The end of a bug's traceback: the message of a dead letter `internal`."""
    return "".join(traceback.format_exception(bug))[-_LONGEST_TRACE:]


def nearest_hint(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'channel'?` for the known name most like `name`, or nothing when none is."""
    if len(name) > _LONGEST_NAME:
        return ""
    by_lower_case = {each.lower(): each for each in known}
    found = get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.6)
    return f"; did you mean '{by_lower_case[found[0]]}'?" if found else ""


def shown(value: object) -> str:
    """A JSON value inside a message, as JSON has it; cut where it is long, and only named where it holds others."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
