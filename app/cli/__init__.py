"""The command line: reads arguments and settings, calls `app.tools` or `app.service`, and reports errors."""

import io
import sys

from app.cli.interrupt import ending_at_once


def main() -> None:
    """Entry point of the console script."""
    with ending_at_once():
        from app.cli.root import command  # noqa: PLC0415  an interrupt meanwhile would come out as a traceback

        root = command()
    _write_utf8()
    root(prog_name="reengage")


def _write_utf8() -> None:
    """Have output be UTF-8 whatever this system is set to, as records are; a terminal is shown what it can show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


__all__ = ["main"]
