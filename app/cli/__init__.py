"""The command line: reads arguments and settings, calls `app.tools` or `app.service`, and reports errors."""

from app.cli.interrupt import ending_at_once


def main() -> None:
    """Entry point of the console script."""
    with ending_at_once():
        from app.cli.root import command  # noqa: PLC0415  an interrupt meanwhile would come out as a traceback

        root = command()
    root(prog_name="reengage")


__all__ = ["main"]
