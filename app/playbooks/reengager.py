"""`kind = "reengager"`: the member re-engager (contract 6.1)."""

# ruff: noqa: RUF012  pydantic copies the defaults, and the models are frozen

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from app.domain.instants import DAY_MS, MINUTE_MS
from app.domain.pools import PoolSettings
from app.domain.reengager import Reengager
from app.domain.setup import SetUpRules
from app.domain.transfer import TransferRules
from app.playbooks.model import PlaybookModel
from app.playbooks.values import ActivityChannel, Count, Positive, Span, Table, Text, Texts, WallTime, Zone


def _without_web(channels: list[ActivityChannel]) -> list[ActivityChannel]:
    if "WEB" in channels:
        raise ValueError("activity on WEB never counts for a re-engager; leave it out")
    return sorted(set(channels))


class Inactivity(Table):
    """Who is inactive, and what ends it."""

    after: Span = 7 * DAY_MS
    tag: Text = "inactive"
    channels: Annotated[list[ActivityChannel], Field(min_length=1), AfterValidator(_without_web)] = ["APP"]
    activities: Annotated[Texts, Field(min_length=1)] = [
        "appointment.scheduled",
        "article.read",
        "enso_session.started",
        "et_session.started",
        "health_report.made",
        "reminder.created",
        "reminder.updated",
    ]


class Setup(Table):
    """Activities that are steps of a member's set-up, and those that complete it."""

    completed_by: Texts = ["setup.completed"]
    steps: Texts = ["setup.step_completed"]


class Transfer(Table):
    """To whom members go who have completed their set-up, and how many a day."""

    managed: bool = True
    pool: Text = "default"
    slots_per_day: Count = 20
    max_attempts: Positive = 3
    reset_at: WallTime = "17:00"
    time_zone: Zone = "America/Los_Angeles"
    max_lag: Span = 30 * MINUTE_MS

    def pool_settings(self) -> PoolSettings:
        """What the playbook says of its pool."""
        return PoolSettings(
            slots_per_day=self.slots_per_day,
            max_attempts=self.max_attempts,
            reset_at=self.reset_at,
            time_zone=self.time_zone,
        )


class ReengagerModel(PlaybookModel):
    """One member re-engager."""

    kind: Literal["reengager"]
    inactivity: Inactivity = Inactivity()
    setup: Setup = Setup()
    transfer: Transfer = Transfer()

    def compile(self) -> Reengager:
        """The form the core works with."""
        return Reengager(
            name=self.name,
            version=self.version(),
            tag=self.inactivity.tag,
            after_ms=self.inactivity.after,
            activities=frozenset(self.inactivity.activities),
            channels=frozenset(self.inactivity.channels),
            setup=SetUpRules(
                completed_by=frozenset(self.setup.completed_by), steps=frozenset(self.setup.steps)
            ),
            transfer=TransferRules(
                managed=self.transfer.managed,
                pool=self.transfer.pool,
                settings=self.transfer.pool_settings(),
                max_lag_ms=self.transfer.max_lag,
            ),
        )
