"""Logs: to standard error, in UTC, one line an entry, without secrets."""

import base64
import logging
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

from app.service.setting_kinds import MASK

if TYPE_CHECKING:
    from app.service.settings import Settings

# They tell at ERROR, several times a second, what a command reports once as an error of its own.
_REPEATERS = ("aiokafka", "faust", "mode")

# Tells the same of each partition, many times a second, until its broker has found what it leads.
_REPEATING = "app.runtime.hosting.fetching"

REPEAT_AFTER_S = 10.0
"""How long one of these is not heard again with the same words."""

_MOST_WORDS = 1_000


def configure_logging(settings: "Settings", *, level: int = logging.WARNING) -> None:
    """Send the logs of this process to standard error, from `level` on; replaces what was configured before.

    Commands that end by themselves keep the default, and hear nothing of Kafka's client and Faust; the worker passes
    INFO, and hears their warnings, the same words once in a while.
    """
    handler = log_handler(settings)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if level >= logging.WARNING:
        handler.addFilter(lambda record: not _repeats(record))
    else:
        handler.addFilter(Sparing())
    for name in _REPEATERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_handler(settings: "Settings") -> logging.Handler:
    """The handler alone, for a host that sets up logging by itself (Faust does)."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = RedactingFormatter(secrets_of(settings))
    handler.setFormatter(formatter)
    handler.addFilter(_is_no_login)
    return handler


class Sparing(logging.Filter):
    """Lets an entry of Kafka's client, of Faust and of our fetching pass once in `REPEAT_AFTER_S`, and then says how often it came.

    While a broker is away, each partition of a worker complains fifty times a second, and would fill a disk overnight.
    """

    def __init__(self) -> None:
        super().__init__()
        self._heard: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Called by `logging` for each entry."""
        if not _repeats(record) and record.name != _REPEATING:
            return True
        words = record.name, record.getMessage()
        heard_s, spared = self._heard.get(words, (0.0, 0))
        if heard_s and record.created - heard_s < REPEAT_AFTER_S:
            self._heard[words] = heard_s, spared + 1
            return False
        if len(self._heard) >= _MOST_WORDS:
            self._heard.clear()
        self._heard[words] = record.created, 0
        if spared:
            record.msg, record.args = f"{words[1]} ({spared} more since the last time)", ()
        return True


def _repeats(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in _REPEATERS


def _is_no_login(record: logging.LogRecord) -> bool:
    """Whether an entry shows no message of a login: cut off after some bytes, half a password is none we could mask."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    return not any(type(each).__name__.startswith("SaslAuthenticate") for each in arguments)


def secrets_of(settings: "Settings") -> list[str]:
    """Every text of these settings that must not be seen, the longest first.

    That is: the SASL password, that of the key, and user and password within the registry's URL; each also as it looks
    where a library prints the bytes that it sends.
    """
    secrets = [
        secret.get_secret_value()
        for secret in (settings.sasl_password, settings.ssl_key_password)
        if secret is not None
    ]
    authority = (settings.schema_registry or "").partition("://")[2].partition("/")[0]
    login, _, _ = authority.rpartition("@")
    if login:
        secrets += [login, unquote(login)]
        password = login.partition(":")[2]
        secrets += [password, unquote(password)] if password else []
    shapes = {shape for secret in secrets for shape in _shapes(secret) if shape}
    return sorted(shapes, key=len, reverse=True)


def _shapes(secret: str) -> Iterator[str]:
    """A text, and what `repr` and HTTP's basic authentication make of it."""
    data = secret.encode()
    yield secret
    yield repr(secret)[1:-1]
    yield repr(data)[2:-1]
    # Within a longer text that holds the other kind of quote, this one is escaped.
    yield repr(data + b"'\"")[2:-4]
    yield base64.b64encode(data).decode()


class RedactingFormatter(logging.Formatter):
    """`2026-01-05T10:00:00.000Z WARNING app.runtime: text`, with every secret masked, in tracebacks too."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, secrets: list[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The finished entry; masked last, so that nothing joins it afterwards."""
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text
