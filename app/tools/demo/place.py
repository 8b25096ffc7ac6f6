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

from app.broker.distribution import KAFKA_VERSION
from app.broker.embedded import EmbeddedBroker
from app.broker.locate import locate_broker
from app.broker.topics import admin_client, find_topics
from app.service.client import broker_errors
from app.service.setting_table import SETTINGS
from app.tools.topics import apply_topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.service.settings import Settings
    from app.tools.demo.screen import Screen


@contextmanager
def place_for(settings: Settings, folder: Path, screen: Screen) -> Iterator[Settings]:
    """The settings of a demo whose state is in `folder`: a broker that runs, with the declared topics. Blocks.

    The broker is the one that is set or kept; there the demo has an application and topics of its own, and takes them
    away again. Else it is the demo's own, ended after it. It plays the shipped playbooks, whatever is set.
    """
    ours = replace(settings, playbooks=None, data=folder / "state")
    found = locate_broker(settings.broker)
    if found is None:
        with _own_broker(ours, folder / "broker", screen) as place:
            _create_topics(place, screen)
            yield place
        return
    name = f"demo-{secrets.token_hex(3)}"
    place = replace(ours, broker=found, app=f"{ours.app}-{name}", topic_prefix=f"{ours.topic_prefix}{name}-")
    screen.say(f"  using the broker at {found}; the demo's topics there begin with {place.topic_prefix}")
    _create_topics(place, screen)
    try:
        yield place
    finally:
        asyncio.run(_delete_topics(place, screen))


@contextmanager
def _own_broker(settings: Settings, folder: Path, screen: Screen) -> Iterator[Settings]:
    broker: EmbeddedBroker | None = None
    try:
        with screen.step("starting Apache Kafka") as step:
            broker = EmbeddedBroker(folder, progress=step.progress)
            address = broker.start()
            step.result = f"Apache Kafka {KAFKA_VERSION} on {address}, for this demo only"
        yield replace(
            settings,
            broker=address,
            security_protocol="PLAINTEXT",
            sasl_mechanism=None,
            sasl_username=None,
            sasl_password=None,
            ssl_cafile=None,
            ssl_certfile=None,
            ssl_keyfile=None,
            ssl_key_password=None,
            schema_registry=None,
        )
    finally:
        if broker is not None:
            broker.kill()


def _create_topics(settings: Settings, screen: Screen) -> None:
    with screen.step("creating the topics") as step, broker_errors(settings):
        applied = asyncio.run(apply_topics(settings.client_options(), settings.topic_prefix))
        step.result = f"{len(applied.created)} topics"


async def _delete_topics(settings: Settings, screen: Screen) -> None:
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
        if value is not None:
            environ[setting.name] = setting.kind.write(value)
    return environ
