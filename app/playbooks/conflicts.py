"""What no playbook has wrong by itself, but several have together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.errors import UserError
from app.playbooks.reengager import ReengagerModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.playbooks.loader import Written


def conflicts(written: Iterable[Written]) -> list[UserError]:
    """Playbooks of one name, and re-engagers of one tag; each is told at the later file."""
    problems: list[UserError] = []
    names: dict[str, str] = {}
    tags: dict[str, str] = {}
    for file, model in written:
        first = names.setdefault(model.name, file)
        if first != file:
            hint = "names become part of ids; give each playbook its own"
            problems.append(
                UserError("duplicate-playbook", f"{file}: name", f"{model.name!r} is also {first}", hint)
            )
        if isinstance(model, ReengagerModel):
            tag = model.inactivity.tag
            first = tags.setdefault(tag, file)
            if first != file:
                hint = "two re-engagers would take each other's tag off; give each its own"
                problems.append(
                    UserError(
                        "shared-tag", f"{file}: inactivity.tag", f"{tag!r} is also the tag of {first}", hint
                    )
                )
    return problems
