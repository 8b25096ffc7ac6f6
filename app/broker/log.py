"""What a broker printed in one start, for the error that says why it does not run."""

from pathlib import Path

from app.domain.errors import UserError

TAIL_LINES = 12
ELSEWHERE = "or set REENGAGE_BROKER to a broker that runs elsewhere"


class BrokerLog:
    """The part of the log file that lies behind `start`, a byte offset."""

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        self._start = start

    def names_taken_port(self) -> bool:
        """Whether the start failed because another process had one of its ports."""
        return "Address already in use" in self._printed()

    def error(self, reason: str) -> UserError:
        """The error `broker-not-started`: `reason`, the last lines that may tell why, and what may help."""
        printed = self._printed()
        lines = [line for line in printed.splitlines() if line.strip()]
        # A failed start ends with a page of parts being shut down, in which the one error would be lost.
        telling = [line for line in lines if " INFO " not in line and not line.startswith("\tat ")]
        said = (
            "\n  ".join(["its log ends with:", *(telling or lines)[-TAIL_LINES:]])
            if lines
            else "its log is empty"
        )
        return UserError("broker-not-started", str(self.path), f"Kafka {reason}; {said}", _advice(printed))

    def _printed(self) -> str:
        with self.path.open("rb") as log:
            log.seek(self._start)
            return log.read().decode(errors="replace")


def _advice(printed: str) -> str:
    if "insufficient memory" in printed or "Could not reserve" in printed:
        return f"free some memory, {ELSEWHERE}"
    if "No space left" in printed:
        return f"free some disk space, {ELSEWHERE}"
    return f"read the whole log in that file, {ELSEWHERE}"
