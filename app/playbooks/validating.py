"""From what a file says to its model, with everything that is wrong said at once."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from app.playbooks.problems import problems_of, unknown_keys

if TYPE_CHECKING:
    from app.domain.errors import UserError
    from app.playbooks.problems import Path
    from app.playbooks.values import Table

_Model = TypeVar("_Model", bound="Table")


def validated(
    model: type[_Model], content: dict[str, Any], file: str, problems: list[UserError]
) -> _Model | None:
    """The model of a file's content, unknown keys aside; None where it will not do. Adds what is wrong to `problems`.

    A table's keys are only checked against each other if there is nothing else wrong with it. An unknown key is no
    reason to leave that out, so what is written is looked at once more without such keys.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = problems_of(error, model, file)
        unknown = unknown_keys(error, model)
    problems += found
    if not unknown:
        return None
    try:
        return model.model_validate(_without(content, unknown))
    except ValidationError as error:
        said = {str(problem) for problem in found}
        problems += [problem for problem in problems_of(error, model, file) if str(problem) not in said]
    return None


def _without(content: dict[str, Any], keys: list[Path]) -> dict[str, Any]:
    rest = deepcopy(content)
    for *outer, key in keys:
        table: Any = rest
        for step in outer:
            table = table[step]
        del table[key]
    return rest
