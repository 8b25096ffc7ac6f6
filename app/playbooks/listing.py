"""Which files of a folder are playbooks. What cannot be looked at is said: a playbook left out would close its workflows."""

from __future__ import annotations

import errno
from stat import S_ISDIR
from typing import TYPE_CHECKING

from app.domain.errors import UserError
from app.playbooks.unreadable import unreadable

if TYPE_CHECKING:
    from pathlib import Path

_SUFFIX = ".toml"
NO_FOLDER = "no-such-folder"
"""Reference of the error of a folder of playbooks that is none, however it was named."""

NO_FOLDER_HINT = "name a folder that holds playbooks as .toml files"
_NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


def playbook_files(root: Path, problems: list[UserError]) -> list[Path]:
    """The `.toml` files of a folder and of its subfolders, one level deep, in order, a policy's among them.

    Hidden subfolders are left alone. Adds to `problems` what is no folder (`no-such-folder`), cannot be read or links
    to nothing (`unreadable-file`), or is a `.toml` file in a folder deeper than that, or one whose
    suffix has capitals (`misplaced-playbook`).
    """
    files, subfolders = _entries(root, problems)
    for subfolder in subfolders:
        inner, deeper = _entries(subfolder, problems)
        files += inner
        for folder in deeper:
            problems += [_too_deep(file, subfolder) for file in _all_files(folder, problems)]
    return sorted(files)


def unreadable_path(path: Path, error: OSError) -> UserError:
    """What is said of a file or folder that the system does not let us read."""
    leads_nowhere = error.errno in (errno.ENOENT, errno.ELOOP) and path.is_symlink()
    hint = f"it is a link to {path.readlink()}; remove it, or mend it" if leads_nowhere else ""
    return unreadable(str(path), error, hint)


def _entries(folder: Path, problems: list[UserError]) -> tuple[list[Path], list[Path]]:
    """The `.toml` files of a folder, and its subfolders."""
    try:
        names = sorted(folder.iterdir())
    except OSError as error:
        problems.append(_no_folder(folder) if error.errno in _NO_FOLDER else unreadable_path(folder, error))
        return [], []
    files = [path for path in names if path.suffix == _SUFFIX]
    others = [path for path in names if path.suffix != _SUFFIX and not path.name.startswith(".")]
    folders = [path for path in others if _is_folder(path, problems)]
    problems += [_misspelt(path) for path in others if path.suffix.lower() == _SUFFIX and path not in folders]
    return files, folders


def _all_files(folder: Path, problems: list[UserError]) -> list[Path]:
    """The `.toml` files of a folder and of all within it. Links to folders are not followed: one may lead back up."""
    files, subfolders = _entries(folder, problems)
    for subfolder in subfolders:
        if not subfolder.is_symlink():
            files += _all_files(subfolder, problems)
    return files


def _is_folder(path: Path, problems: list[UserError]) -> bool:
    try:
        return S_ISDIR(path.stat().st_mode)
    except OSError as error:
        problems.append(unreadable_path(path, error))
        return False


def _no_folder(folder: Path) -> UserError:
    return UserError(NO_FOLDER, str(folder), "is no folder", NO_FOLDER_HINT)


def _misspelt(file: Path) -> UserError:
    problem = f"ends in {file.suffix}, and would be left out"
    return UserError("misplaced-playbook", str(file), problem, f"name it {file.with_suffix(_SUFFIX).name}")


def _too_deep(file: Path, subfolder: Path) -> UserError:
    problem = "lies too deep: playbooks are read from the folder and its subfolders only"
    return UserError("misplaced-playbook", str(file), problem, f"move it to {subfolder}")
