"""Reaching the broker: which one, and what to say when it does not answer as it should."""

import logging
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from aiokafka import errors
from aiokafka.errors import KafkaError

from app.broker import topics as broker_topics
from app.broker.locate import locate_broker
from app.domain.errors import UserError, UserErrors
from app.service.security import no_broker, ssl_context
from app.service.settings import Settings
from app.wire.codec import Codec
from app.wire.registry import Registry


def with_broker(settings: Settings) -> Settings:
    """The same settings with the broker to use: the one set, else the kept one if it runs (contract 9).

    Raises UserError `no-broker` when there is neither.
    """
    broker = locate_broker(settings.broker)
    if broker is None:
        raise no_broker()
    return replace(settings, broker=broker)


@contextmanager
def broker_errors(settings: Settings) -> Iterator[None]:
    """Turns what Kafka's client raises within it into a UserError; other exceptions pass.

    References: `broker-unreachable`, `broker-refused` (credentials), `broker-not-trusted` (certificates),
    `missing-rights`, `missing-topic`, `broker-error`.
    """
    reasons = _Reasons()
    logger = logging.getLogger("aiokafka")
    logger.addHandler(reasons)
    try:
        yield
    except KafkaError as error:
        raise _for_people(error, reasons.last, str(settings.broker)) from error
    finally:
        logger.removeHandler(reasons)


class _Reasons(logging.Handler):
    """Keeps the last exception Kafka's client wrote to its log.

    What it raises when it finds no broker says no more than that; why is only in its log.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Called by `logging` for each entry."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        self.last = next((each for each in arguments if isinstance(each, BaseException)), self.last)


@dataclass(frozen=True)
class _Cause:
    """What to tell a person about some exceptions; the first that fits is told."""

    kinds: tuple[type[BaseException], ...]
    reference: str
    problem: str
    hint: str


_CAUSES = (
    _Cause(
        (errors.SaslAuthenticationFailed, errors.AuthenticationFailedError),
        "broker-refused",
        "does not accept these credentials",
        "check REENGAGE_SASL_USERNAME and REENGAGE_SASL_PASSWORD",
    ),
    _Cause(
        (errors.UnsupportedSaslMechanismError, errors.IllegalSaslStateError),
        "broker-refused",
        "does not take credentials of this kind",
        "check REENGAGE_SECURITY_PROTOCOL and REENGAGE_SASL_MECHANISM",
    ),
    _Cause(
        (ssl.SSLError,),
        "broker-not-trusted",
        "no trusted connection comes about",
        "check REENGAGE_SECURITY_PROTOCOL and REENGAGE_SSL_*",
    ),
    _Cause(
        (errors.TopicAuthorizationFailedError, errors.GroupAuthorizationFailedError),
        "missing-rights",
        "this user may not use it",
        "let this user read and write the topics of docs/topics.md and use the group REENGAGE_APP",
    ),
    _Cause(
        (OSError, errors.KafkaConnectionError, errors.KafkaTimeoutError, errors.RequestTimedOutError),
        "broker-unreachable",
        "does not answer",
        "is it running, and do REENGAGE_BROKER and REENGAGE_SECURITY_PROTOCOL fit it?",
    ),
)


def _for_people(error: KafkaError, reason: BaseException | None, broker: str) -> UserError:
    where = ", ".join(str(part) for part in error.args)
    if isinstance(error, errors.UnknownTopicOrPartitionError):
        return missing_topic(where or "topic")
    thrown = reason if reason is not None and isinstance(error, errors.KafkaConnectionError) else error
    for cause in _CAUSES:
        if isinstance(thrown, cause.kinds):
            place = where if cause.reference == "missing-rights" else broker
            detail = f": {_tls_problem(thrown)}" if isinstance(thrown, ssl.SSLError) else ""
            return UserError(cause.reference, place, cause.problem + detail, cause.hint)
    problem = f"{type(error).__name__.removesuffix('Error')}: {where}"
    return UserError("broker-error", broker, problem, "the broker's log says more")


def _tls_problem(error: ssl.SSLError) -> str:
    return getattr(error, "verify_message", None) or error.reason or type(error).__name__


def make_codec(settings: Settings) -> Codec:
    """The codec these settings ask for: Confluent's format with a schema registry, else single-object encoding.

    Talks to no one yet; `Codec.prepare` does.
    """
    if settings.schema_registry is None:
        return Codec()
    tls = ssl_context(settings) if settings.security_protocol.endswith("SSL") else None
    return Codec(registry=Registry(settings.schema_registry, tls=tls), topic_prefix=settings.topic_prefix)


async def partition_counts(settings: Settings, topics: Sequence[str]) -> dict[str, int]:
    """How many partitions each of these topics has, by the contract's names.

    Raises UserErrors with a `missing-topic` for each that is not there; what Kafka's client raises passes.
    """
    found = await broker_topics.partition_counts(settings.client_options(), settings.topic_prefix)
    missing = [missing_topic(settings.topic_prefix + topic) for topic in topics if topic not in found]
    if missing:
        raise UserErrors(missing)
    return {topic: found[topic] for topic in topics}


def missing_topic(topic: str) -> UserError:
    """The error of a command that meets a topic which is not there."""
    return UserError(
        "missing-topic", topic, "there is no such topic", "create the topics with `reengage topics apply`"
    )
