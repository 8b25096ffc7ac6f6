"""Commands that report what the output topics tell."""

# ruff: noqa: PLC0415  an implementation is imported by the command that needs it: a command starts in a blink

from typing import Annotated

import typer

from app.tools.reports.form import Form

By = Annotated[
    str,
    typer.Option(
        metavar="LIST", help="What to tell apart, comma-separated: playbook, reason, template, channel."
    ),
]
Format = Annotated[Form, typer.Option("--format", help="How to print it.")]


def add_commands(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.command()(outcomes)


def outcomes(*, by: By = "playbook,reason,template,channel", form: Format = Form.TABLE) -> None:
    """Show what was opened, sent, suppressed and resolved, and the lift over the members held out."""
    from app.service.client import with_broker
    from app.service.logging import configure_logging
    from app.service.settings import load_settings
    from app.tools.reports import outcomes as report

    settings = with_broker(load_settings())
    configure_logging(settings)
    raise typer.Exit(report.run(settings, by, form))
