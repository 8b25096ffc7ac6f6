"""`reengage check`: everything that can be found wrong before a worker runs (contract 7); needs no broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.errors import UserError, UserErrors
from app.playbooks.listing import NO_FOLDER
from app.playbooks.loader import load_playbooks
from app.tools import schemas
from app.wire.topics import load_topics

if TYPE_CHECKING:
    from pathlib import Path

    from app.service.settings import Settings


def run(directory: Path | None, settings: Settings) -> int:
    """Print what was checked, and raise what is wrong; 0 when nothing is.

    Args:
        directory: folder of playbooks and policy; None: that of the settings, the shipped one if they name none.
        settings: as loaded.

    Raises:
        UserErrors: every problem of playbooks, policy, schemas and topic declarations, with exit code 1; with exit
            code 2 if `directory` is no folder.
    """
    folder = settings.playbooks if directory is None else directory
    problems = _playbooks(folder)
    problems += schemas.check()
    problems += _topics()
    if problems:
        raise UserErrors(problems)
    print("no problems found")
    return 0


def _playbooks(folder: Path | None) -> list[UserError]:
    try:
        found = load_playbooks(folder)
    except UserErrors as errors:
        for error in errors.errors:
            error.exit_code = 2 if error.reference == NO_FOLDER else 1
        return errors.errors
    names = ", ".join(f"{playbook.name} ({playbook.kind})" for playbook in found.playbooks)
    print(f"playbooks of {folder or 'the shipped set'}: {names}")
    return []


def _topics() -> list[UserError]:
    try:
        load_topics()
    except UserErrors as errors:
        for error in errors.errors:
            error.exit_code = 1
        return errors.errors
    return []
