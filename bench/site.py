"""Where one contender runs: topics of its own on the broker of the run, and a folder of its own."""

from __future__ import annotations

import asyncio
import os
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.broker.topics import admin_client
from app.playbooks.loader import DEFAULTS
from app.service.settings import Settings, load_settings
from app.tools.topics import apply_topics

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTITIONS = 4
SESSION_TIMEOUT_MS = 10_000
HEARTBEAT_MS = 500
"""The worker's own, and so every contender's: how soon a killed one is missed is most of what it takes to recover."""

PLAYBOOKS = DEFAULTS / "re-engager"
"""The job is the re-engager's inactivity, whatever other playbooks are shipped."""

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Site:
    """Topics and a folder that only one contender uses.

    Attributes:
        broker: bootstrap servers, spoken to in plain text.
        prefix: of its topics, its consumer group and its transactional ids.
        folder: an empty one, for state and logs.
        guarantee: `exactly_once` or `at_least_once`.
        playbooks: the folder of playbooks it works by.
    """

    broker: str
    prefix: str
    folder: Path
    guarantee: str
    playbooks: Path = PLAYBOOKS

    @property
    def settings(self) -> Settings:
        """What `reengage` commands of this site run with."""
        return load_settings(environ=self._own_settings(), folder=self.folder)

    def environ(self) -> dict[str, str]:
        """The environment of a process of this site: the bench's own, with no setting of Reengage left to chance."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REENGAGE_")}
        return {**kept, **self._own_settings(), "PYTHONPATH": str(ROOT)}

    def _own_settings(self) -> dict[str, str]:
        return {
            "REENGAGE_BROKER": self.broker,
            "REENGAGE_APP": f"{self.prefix}app",
            "REENGAGE_TOPIC_PREFIX": self.prefix,
            "REENGAGE_PLAYBOOKS": str(self.playbooks),
            "REENGAGE_DATA": str(self.folder / "data"),
            "REENGAGE_GUARANTEE": self.guarantee,
        }


@contextmanager
def opened_site(
    broker: str,
    folder: Path,
    name: str,
    guarantee: str,
    playbooks: Path = PLAYBOOKS,
    partitions: int = PARTITIONS,
) -> Iterator[Site]:
    """A site with its topics created; they are deleted at the end. `name` tells it from the others, for people."""
    prefix = f"bench-{uuid.uuid4().hex[:6]}-{name}-"
    site = Site(broker, prefix, folder / f"{name}-{guarantee}", guarantee, playbooks)
    site.folder.mkdir()
    options = site.settings.client_options()
    asyncio.run(apply_topics(options, site.prefix, partitions=partitions))
    try:
        yield site
    finally:
        asyncio.run(_delete_topics(site))


async def _delete_topics(site: Site) -> None:
    async with admin_client(site.settings.client_options()) as admin:
        # A contender's own topics too: its application is named with the prefix, with which not every name begins.
        own = [name for name in await admin.list_topics() if site.prefix in name]
        await admin.delete_topics(own)
