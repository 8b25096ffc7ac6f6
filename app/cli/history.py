"""Commands that look back at what was decided, and why."""

# ruff: noqa: PLC0415  an implementation is imported by the command that needs it: a command starts in a blink

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Playbooks
from app.tools.explain.form import Form

MemberId = Annotated[str, typer.Argument(metavar="MEMBER", help="The member's id.", show_default=False)]
At = Annotated[
    str | None,
    typer.Option(
        metavar="T",
        help="End at this instant: what was known of the member then. One ahead shows what its timers will do.",
        show_default=False,
    ),
]
Events = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="JSON lines, as for `simulate` (- for standard input), in place of the topics.",
        show_default=False,
    ),
]
InOrder = Annotated[bool, typer.Option("--in-order", help="Apply the lines of the file as they stand.")]
WhyNot = Annotated[
    str | None,
    typer.Option(
        metavar="PLAYBOOK",
        help="Show this playbook only, with every condition of what it did and did not do.",
        show_default=False,
    ),
]
Format = Annotated[Form, typer.Option("--format", help="For people, or one JSON object a line.")]


def add_commands(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.command()(explain)


def explain(
    member: MemberId,
    *,
    at: At = None,
    events: Events = None,
    in_order: InOrder = False,
    why_not: WhyNot = None,
    playbooks: Playbooks = None,
    form: Format = Form.TEXT,
) -> None:
    """Show a member's timeline: inputs, timers, decisions with the line that decided, and why nothing else happened."""
    from app.service.client import with_broker
    from app.service.configuration import with_playbook_errors
    from app.service.logging import configure_logging
    from app.service.settings import load_settings
    from app.tools.explain import command

    overrides = {"REENGAGE_PLAYBOOKS": str(playbooks)} if playbooks else {}
    # Lines in order without a file of them is wrong use, with a broker or without; the command says so.
    from_topics = events is None and not in_order
    with with_playbook_errors(overrides):
        settings = load_settings(overrides=overrides)
        if from_topics:
            settings = with_broker(settings)
    if from_topics:
        configure_logging(settings)
    source = Path(events) if events not in (None, "-") else events
    code = command.run(settings, member, events=source, in_order=in_order, at=at, why_not=why_not, form=form)
    raise typer.Exit(code)
