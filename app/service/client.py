"""Reaching the broker: which one, and what to say when it does not answer as it should."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient

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

    References: `broker-unreachable`, `broker-refused` (wrong credentials, certificate or protocol),
    `missing-rights`, `missing-topic`, `broker-error`.
    """
    try:
        yield
    except (errors.AuthenticationFailedError, errors.AuthenticationMethodNotSupported) as error:
        hint = "check REENGAGE_SECURITY_PROTOCOL and REENGAGE_SASL_*"
        raise UserError(
            "broker-refused", str(settings.broker), "does not accept these credentials", hint
        ) from error
    except (errors.TopicAuthorizationFailedError, errors.GroupAuthorizationFailedError) as error:
        hint = "let this user read and write the topics of docs/topics.md and use the group REENGAGE_APP"
        raise UserError("missing-rights", _places(error), "this user may not use it", hint) from error
    except errors.UnknownTopicOrPartitionError as error:
        raise missing_topic(_places(error) or "topic") from error
    except (errors.KafkaConnectionError, errors.KafkaTimeoutError, errors.RequestTimedOutError) as error:
        hint = "is it running, and do REENGAGE_BROKER and REENGAGE_SECURITY_PROTOCOL fit it?"
        raise UserError("broker-unreachable", str(settings.broker), "does not answer", hint) from error
    except errors.KafkaError as error:
        problem = f"{type(error).__name__.removesuffix('Error')}: {_places(error)}"
        raise UserError(
            "broker-error", str(settings.broker), problem, "the broker's log says more"
        ) from error


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
    admin = AIOKafkaAdminClient(**settings.client_options())
    try:
        await admin.start()
        # All topics are listed: asking for a missing one by name creates it where the cluster creates by itself.
        listed = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    finally:
        await admin.close()
    prefix = settings.topic_prefix
    missing = [missing_topic(prefix + topic) for topic in topics if not listed.get(prefix + topic)]
    if missing:
        raise UserErrors(missing)
    return {topic: listed[prefix + topic] for topic in topics}


def missing_topic(topic: str) -> UserError:
    """The error of a command that meets a topic which is not there."""
    return UserError(
        "missing-topic", topic, "there is no such topic", "create the topics with `reengage topics apply`"
    )


def _places(error: errors.KafkaError) -> str:
    return ", ".join(str(part) for part in error.args)
