"""The command that decides history again."""

# ruff: noqa: PLC0415  an implementation is imported by the command that needs it: a command starts in a blink

from pathlib import Path
from typing import Annotated

import typer

from app.tools.replay.order import Order
from app.tools.reports.form import Form

Into = Annotated[
    str,
    typer.Option(
        metavar="PREFIX", help="Prefix of the topics the outputs go to; never that of the live ones."
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="T",
        help="Outputs from this instant on only; the state is made from the start all the same.",
        show_default=False,
    ),
]
Until = Annotated[
    str | None,
    typer.Option(metavar="T", help="Leave out what comes after this instant.", show_default=False),
]
Playbooks = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        help="Folder of other playbooks: a what-if. With --order journal, playbooks that decided a part of the history; "
        "may then be repeated.",
        show_default=False,
    ),
]
InOrder = Annotated[
    Order | None,
    typer.Option(
        help="As the worker took the records, or by occurred_at, all processors in one order of time. Default: "
        "journal; event-time with --playbooks.",
        show_default=False,
    ),
]
Diff = Annotated[
    bool, typer.Option("--diff", help="Compare with the live outputs; exit 1 where they differ.")
]
Promote = Annotated[
    bool,
    typer.Option(
        "--promote", help="Make state and outputs of the replay the live ones; the workers must be stopped."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="With --promote: say what it would do, and do nothing.")
]
Format = Annotated[Form, typer.Option("--format", help="How to print the comparison.")]


def add_commands(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.command()(replay)


def replay(
    *,
    into: Into,
    since: Since = None,
    until: Until = None,
    playbooks: Playbooks = None,
    order: InOrder = None,
    diff: Diff = False,
    form: Format = Form.TABLE,
    promote: Promote = False,
    dry_run: DryRun = False,
) -> None:
    """Decide the history again, from the first record on, into topics under a prefix of their own.

    Interrupted, the same call carries on where it was.
    """
    from app.service.client import with_broker
    from app.service.configuration import with_playbook_errors
    from app.service.logging import configure_logging
    from app.service.settings import load_settings
    from app.tools.replay import run as replaying
    from app.tools.replay.options import read_options

    options = read_options(
        into=into,
        since=since,
        until=until,
        playbooks=playbooks or [],
        order=order,
        diff=diff,
        form=form,
        promote=promote,
        dry_run=dry_run,
    )
    with with_playbook_errors(folders=options.playbook_folders):
        settings = with_broker(load_settings())
    configure_logging(settings)
    raise typer.Exit(replaying.run(settings, options))
