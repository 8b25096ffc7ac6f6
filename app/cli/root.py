"""The command `reengage`: its groups, and what every command does about errors, interruption and closed pipes.

Exit codes (contract 7): 0 done, 1 a problem was found, 2 wrong use; as shells have it 130 after Ctrl-C and 141 when
the reader of a pipe has gone.
"""

import os
import sys
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from app.cli import checks, history, records, replaying, reports, running
from app.domain.errors import UserError, UserErrors

PIPE_CLOSED = 141


class Root(TyperGroup):
    """Turns what a command raises for a person into text and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; called by typer, once per process."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except UserErrors as errors:
            report(errors.errors)
            raise typer.Exit(errors.exit_code) from None
        except UserError as error:
            report([error])
            raise typer.Exit(error.exit_code) from None
        except BrokenPipeError:
            # Python flushes standard output once more at exit; what is left must not fail a second time.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(PIPE_CLOSED) from None
        return result


def report(errors: list[UserError]) -> None:
    """Print errors to standard error, each as `error[reference] place: problem` and its hint on a line of its own."""
    for error in errors:
        print(f"error[{error.reference}] {error.place}: {error.problem}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="reengage")


app = typer.Typer(
    cls=Root,
    help="Who went quiet, who came back, what should happen next: decided from Kafka topics, exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"reengage {metadata.version('reengage')}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end."),
    ] = False,
) -> None:
    """Options before a command."""


running.add_commands(app)
records.add_commands(app)
replaying.add_commands(app)
reports.add_commands(app)
history.add_commands(app)
checks.add_commands(app)
