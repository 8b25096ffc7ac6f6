"""What a command that decides is configured with: settings, and the playbooks they name."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.domain.errors import UserError, UserErrors
from app.playbooks.loader import load_sets
from app.service.settings import find_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@contextmanager
def with_playbook_errors(
    overrides: Mapping[str, str] | None = None, folders: Sequence[Path | None] = (None,)
) -> Iterator[None]:
    """Adds what is wrong with the playbooks to what is raised of the settings within it: a person hears of both at once.

    Reads nothing where nothing is wrong with the settings: the command itself reads the playbooks then.

    Args:
        overrides: as `load_settings` is given them within.
        folders: of playbooks; None: that of the settings, whose playbooks are left alone where what they say of it is
            itself wrong.

    Raises UserErrors.
    """
    try:
        yield
    except (UserError, UserErrors) as wrong:
        errors = wrong.errors if isinstance(wrong, UserErrors) else [wrong]
        raise UserErrors([*errors, *_playbook_errors(folders, overrides)]) from None


def _playbook_errors(folders: Sequence[Path | None], overrides: Mapping[str, str] | None) -> list[UserError]:
    try:
        load_sets(_folder_set(overrides) if folder is None else folder for folder in folders)
    except UserErrors as wrong:
        return wrong.errors
    return []


def _folder_set(overrides: Mapping[str, str] | None) -> Path | None:
    """The folder the settings name; None, for the shipped one, also where what they say of it is wrong."""
    named = next(
        each for each in find_settings(overrides=overrides)[0] if each.setting.attribute == "playbooks"
    )
    try:
        folder: Path | None = named.read()
    except ValueError:
        return None
    return folder
