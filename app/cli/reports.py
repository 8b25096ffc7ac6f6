"""Commands that report what the output topics tell."""

# ruff: noqa: PLC0415  an implementation is imported by the command that needs it: a command starts in a blink

from typing import TYPE_CHECKING, Annotated

import typer

from app.tools.reports.form import Form, TrackStatus

if TYPE_CHECKING:
    from app.service.settings import Settings

By = Annotated[
    str,
    typer.Option(
        metavar="LIST",
        help="What to tell apart, comma-separated: playbook, reason, template, channel; or error, company: the"
        " error pages members saw.",
    ),
]
Format = Annotated[Form, typer.Option("--format", help="How to print it.")]
Status = Annotated[
    TrackStatus | None, typer.Option(case_sensitive=False, help="Only those that stand like this.")
]
OffTrackSince = Annotated[
    str | None,
    typer.Option(
        metavar="FROM..TO",
        help="Only those off track since then: UTC dates, both included; one may be left out.",
    ),
]
Owner = Annotated[str | None, typer.Option(metavar="ID", help="Only those of this owner.")]
Coach = Annotated[str | None, typer.Option(metavar="ID", help="Only those of this coach.")]
Viewer = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="VIEWER",
        help="Hide what this viewer may not see: owner:ID, coach:ID, global_admin:COMPANY or"
        " location_admin:COMPANY/LOCATION.",
    ),
]


def add_commands(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.command()(caseload)
    app.command()(failed_transfers)
    app.command()(engagements)
    app.command()(outcomes)


def caseload(*, form: Format = Form.TABLE) -> None:
    """Show the members with an open workflow, the longest open first."""
    from app.tools.reports import caseload as report

    raise typer.Exit(report.run(_settings(), form))


def failed_transfers(*, form: Format = Form.TABLE) -> None:
    """Show the members no coach could be found for, the longest waiting first."""
    from app.tools.reports import failed_transfers as report

    raise typer.Exit(report.run(_settings(), form))


def engagements(
    *,
    status: Status = None,
    off_track_since: OffTrackSince = None,
    owner: Owner = None,
    coach: Coach = None,
    viewer: Viewer = None,
    form: Format = Form.TABLE,
) -> None:
    """Show the coaching engagements and how they stand, the longest off track first."""
    from app.tools.reports import engagements as report

    filters = report.parse_filters(status, off_track_since, owner, coach, viewer)
    raise typer.Exit(report.run(_settings(), filters, form))


def outcomes(*, by: By = "playbook,reason,template,channel", form: Format = Form.TABLE) -> None:
    """Show what was opened, sent, suppressed and resolved, and the lift over the members held out.

    By error and company: which errors kept members from converting, and how many of them came back.
    """
    from app.tools.reports import outcomes as report

    raise typer.Exit(report.run(_settings(), by, form))


def _settings() -> "Settings":
    from app.service.client import with_broker
    from app.service.logging import configure_logging
    from app.service.settings import load_settings

    settings = with_broker(load_settings())
    configure_logging(settings)
    return settings
