"""Reaching the broker: which one, and what to say when it does not answer as it should."""

import logging
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiokafka import errors
from aiokafka.errors import KafkaError

from app.broker import topics as broker_topics
from app.broker.locate import locate_broker
from app.broker.rights import HELP, Operation, Resource, Right, missing_right
from app.broker.roles import Names, on_topics
from app.broker.topic_differences import missing_topic
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

    References: `broker-unreachable`, `broker-hangs-up` (another protocol than it speaks there), `broker-refused`
    (credentials), `broker-not-trusted` (certificates), `missing-rights`, `missing-topic`, `broker-error`.
    """
    reasons = _Reasons()
    logger = logging.getLogger("aiokafka")
    logger.addHandler(reasons)
    try:
        yield
    except (KafkaError, TimeoutError) as error:
        raise _for_people(error, reasons.last, settings) from error
    finally:
        logger.removeHandler(reasons)


class _Reasons(logging.Handler):
    """Keeps the last exception Kafka's client wrote to its log.

    What it raises when it finds no broker says no more than that; why is only in its log.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
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
        (ssl.SSLCertVerificationError,),
        "broker-not-trusted",
        "its certificate cannot be trusted",
        "REENGAGE_SSL_CAFILE must hold the authority that signed it, and REENGAGE_BROKER the name it is made out to",
    ),
    _Cause(
        (ssl.SSLError,),
        "broker-not-trusted",
        "no trusted connection comes about",
        "check REENGAGE_SECURITY_PROTOCOL, and with mutual TLS REENGAGE_SSL_CERTFILE",
    ),
    _Cause(
        (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, EOFError),
        "broker-hangs-up",
        "takes the connection and ends it without an answer",
        "it most likely expects something else there: TLS or none, a login or none, a client certificate;"
        " check the port in REENGAGE_BROKER, REENGAGE_SECURITY_PROTOCOL and REENGAGE_SSL_CERTFILE",
    ),
    _Cause(
        (
            OSError,
            errors.KafkaConnectionError,
            errors.KafkaTimeoutError,
            errors.NodeNotReadyError,
            errors.RequestTimedOutError,
        ),
        "broker-unreachable",
        "does not answer",
        "is it running, and do REENGAGE_BROKER and REENGAGE_SECURITY_PROTOCOL fit it?",
    ),
)


def _for_people(error: BaseException, reason: BaseException | None, settings: Settings) -> UserError:
    broker, where = str(settings.broker), _named(error)
    if isinstance(error, errors.UnknownTopicOrPartitionError):
        return missing_topic(where or "topic")
    if isinstance(error, errors.GroupAuthorizationFailedError):
        return missing_right(Right(Operation.READ, Resource.GROUP, where or settings.app), _login(settings))
    if isinstance(error, errors.TransactionalIdAuthorizationFailed):
        right = Right(Operation.WRITE, Resource.TRANSACTIONAL_ID, where or f"{settings.app}-")
        return missing_right(right, _login(settings))
    if isinstance(error, errors.TopicAuthorizationFailedError | errors.ClusterAuthorizationFailedError):
        # Of these Kafka does not say which right it was; commands that begin are asked for each.
        return UserError("missing-rights", where or broker, "this user may not do that with it", HELP)
    thrown = _root(reason) if reason is not None and isinstance(error, _REASON_IS_IN_LOG) else error
    for cause in _CAUSES:
        if isinstance(thrown, cause.kinds):
            detail = f": {_tls_problem(thrown)}" if isinstance(thrown, ssl.SSLError) else ""
            return UserError(cause.reference, broker, cause.problem + detail, cause.hint)
    problem = f"{type(error).__name__.removesuffix('Error')}: {where}"
    return UserError("broker-error", broker, problem, "the broker's log says more")


_REASON_IS_IN_LOG = (errors.KafkaConnectionError, errors.NodeNotReadyError, TimeoutError)


def _root(reason: BaseException) -> BaseException:
    """What ended a connection, of the exception that says that it has ended."""
    while isinstance(reason, errors.KafkaConnectionError) and reason.__cause__ is not None:
        reason = reason.__cause__
    return reason


def _named(error: BaseException) -> str:
    """What an exception of Kafka's client is about, by its arguments; some of them are sets of topics."""
    parts = [sorted(part) if isinstance(part, set | frozenset) else [part] for part in error.args]
    return ", ".join(str(each) for part in parts for each in part)


def _login(settings: Settings) -> dict[str, Any]:
    """Who these settings say that we are, in the words of client options."""
    options: dict[str, Any] = {"sasl_plain_username": settings.sasl_username}
    if settings.ssl_certfile is not None:
        options["ssl_context"] = settings.ssl_certfile
    return options


def _tls_problem(error: ssl.SSLError) -> str:
    return getattr(error, "verify_message", None) or getattr(error, "reason", None) or str(error)


def make_codec(settings: Settings) -> Codec:
    """The codec these settings ask for: Confluent's format with a schema registry, else single-object encoding.

    Talks to no one yet; `Codec.prepare` does.
    """
    if settings.schema_registry is None:
        return Codec()
    tls = ssl_context(settings) if settings.security_protocol.endswith("SSL") else None
    return Codec(registry=Registry(settings.schema_registry, tls=tls), topic_prefix=settings.topic_prefix)


def names_of(settings: Settings, into: str = "") -> Names:
    """What the names of topics, group and transactions are made from; `into`: the prefix of a replay."""
    return Names(settings.app, settings.topic_prefix, into)


async def partition_counts(
    settings: Settings,
    topics: Sequence[str],
    operation: Operation | None = Operation.READ,
    needed: Sequence[Right] = (),
) -> dict[str, int]:
    """How many partitions each of these topics has, by the contract's names; what a command asks before all else.

    Raises UserErrors with a `missing-rights` for each topic on which this user may not do `operation` (None: of that
    the rights `needed` tell) and for each of these, else with a `missing-topic` for each that is not there; what Kafka's
    client raises passes.
    """
    on_each = [] if operation is None else on_topics(operation, topics, settings.topic_prefix)
    rights = [*on_each, *needed]
    found = await broker_topics.partition_counts(settings.client_options(), settings.topic_prefix, rights)
    missing: list[UserError] = [
        missing_topic(settings.topic_prefix + topic) for topic in topics if topic not in found
    ]
    if missing:
        raise UserErrors(missing)
    return {topic: found[topic] for topic in topics}
