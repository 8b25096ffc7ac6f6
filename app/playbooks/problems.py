"""What is wrong with a playbook, in words for the person who wrote it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from app.domain.errors import UserError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Path = tuple[int | str, ...]


def problems_of(error: ValidationError, model: type[BaseModel], file: str) -> list[UserError]:
    """One `UserError` for each thing that `model` found wrong in `file`, in the order in which it found them."""
    return [_problem(details, model, file) for details in error.errors(include_url=False)]


def nearest(word: str, known: list[str]) -> str:
    """A hint that names the known word most like `word`, else all of them."""
    close = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"known here: {', '.join(known)}" if known else ""


def key_path(path: Path) -> str:
    """`inactivity.channels[1]`, of a key's steps."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def _problem(details: ErrorDetails, model: type[BaseModel], file: str) -> UserError:
    # Pydantic puts "[key]" behind the path when the key itself will not do; the path names it already.
    path: Path = tuple(step for step in details["loc"] if step != "[key]")
    place = f"{file}: {key_path(path)}" if path else file
    if details["type"] == "extra_forbidden":
        return UserError(
            "unknown-key", place, "unknown key", nearest(str(path[-1]), _known_keys(model, path[:-1]))
        )
    if details["type"] == "missing":
        return UserError("missing-key", place, "must be given")
    return UserError("bad-value", place, *_in_words(details))


def _in_words(details: ErrorDetails) -> tuple[str, str]:
    """Problem and hint for a value that will not do."""
    context: dict[str, Any] = details.get("ctx", {})
    value = details["input"]
    match details["type"]:
        case "value_error":
            return str(context["error"]), ""
        case "literal_error":
            choices = str(context["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
            return f"{value!r} is none of {', '.join(choices)}", _close_choice(value, choices)
        case "too_short":
            return "must not be empty", ""
        case "string_too_short":
            return "must not be an empty text", ""
        case _:
            problem = details["msg"].removeprefix("Input should be ")
            return f"{value!r} is not {problem}", ""


def _close_choice(value: object, choices: list[str]) -> str:
    close = get_close_matches(str(value).upper(), choices, n=1)
    return f"did you mean {close[0]}?" if close else ""


def _known_keys(model: type[BaseModel], path: Path) -> list[str]:
    """Keys of the table at `path`; none when the model has no table there."""
    here: type[BaseModel] | None = model
    for step in path:
        if here is not None and isinstance(step, str):
            field = next((f for n, f in here.model_fields.items() if step in (n, f.alias)), None)
            here = None if field is None else _table_in(field.annotation)
    return [] if here is None else [field.alias or name for name, field in here.model_fields.items()]


def _table_in(annotation: object) -> type[BaseModel] | None:
    """The table an annotation speaks of, also inside a list or a map."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((table for inner in get_args(annotation) if (table := _table_in(inner)) is not None), None)
