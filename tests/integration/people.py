"""Users of one deployment on a broker that asks who they are, and the commands they give, in this process."""

import os
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from typer.testing import CliRunner

from app.broker.roles import ROLES, Names
from app.cli.root import app
from app.domain.events import Activity
from app.wire.lines import format_input
from tests.integration.deployment import Deployment
from tests.integration.history import DAY_MS, HOUR_MS, START_MS
from tests.integration.secured import SecuredBroker


class Said(NamedTuple):
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def references(self) -> list[str]:
        """Those of the errors it reported."""
        return [line[6:].partition("]")[0] for line in self.err.splitlines() if line.startswith("error[")]


def command(deployment: Deployment, *arguments: str) -> Said:
    """Give a command as the user whose settings the deployment has; whatever a user sees is in what it says."""
    environ: dict[str, str | None] = dict.fromkeys(
        name for name in os.environ if name.startswith("REENGAGE_")
    )
    environ |= {name: text for name, text in deployment.environ().items() if name.startswith("REENGAGE_")}
    with chdir(deployment.folder):
        result = CliRunner().invoke(app, arguments, env=environ)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in result.output
    return Said(result.exit_code, result.stdout, result.stderr)


@dataclass(frozen=True)
class People:
    """A deployment on a secured broker, seen by the tests themselves and by each user.

    Attributes:
        everyone: through the listener that asks nobody.
    """

    broker: SecuredBroker
    everyone: Deployment
    _seen: list[Deployment] = field(default_factory=list)

    @property
    def names(self) -> Names:
        """Of the deployment's resources."""
        prefix = self.everyone.prefix
        return Names(f"{prefix}app", prefix, f"{prefix}again-")

    def user(self, name: str, **more: str) -> Deployment:
        """The deployment as a user sees it who logs in with a password."""
        return self._with(self.broker.login(name) | more)

    def by_certificate(self, name: str) -> Deployment:
        """The deployment as a user sees it who shows a certificate."""
        return self._with(self.broker.certificate(name))

    def stop_workers(self) -> None:
        """End what any user has started."""
        for deployment in self._seen:
            deployment.stop_workers()

    def _with(self, more: dict[str, str]) -> Deployment:
        self._seen.append(replace(self.everyone, more=more))
        return self._seen[-1]

    async def grant_roles(self) -> None:
        """Each user of the name of a role has exactly what the documents list for it."""
        for role in ROLES:
            await self.broker.grant(role.name, role.rights(self.names))


def write_events(path: Path) -> None:
    """Lines for `produce`: members who come, stay away for a while, and come back; some complete their set-up."""
    path.write_text("".join(f"{line}\n" for line in _events()))


def _events() -> Iterator[str]:
    number = 0
    for day in (0, 1, 9, 10):
        for member in range(12):
            number += 1
            event = Activity(
                event_id=f"e{number}",
                member_id=f"m{member}",
                occurred_at=START_MS + day * DAY_MS + member * HOUR_MS,
                type="reminder.created" if member % 2 else "article.read",
                channel="APP",
            )
            yield format_input(event, arrived_at=event.occurred_at, partition=0, offset=0)
