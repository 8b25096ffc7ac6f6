"""Reading a folder of playbooks: everything that is wrong is said at once, then nothing is loaded."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from app.domain.errors import UserError, UserErrors
from app.domain.playbook_set import PlaybookSet
from app.playbooks.conflicts import conflicts
from app.playbooks.kinds import KINDS
from app.playbooks.policy import PolicyModel
from app.playbooks.problems import nearest, problems_of

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    root = DEFAULTS if folder is None else folder
    problems: list[UserError] = []
    policies: list[PolicyModel] = []
    written = list(_read_all(root, policies, problems))
    problems += conflicts(written)
    if problems:
        raise UserErrors(problems)
    policy = policies[0] if policies else PolicyModel()
    return PlaybookSet((playbook.model.compile() for playbook in written), policy.compile())


def playbook_files(root: Path) -> list[Path]:
    """The files of a folder that `load_playbooks` reads, the policy's among them, in order."""
    return sorted((*root.glob("*.toml"), *root.glob("[!.]*/*.toml")))


def _read_all(root: Path, policies: list[PolicyModel], problems: list[UserError]) -> Iterator[Written]:
    if not root.is_dir():
        problems.append(
            UserError(
                "no-such-folder",
                str(root),
                "is no folder",
                "name a folder that holds playbooks as .toml files",
            )
        )
        return
    files = playbook_files(root)
    if all(file.name == POLICY_FILE for file in files):
        problems.append(
            UserError(
                "no-playbooks",
                str(root),
                "holds no playbook",
                "add one as a .toml file, or name another folder",
            )
        )
    for file in files:
        content = _read_toml(file, problems)
        if content is None:
            continue
        if file.name == POLICY_FILE:
            _read_policy(root, file, content, policies, problems)
        else:
            yield from _read_playbook(file, content, problems)


def _read_toml(file: Path, problems: list[UserError]) -> dict[str, Any] | None:
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        problems.append(UserError("unreadable-file", str(file), f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError:
        problems.append(UserError("not-toml", str(file), "is no UTF-8 text", "save it as UTF-8"))
    except tomllib.TOMLDecodeError as error:
        problems.append(UserError("not-toml", str(file), f"is no TOML: {error}"))
    return None


def _read_playbook(file: Path, content: dict[str, Any], problems: list[UserError]) -> Iterator[Written]:
    kind = content.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        problems.append(_kind_problem(file, kind))
        return
    try:
        yield Written(str(file), model.model_validate({"name": file.stem, **content}))
    except ValidationError as error:
        problems += problems_of(error, model, str(file))


def _kind_problem(file: Path, kind: object) -> UserError:
    if kind is None:
        known = ", ".join(f'"{known}"' for known in KINDS)
        return UserError("missing-key", f"{file}: kind", "must be given", f"write kind = one of {known}")
    return UserError(
        "unknown-kind", f"{file}: kind", f"{kind!r} is no kind of playbook", nearest(str(kind), list(KINDS))
    )


def _read_policy(
    root: Path, file: Path, content: dict[str, Any], policies: list[PolicyModel], problems: list[UserError]
) -> None:
    if file.parent != root:
        hint = f"move it to {root / POLICY_FILE}"
        problems.append(
            UserError("misplaced-policy", str(file), "one policy holds for the whole folder", hint)
        )
    try:
        policies.append(PolicyModel.model_validate(content))
    except ValidationError as error:
        problems += problems_of(error, PolicyModel, str(file))
