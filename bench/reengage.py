"""Reengage as a contender: the worker as anybody starts it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.process import Contender

if TYPE_CHECKING:
    from bench.site import Site

NAME = "Reengage"
PATIENCE_S = 120
SLOWEST_EVENTS_PER_S = 500


def worker(site: Site, *options: str) -> Contender:
    """`reengage worker` under the site's settings, not yet started."""
    command = Path(sys.executable).with_name("reengage")
    return Contender(site, [str(command), "worker", *options])


def draining(site: Site) -> Contender:
    """A worker that ends once everything is applied, not yet started."""
    return worker(site, "--until-drained")


def drain(site: Site, events: int) -> Contender:
    """Run `reengage worker --until-drained`; returns the ended process. Blocks until then.

    Raises UserError `contender-failed` when it fails, or is slower than anything worth measuring.
    """
    with draining(site) as running:
        running.wait(PATIENCE_S + events / SLOWEST_EVENTS_PER_S)
    return running
