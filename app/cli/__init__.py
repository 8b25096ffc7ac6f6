"""The command line: reads arguments and settings, calls `app.tools` or `app.service`, and reports errors."""

from app.cli.root import main

__all__ = ["main"]
