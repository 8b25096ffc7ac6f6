"""Who works on the live topics, and who reads what comes out: consumer groups, as the brokers know them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.broker.topics import admin_client
from app.domain.errors import UserError
from app.domain.outputs import OUTPUTS

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

    from app.service.settings import Settings

_CONSUMER = "consumer"


async def find_obstacles(settings: Settings) -> list[UserError]:
    """Why the live topics cannot be exchanged now: `workers-running`, and `outputs-read` for each group that reads them."""
    async with admin_client(settings.client_options()) as admin:
        obstacles = []
        if members := await _members(admin, settings.app):
            obstacles.append(
                UserError(
                    "workers-running",
                    f"consumer group {settings.app}",
                    f"has {members} member{'' if members == 1 else 's'}",
                    "stop the workers; one that was killed counts until its session ends, 10 s",
                )
            )
        outputs = {settings.topic_prefix + topic for topic in OUTPUTS}
        for group in await _groups(admin):
            if group == settings.app or not await _members(admin, group):
                continue
            offsets = await admin.list_consumer_group_offsets(group)
            if read := sorted({place.topic for place in offsets} & outputs):
                obstacles.append(
                    UserError(
                        "outputs-read",
                        f"consumer group {group}",
                        f"is reading {', '.join(read)}: it would take the promoted history for news",
                        "stop it, and let it skip the history, or read all anew, before it goes on; see docs/replay.md",
                    )
                )
    return obstacles


async def _groups(admin: AIOKafkaAdminClient) -> list[str]:
    return sorted(name for name, kind, *_ in await admin.list_consumer_groups() if kind in ("", _CONSUMER))


async def _members(admin: AIOKafkaAdminClient, group: str) -> int:
    (described,) = await admin.describe_consumer_groups([group])
    answer: dict[str, Any] = described.to_object()["groups"][0]
    return len(answer["members"])
