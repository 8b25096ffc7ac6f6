"""The command `reengage`: its groups, and what every command does about errors, interruption and closed pipes.

Exit codes (contract 7): 0 done, 1 a problem was found, 2 wrong use; as shells have it 130 after Ctrl-C and 141 when
the reader of a pipe has gone.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from app.cli import checks, history, records, replaying, reports, running
from app.cli.telling import report
from app.domain.errors import UserError, UserErrors

log = logging.getLogger(__name__)

PIPE_CLOSED = 141


class Root(TyperGroup):
    """Turns what a command raises for a person into text and an exit code."""

    def make_context(self, *args: Any, **keys: Any) -> Any:
        """Read the arguments; called by typer, once per process. Prints what `--help` and `--version` ask for."""
        with _system_errors(), _user_errors():
            return super().make_context(*args, **keys)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; called by typer, once per process."""
        with _system_errors(), _user_errors():
            return super().invoke(ctx)


@contextmanager
def _user_errors() -> Iterator[None]:
    try:
        yield
    except UserErrors as errors:
        report(errors.errors)
        raise typer.Exit(errors.exit_code) from None
    except UserError as error:
        report([error])
        raise typer.Exit(error.exit_code) from None
    except typer.TyperException as error:
        said = _wrong_use(error)
        if said is None:
            raise
        report([said])
        raise typer.Exit(said.exit_code) from None


def _wrong_use(error: typer.TyperException) -> UserError | None:
    """What typer refuses of the arguments; None for the help it shows where a command stands without its second word."""
    context: Any = getattr(error, "ctx", None)
    message = error.format_message()
    if message.startswith("Usage: "):
        return None
    command = context.command_path if context is not None else "reengage"
    # Said by the library that checks the values, in front of what it was told.
    problem = message.replace("Value error, ", "").removesuffix(".")
    return UserError("wrong-use", command, problem, f"`{command} -h` shows how it is used")


@contextmanager
def _system_errors() -> Iterator[None]:
    """What no command has foreseen, and output nobody takes; also what is still to be written at the end."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        raise typer.Exit(PIPE_CLOSED) from None
    except OSError as error:
        if error.errno is None:
            raise
        # Seen where a command keeps a log, as a worker does.
        log.info("not foreseen", exc_info=error)
        said = _said_by_system(error)
        report([said])
        raise typer.Exit(said.exit_code) from None


def _said_by_system(error: OSError) -> UserError:
    problem = error.strerror or str(error)
    if error.filename is not None:
        return UserError("system-error", str(error.filename), problem)
    # An error of writing names no file. Whether it was this one shows when one more line is written.
    try:
        print(flush=True)
    except OSError:
        _drop_output()
        return UserError("unwritable-output", "standard output", f"cannot be written: {problem}")
    return UserError("system-error", "reengage", problem)


def _drop_output() -> None:
    """Python flushes standard output once more at exit; what is left must not fail a second time."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def command() -> Any:
    """The command itself, to be called with `prog_name`; never returns from that, but ends with an exit code."""
    return typer.main.get_command(app)


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
