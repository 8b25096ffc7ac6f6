"""Which broker to talk to (contract 9, REENGAGE_BROKER)."""

from pathlib import Path

from app.broker.kept import kept_broker


def locate_broker(configured: str | None, home: Path | None = None) -> str | None:
    """Bootstrap servers: those configured, else those of the kept broker if it runs, else None.

    Reads one small file and asks the system about one process; talks to no broker, so what is returned may still not
    answer. `home`: folder of the kept broker, by default the per-user one.
    """
    if configured:
        return configured
    kept = kept_broker(home)
    return kept.bootstrap if kept is not None else None
