"""Kafka Streams as a contender: `bench/kafka_streams`, built with Maven where that and a JDK are there.

One stream thread, a persistent RocksDB store with the record cache on, the defaults of its configuration elsewhere:
at least once it commits every 30 s, exactly once (exactly_once_v2) every 100 ms.

What it does not do, and Reengage does: remember event ids, take timers of members whose events have stopped (a punctuator
would have to walk the whole store), keep a journal.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.errors import UserError
from bench.process import Contender
from bench.site import HEARTBEAT_MS, SESSION_TIMEOUT_MS

if TYPE_CHECKING:
    from bench.site import Site

NAME = "Kafka Streams"
PROJECT = Path(__file__).with_name("kafka_streams")
SOURCES = PROJECT / "src" / "main" / "java" / "bench"
HEAP = "-Xmx1g"

_TAIL_CHARACTERS = 1_000


def prepare() -> None:
    """Build it where it is not built or older than its sources; the first time on a machine about 80 MB are fetched.

    Raises UserError `no-maven` without `mvn` or `javac` on the path, and `streams-not-built`.
    """
    missing = [name for name in ("mvn", "javac", "java") if shutil.which(name) is None]
    if missing:
        hint = "install Maven and a JDK of version 17 or later, or leave it out with --only"
        raise UserError("no-maven", NAME, f"{' and '.join(missing)}: not on the path", hint)
    if _is_built():
        return
    command = ["mvn", "--batch-mode", "--quiet", "process-classes"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = (done.stdout + done.stderr)[-_TAIL_CHARACTERS:]
        raise UserError(
            "streams-not-built", str(PROJECT), "Maven failed", f"the end of what it said:\n{tail}"
        )


def versions() -> dict[str, str]:
    """The versions of what it runs on, by name; `prepare` has been called."""
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    return {
        **{name: _jar_version(name) for name in ("kafka-streams", "rocksdbjni")},
        "Java": java.split('"')[1],
    }


def worker(site: Site) -> Contender:
    """The application of a site, not yet started; `prepare` has been called."""
    target = PROJECT / "target"
    class_path = f"{target / 'classes'}:{target / 'libs'}/*"
    logging = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    timeouts = [str(SESSION_TIMEOUT_MS), str(HEARTBEAT_MS)]
    return Contender(site, ["java", HEAP, logging, "-cp", class_path, "bench.Main", *timeouts])


def _is_built() -> bool:
    built = PROJECT / "target" / "classes" / "bench" / "Main.class"
    if not built.exists() or not any((PROJECT / "target" / "libs").glob("rocksdbjni-*.jar")):
        return False
    sources = [PROJECT / "pom.xml", *SOURCES.glob("*.java")]
    return built.stat().st_mtime >= max(source.stat().st_mtime for source in sources)


@cache
def _jar_version(name: str) -> str:
    (jar,) = (PROJECT / "target" / "libs").glob(f"{name}-[0-9]*.jar")
    return jar.stem.removeprefix(f"{name}-")
