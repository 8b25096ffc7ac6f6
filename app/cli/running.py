"""Commands that run something: the demo, the worker, a broker that is kept."""

# ruff: noqa: PLC0415  an implementation is imported by the command that needs it: a command starts in a blink

import logging
import sys
from typing import Annotated

import typer

from app.cli.interrupt import ending_at_once

Guarantee = Annotated[
    str | None,
    typer.Option(help="exactly_once or at_least_once, in place of REENGAGE_GUARANTEE.", show_default=False),
]
Port = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Web port for health and metrics; a free one if left out.", show_default=False
    ),
]
UntilDrained = Annotated[
    bool,
    typer.Option(
        "--until-drained",
        help="End once all inputs are applied and committed and no timer is due by the partition's time; the wall "
        "clock moves no time in this mode. For backfills and tests.",
    ),
]
Keep = Annotated[bool, typer.Option("--keep", help="Leave broker and worker running after the story.")]

broker = typer.Typer(help="A broker kept on this machine, for trying things out.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.command()(demo)
    app.command()(worker)
    app.add_typer(broker, name="broker")


def demo(*, keep: Keep = False) -> None:
    """Play ten weeks of member events through a real broker and worker, and show what comes out.

    Uses the broker that is set or kept, else starts one of its own; ends by itself.
    """
    from app.service.logging import configure_logging
    from app.service.settings import load_settings
    from app.tools import demo as story

    settings = load_settings()
    configure_logging(settings)
    raise typer.Exit(story.run(settings, keep))


def worker(*, guarantee: Guarantee = None, port: Port = None, until_drained: UntilDrained = False) -> None:
    """Run the Faust worker: events in, decisions out."""
    with ending_at_once():
        from app.service.client import with_broker
        from app.service.configuration import with_playbook_errors
        from app.service.logging import configure_logging
        from app.service.settings import load_settings

    overrides = {"REENGAGE_GUARANTEE": guarantee} if guarantee else {}
    with with_playbook_errors(overrides):
        settings = with_broker(load_settings(overrides=overrides))
    configure_logging(settings, level=logging.INFO)
    with ending_at_once():
        from app.service import worker as service
    raise typer.Exit(service.run(settings, port=port, until_drained=until_drained))


@broker.command()
def start() -> None:
    """Start a broker that stays until `broker stop`, and print REENGAGE_BROKER=host:port."""
    from app.broker.kept import start_kept

    kept, started = start_kept(progress=_tell)
    _tell("started" if started else "was running already")
    print(f"REENGAGE_BROKER={kept.bootstrap}")


@broker.command()
def stop() -> None:
    """Stop the broker that `broker start` left running; its data stay."""
    from app.broker.kept import stop_kept

    kept = stop_kept()
    _tell(f"stopped {kept.bootstrap}" if kept else "none was running")


def _tell(message: str) -> None:
    # Not to standard output, which holds the one line a shell can evaluate.
    print(message, file=sys.stderr)
