"""The event loop of a worker: uvloop's, which takes half a minute to end some TLS connections, made to take none."""

from __future__ import annotations

from typing import Any

import uvloop

TLS_SHUTDOWN_S = 0.2
"""How long the end of a TLS connection waits for the broker to say good-bye too.

A broker that still holds a fetch sends its answer first, which uvloop does not read any more: so it would wait for its
default of 30 s whenever a reader is closed, at every restore. Nothing is lost: whoever closes waits for no answer.
"""


class Loop(uvloop.Loop):
    """uvloop's event loop."""

    async def create_connection(self, *arguments: Any, ssl: Any = None, **options: Any) -> Any:
        """As the loop's own; called by Kafka's client."""
        if ssl is not None:
            options.setdefault("ssl_shutdown_timeout", TLS_SHUTDOWN_S)
        return await super().create_connection(*arguments, ssl=ssl, **options)
