"""Commands that take or give records as JSON lines."""

# ruff: noqa: PLC0415  an implementation is imported by the command that needs it: `simulate` runs hundreds of times

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Playbooks

Events = Annotated[str, typer.Option(metavar="FILE", help="JSON lines; - for standard input.")]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="T",
        help="Leave out lines after this instant, and fire the timers due by then.",
        show_default=False,
    ),
]
InOrder = Annotated[bool, typer.Option("--in-order", help="Apply the lines as they stand.")]
Snapshots = Annotated[
    bool, typer.Option("--snapshots", help="Also print each member's snapshot, at the end.")
]
File = Annotated[
    str, typer.Argument(metavar="FILE", help="JSON lines; standard input if left out.", show_default=False)
]
Topics = Annotated[
    list[str] | None,
    typer.Argument(metavar="TOPIC", help="Without the prefix; all outputs if left out.", show_default=False),
]
FromBeginning = Annotated[bool, typer.Option("--from-beginning", help="Start with the oldest record.")]
UntilEnd = Annotated[
    bool,
    typer.Option(
        "--until-end", help="Print what is there, from the oldest record, in `simulate`'s order, and end."
    ),
]
Inputs = Annotated[
    bool,
    typer.Option(
        "--inputs",
        help="The inputs in the order the worker took them, with its marks: lines for `simulate --in-order`.",
    ),
]


def add_commands(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.command()(simulate)
    app.command()(produce)
    app.command()(tail)


def simulate(
    *,
    events: Events,
    playbooks: Playbooks = None,
    until: Until = None,
    in_order: InOrder = False,
    snapshots: Snapshots = False,
) -> None:
    """Apply events in memory, without Kafka, and print what would come out."""
    from app.service.configuration import with_playbook_errors
    from app.service.settings import load_settings
    from app.tools import simulate as simulation

    overrides = {"REENGAGE_PLAYBOOKS": str(playbooks)} if playbooks else {}
    with with_playbook_errors(overrides):
        settings = load_settings(overrides=overrides)
    source = events if events == "-" else Path(events)
    code = simulation.run(source, settings.playbooks, until, in_order, snapshots, settings.grace_ms)
    raise typer.Exit(code)


def produce(file: File = "-") -> None:
    """Send events to their input topics in line order, each acknowledged; a bad line is not sent, the others are."""
    from app.service.client import with_broker
    from app.service.logging import configure_logging
    from app.service.settings import load_settings
    from app.tools import produce as producing

    settings = with_broker(load_settings())
    configure_logging(settings)
    raise typer.Exit(producing.run(settings, file if file == "-" else Path(file)))


def tail(
    topics: Topics = None,
    *,
    from_beginning: FromBeginning = False,
    until_end: UntilEnd = False,
    inputs: Inputs = False,
) -> None:
    """Print committed records as JSON lines, in `simulate`'s form; all outputs unless topics are named."""
    from app.service.client import with_broker
    from app.service.logging import configure_logging
    from app.service.settings import load_settings
    from app.tools import tail as tailing

    settings = with_broker(load_settings())
    configure_logging(settings)
    code = tailing.run(
        settings, topics or [], from_beginning=from_beginning, until_end=until_end, inputs=inputs
    )
    raise typer.Exit(code)
