"""Where the demo plays: a broker with topics of the demo's own, and the settings that lead there."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError
from pydantic import SecretStr

from app.broker.embedded import EmbeddedBroker
from app.broker.locate import locate_broker
from app.broker.topics import admin_client, find_topics
from app.service.client import broker_errors
from app.service.settings import SETTINGS
from app.tools.topics import apply_topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.service.settings import Settings
    from app.tools.demo.screen import Screen


@contextmanager
def broker_for(settings: Settings, folder: Path, screen: Screen) -> Iterator[Settings]:
    """The settings of a demo in `folder`, on the broker that is set or kept, else on one of its own, ended after it.

    On a broker that is not its own the demo has an application and topics of its own, which it takes away again. It
    plays the shipped playbooks, whatever is set.
    """
    found = locate_broker(settings.broker)
    ours = replace(settings, playbooks=None, data=folder / "state")
    if found is not None:
        name = f"demo-{secrets.token_hex(3)}-"
        screen.say(f"  using the broker at {found}; the demo's topics there begin with {name}")
        ours = replace(
            ours, broker=found, app=f"{ours.app}-{name.rstrip('-')}", topic_prefix=ours.topic_prefix + name
        )
        try:
            yield ours
        finally:
            asyncio.run(_delete_topics(ours, screen))
        return
    broker = EmbeddedBroker(folder / "broker", progress=lambda line: screen.say(f"  {line}"))
    try:
        with screen.step("starting Apache Kafka") as done:
            address = broker.start()
            done.append(f"Apache Kafka, in memory of this demo, on {address}")
        yield replace(
            ours,
            broker=address,
            security_protocol="PLAINTEXT",
            sasl_mechanism=None,
            sasl_username=None,
            sasl_password=None,
            ssl_cafile=None,
            ssl_certfile=None,
            ssl_keyfile=None,
            schema_registry=None,
        )
    finally:
        broker.stop()


def create_topics(settings: Settings) -> int:
    """Create the declared topics under the settings' prefix; returns how many. Blocks."""
    with broker_errors(settings):
        return len(asyncio.run(apply_topics(settings.client_options(), settings.topic_prefix)).created)


async def _delete_topics(settings: Settings, screen: Screen) -> None:
    """Take the demo's topics away; where that may not be, say so."""
    prefix = settings.topic_prefix
    try:
        async with admin_client(settings.client_options()) as admin:
            await admin.delete_topics(list(await find_topics(admin, prefix)))
    except KafkaError as error:
        screen.say(f"the topics {prefix}* could not be deleted: {type(error).__name__}")


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as environment variables that load as the same settings, wherever the working directory is."""
    environ = {}
    for setting in SETTINGS:
        value = getattr(settings, setting.attribute)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        elif isinstance(value, Path):
            value = value.absolute()
        elif isinstance(value, int):
            value = f"{value}ms"
        if value is not None:
            environ[setting.name] = str(value)
    return environ
