"""Reading a folder of playbooks: everything that is wrong is said at once, then nothing is loaded."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from app.domain.errors import UserError, UserErrors
from app.domain.playbook_set import PlaybookSet
from app.playbooks.conflicts import conflicts
from app.playbooks.kinds import KINDS
from app.playbooks.listing import playbook_files, unreadable_path
from app.playbooks.policy import PolicyModel
from app.playbooks.problems import closest, nearest
from app.playbooks.toml_file import load_toml, unusable
from app.playbooks.validating import validated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.playbooks.model import PlaybookModel

DEFAULTS = Path(__file__).parent / "defaults"
"""The shipped playbooks: one subfolder, a set of its own, for each source system; all of them are the default set."""

POLICY_FILE = "policy.toml"


class Written(NamedTuple):
    """One playbook as written, and where."""

    file: str
    model: PlaybookModel


def load_playbooks(folder: Path | None) -> PlaybookSet:
    """The compiled playbooks of a folder, None being the shipped set. Reads files: not for a running worker.

    Playbooks are the `.toml` files of the folder and of its subfolders, one level deep; `policy.toml` beside them is
    the nudge policy.

    Raises:
        UserErrors: everything wrong with any of the files, each with file and key path.
    """
    found = _Found(DEFAULTS if folder is None else folder)
    problems = [*found.problems, *conflicts(found.written, found.names)]
    if problems:
        raise UserErrors(problems)
    policy = found.policies[0] if found.policies else PolicyModel()
    return PlaybookSet((playbook.model.compile() for playbook in found.written), policy.compile())


def load_sets(folders: Iterable[Path | None]) -> list[PlaybookSet]:
    """The playbooks of each folder, as `load_playbooks` has them.

    Raises:
        UserErrors: everything wrong in any of the folders.
    """
    sets: list[PlaybookSet] = []
    problems: list[UserError] = []
    for folder in folders:
        try:
            sets.append(load_playbooks(folder))
        except UserErrors as errors:
            problems += errors.errors
    if problems:
        raise UserErrors(problems)
    return sets


class _Found:
    """What the files of a folder say.

    Attributes:
        written: the playbooks that are right by themselves, unknown keys and a slip in `kind` aside.
        names: of all playbooks, by file, right or not.
        policies: those that are right; one at most where there are no problems.
        problems: what is wrong with a file by itself.
    """

    def __init__(self, root: Path) -> None:
        self.written: list[Written] = []
        self.names: dict[str, str] = {}
        self.policies: list[PolicyModel] = []
        self.problems: list[UserError] = []
        files = playbook_files(root, self.problems)
        if not self.problems and all(file.name == POLICY_FILE for file in files):
            hint = "add one as a .toml file, or name another folder"
            self.problems.append(UserError("no-playbooks", str(root), "holds no playbook", hint))
        for file in files:
            content = self._load(file)
            if content is None:
                continue
            if file.name == POLICY_FILE:
                self._take_policy(root, file, content)
            else:
                self._take_playbook(file, {"name": file.stem, **content})

    def _load(self, file: Path) -> dict[str, Any] | None:
        try:
            return load_toml(file)
        except OSError as error:
            self.problems.append(unreadable_path(file, error))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            self.problems.append(unusable(str(file), error))
        return None

    def _take_policy(self, root: Path, file: Path, content: dict[str, Any]) -> None:
        if file.parent != root:
            hint = f"move it to {root / POLICY_FILE}"
            self.problems.append(
                UserError("misplaced-policy", str(file), "one policy holds for the whole folder", hint)
            )
        policy = validated(PolicyModel, content, str(file), self.problems)
        if policy is not None:
            self.policies.append(policy)

    def _take_playbook(self, file: Path, content: dict[str, Any]) -> None:
        if isinstance(content["name"], str):
            self.names[str(file)] = content["name"]
        kind = self._kind(file, content)
        if kind is not None:
            model = validated(KINDS[kind], {**content, "kind": kind}, str(file), self.problems)
            if model is not None:
                self.written.append(Written(str(file), model))

    def _kind(self, file: Path, content: dict[str, Any]) -> str | None:
        """The kind that is meant; None where nobody can tell. A misspelt key is taken out of the content."""
        key = "kind"
        if key not in content:
            slip = next((other for other in content if closest(other, [key])), None)
            if slip is None:
                known = ", ".join(f'"{known}"' for known in KINDS)
                hint = f"write kind = one of {known}"
                self.problems.append(UserError("missing-key", f"{file}: kind", "must be given", hint))
                return None
            self.problems.append(
                UserError("unknown-key", f"{file}: {slip}", "unknown key", nearest(slip, [key]))
            )
            key = slip
        kind = content.pop(key)
        if isinstance(kind, str) and kind in KINDS:
            return kind
        known_kinds = list(KINDS)
        self.problems.append(
            UserError(
                "unknown-kind",
                f"{file}: {key}",
                f"{kind!r} is no kind of playbook",
                nearest(str(kind), known_kinds),
            )
        )
        return closest(str(kind), known_kinds)
