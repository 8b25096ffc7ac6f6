"""`reengage` with every log there is, down to DEBUG: `python verbose.py worker`."""

import logging
from collections.abc import Callable
from typing import Any

from app.cli import main
from app.service import logging as ours

LOUD = ("", "aiokafka", "faust", "mode", "asyncio", "app")


def verbosely(configure: Callable[..., None]) -> Callable[..., None]:
    """`configure_logging` that lets everything through that any library says."""

    def configure_verbosely(settings: Any, **_: Any) -> None:
        configure(settings, level=logging.DEBUG)
        for name in LOUD:
            logging.getLogger(name).setLevel(logging.DEBUG)

    return configure_verbosely


if __name__ == "__main__":
    ours.configure_logging = verbosely(ours.configure_logging)
    main()
