"""Rich's console where output may go into a pipe."""

from rich.console import Console


class PipedConsole(Console):
    """Rich's, but that a reader who has gone is left to the command line, which knows the exit code for it."""

    def on_broken_pipe(self) -> None:
        """Called by rich when standard output is a pipe whose other end is closed."""
        raise BrokenPipeError
