"""Where playbooks and policy say what they say: file and line of each of their keys."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

from app.playbooks.key_lines import key_lines
from app.playbooks.listing import playbook_files
from app.playbooks.loader import DEFAULTS, POLICY_FILE
from app.playbooks.problems import key_path


class Place(NamedTuple):
    """Where a key stands.

    Attributes:
        file: as seen from the working directory; of a shipped playbook, from the folder of these.
        line: of the key, else of the table it would stand in; None: neither is written.
        key: its path, as asked for.
        is_default: whether it is not written, and its default holds.
    """

    file: str
    line: int | None
    key: str
    is_default: bool

    def __str__(self) -> str:
        at = self.file if self.line is None else f"{self.file}:{self.line}"
        return " ".join(filter(None, (at, self.key, "(default)" if self.is_default else "")))


class Sources:
    """The files of a folder that `load_playbooks` has found to be right; None: the shipped ones. Reads them once."""

    def __init__(self, folder: Path | None) -> None:
        root = DEFAULTS if folder is None else folder
        self._files: dict[str, tuple[str, dict[str, int]]] = {}
        self._policy = (_shown(root / POLICY_FILE, root), {"": 0})
        for file in playbook_files(root, []):
            document = file.read_text("utf-8-sig")
            lines = {key_path(path): line for path, line in key_lines(document).items()}
            if file.name == POLICY_FILE:
                self._policy = (_shown(file, root), lines)
            else:
                name = str(tomllib.loads(document).get("name", file.stem))
                self._files[name] = (_shown(file, root), lines)

    def of_playbook(self, name: str, key: str) -> Place | None:
        """Where a playbook's key stands; an empty key: the playbook as a whole. None: there is no such playbook."""
        found = self._files.get(name)
        return None if found is None else _place(*found, key)

    def of_policy(self, key: str) -> Place:
        """Where a key of the policy stands, which need not be written at all."""
        return _place(*self._policy, key)


def _place(file: str, lines: dict[str, int], key: str) -> Place:
    if key in lines:
        return Place(file, lines[key], key, is_default=False)
    if not key:
        return Place(file, None, "", is_default=False)
    outer = key
    while outer and outer not in lines:
        outer = outer[: max(outer.rfind("."), outer.rfind("["), 0)]
    return Place(file, lines.get(outer) if outer else None, key, is_default=True)


def _shown(file: Path, root: Path) -> str:
    if root == DEFAULTS:
        return str(file.relative_to(root))
    try:
        here = Path.cwd()
    except OSError:  # it is gone, or may not be looked at
        return str(file)
    return str(file.relative_to(here)) if file.is_relative_to(here) else str(file)
