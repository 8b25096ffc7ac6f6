"""What is wrong with a playbook, in words for the person who wrote it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from app.domain.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

Path = tuple[int | str, ...]
Tables = tuple[type[BaseModel], ...]

_KIND = "do"
"""The key that says of which of several kinds a table is."""

_WRITTEN_AS = {
    "bool_type": "write true or false, without quotes",
    "int_type": "write a whole number, without quotes",
    "float_type": "write a number, without quotes",
    "string_type": 'write it in quotes: "text"',
    "list_type": 'write a list: ["one", "two"]',
}
"""How a value is written in TOML, by what pydantic says of one of another type."""


def problems_of(error: ValidationError, model: type[BaseModel], file: str) -> list[UserError]:
    """One `UserError` for each thing that `model` found wrong in `file`, in the order in which it found them."""
    return [_problem(details, model, file) for details in error.errors(include_url=False)]


def unknown_keys(error: ValidationError, model: type[BaseModel]) -> list[Path]:
    """The keys as written that `model` does not know."""
    return [
        _written_path(details["loc"], model)[0]
        for details in error.errors(include_url=False)
        if details["type"] == "extra_forbidden"
    ]


def nearest(word: str, known: list[str]) -> str:
    """A hint that names the known word most like `word`, else all of them."""
    return did_you_mean(word, known) or (f"known here: {', '.join(known)}" if known else "")


def did_you_mean(word: str, known: Collection[str]) -> str:
    """A hint that names the known word most like `word`; empty where none is."""
    close = closest(word, known)
    return "" if close is None else f"did you mean {close}?"


def closest(word: str, known: Collection[str]) -> str | None:
    """The known word most like `word`, capitals aside; None where none is."""
    by_letters = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), by_letters, n=1, cutoff=0.6)
    return by_letters[close[0]] if close else None


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
    path, tables = _written_path(details["loc"], model)
    match details["type"]:
        case "extra_forbidden":
            hint = nearest(str(path[-1]), _known_keys(details["loc"][:-1], model))
            return UserError("unknown-key", _place(file, path), "unknown key", hint)
        case "missing":
            hint = details.get("ctx", {}).get("hint", "")
            return UserError("missing-key", _place(file, path), "must be given", hint)
        case "union_tag_not_found":
            choices = ", ".join(f'"{_kind_of(table)}"' for table in tables)
            return UserError(
                "missing-key", _place(file, (*path, _KIND)), "must be given", f"write one of {choices}"
            )
        case "union_tag_invalid":
            path = (*path, _KIND)
        case "value_error" if tables:
            key, problem = _key_named(str(details["ctx"]["error"]), tables)
            return UserError("bad-value", _place(file, (*path, *key)), problem)
    return UserError("bad-value", _place(file, path), *_in_words(details))


def _place(file: str, path: Path) -> str:
    return f"{file}: {key_path(path)}" if path else file


def _in_words(details: ErrorDetails) -> tuple[str, str]:
    """Problem and hint for a value that will not do."""
    context: dict[str, Any] = details.get("ctx", {})
    value = details["input"]
    match details["type"]:
        case "value_error":
            return str(context["error"]), ""
        case "literal_error" | "union_tag_invalid":
            expected = str(context.get("expected") or context["expected_tags"])
            choices = expected.replace(" or ", ", ").replace("'", "").split(", ")
            chosen = context.get("tag", value)
            return f"{chosen!r} is none of {', '.join(choices)}", did_you_mean(str(chosen), choices)
        case "too_short":
            return "must not be empty", ""
        case "string_too_short":
            return "must not be an empty text", ""
        case _:
            problem = details["msg"].removeprefix("Input should be ")
            return f"{value!r} is not {problem}", _WRITTEN_AS.get(details["type"], "")


def _key_named(problem: str, tables: Tables) -> tuple[Path, str]:
    """What is wrong with a whole table names the key it lies at before a colon, as in `floor: is above the ceiling`."""
    key, colon, rest = problem.partition(": ")
    if colon and any(key in table.model_fields for table in tables):
        return (key,), rest
    return (), problem


def _known_keys(loc: Path, model: type[BaseModel]) -> list[str]:
    """Keys of the table at a place; none when the model has no table there."""
    _, tables = _written_path(loc, model)
    return [field.alias or name for table in tables for name, field in table.model_fields.items()]


def _written_path(loc: Path, model: type[BaseModel]) -> tuple[Path, Tables]:
    """Where pydantic found something, as the person wrote it, and the tables there may be at that place.

    Pydantic puts in what kind of table it took a table of several kinds for, and "[key]" behind a key that will not
    do itself; neither was written.
    """
    path: list[int | str] = []
    tables: Tables = (model,)
    in_map = False
    for step in loc:
        of_kind = tuple(table for table in tables if len(tables) > 1 and _kind_of(table) == step)
        if of_kind:
            tables = of_kind
        elif step != "[key]":
            path.append(step)
            if in_map:
                in_map = False  # a name the person has chosen
            elif isinstance(step, str):
                fields = [field for table in tables for field in _fields_at(table, step)]
                in_map = any(get_origin(field.annotation) is dict for field in fields)
                tables = tuple(found for field in fields for found in _tables_in(field.annotation))
    return tuple(path), tables


def _fields_at(table: type[BaseModel], key: str) -> list[FieldInfo]:
    return [field for name, field in table.model_fields.items() if key in (name, field.alias)]


def _tables_in(annotation: object) -> Tables:
    """The tables an annotation speaks of, also inside a list or a map."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    return tuple(table for inner in get_args(annotation) for table in _tables_in(inner))


def _kind_of(table: type[BaseModel]) -> object:
    """What stands after `do =` in such a table; None where there are no several kinds."""
    field = table.model_fields.get(_KIND)
    return None if field is None else get_args(field.annotation)[0]
