"""Quix Streams as a contender: `bench.quix_app` in an environment of its own, made once a machine.

Quix Streams wants pydantic below 2.14, Reengage 2.14 or later, so that the two cannot share an environment.

What it does not do, and Reengage does: remember event ids, take timers of members whose events have stopped, merge several
inputs in one order, keep a journal.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from importlib.metadata import version
from typing import TYPE_CHECKING

import platformdirs

from app.domain.errors import UserError
from bench.process import Contender
from bench.site import HEARTBEAT_MS, SESSION_TIMEOUT_MS

if TYPE_CHECKING:
    from pathlib import Path

    from bench.site import Site

NAME = "Quix Streams"
VERSION = "3.28.1"

DEFAULT_COMMIT_MS = 5_000
SHORT_COMMIT_MS = 100
"""As often as Kafka Streams commits exactly once. Until a commit nothing of it can be read, hence its documentation's
advice to commit more often where latency counts; its default is made for throughput."""

SHARED = ("msgspec", "fastavro")
"""What the code both share imports, in the versions Reengage runs with."""


def prepare() -> None:
    """Make the environment where it is not there yet, or of another interpreter: about half a minute.

    Raises UserError `quix-not-installed`.
    """
    folder, wanted = _folder(), [f"quixstreams=={VERSION}", *(f"{name}=={version(name)}" for name in SHARED)]
    # Contenders in Python are compared on one interpreter, how it was built included.
    made_of = "\n".join([sys.base_prefix, *wanted])
    ready = folder / ".ready"
    if ready.exists() and ready.read_text() == made_of:
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        venv.create(folder, with_pip=True, symlinks=True)
        command = [str(_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        problem = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except (OSError, subprocess.CalledProcessError) as error:
        problem = [str(error)]
    if problem:
        hint = "check the network, or leave it out with --only"
        raise UserError("quix-not-installed", wanted[0], problem[0], hint)
    ready.write_text(made_of)


def versions() -> dict[str, str]:
    """The versions of what it runs on, by package; `prepare` has been called."""
    names = ("quixstreams", "confluent-kafka")
    script = f"from importlib.metadata import version\nfor name in {names!r}: print(version(name))"
    done = subprocess.run([str(_python()), "-c", script], capture_output=True, text=True, check=True)
    return dict(zip(names, done.stdout.split(), strict=True))


def worker(site: Site, commit_ms: int = DEFAULT_COMMIT_MS) -> Contender:
    """The application of a site, not yet started; `prepare` has been called."""
    options = {
        "commit-ms": commit_ms,
        "session-timeout-ms": SESSION_TIMEOUT_MS,
        "heartbeat-ms": HEARTBEAT_MS,
    }
    arguments = [f"--{name}={number}" for name, number in options.items()]
    return Contender(site, [str(_python()), "-m", "bench.quix_app", *arguments])


def _folder() -> Path:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    cache = platformdirs.user_cache_path("reengage", appauthor=False)
    return cache / f"bench-quix-{VERSION}-python{python}"


def _python() -> Path:
    return _folder() / "bin" / "python"
