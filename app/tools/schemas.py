"""`reengage schemas check`: whether what is written today, and all that was ever released, can be read (contract 2).

Released versions are never changed. A change of a current schema is released with it: `release` writes the next
version, and until then the change is reported.
"""

import json
from pathlib import Path
from typing import Any

import avro.schema
from avro.compatibility import (
    ReaderWriterCompatibilityChecker,
    SchemaCompatibilityType,
    SchemaIncompatibilityType,
)

from app.domain.errors import UserError
from app.wire.codec import RECORDS
from app.wire.schemas import SchemaStore, WireSchema, read_schema


def check(folder: Path | None = None) -> list[UserError]:
    """Everything wrong with the schemas in `folder` (default: those shipped), in the order of the records' names.

    `schema-missing`: a record without schema. `bad-schema`: a file that is none. `schema-incompatible`: a current
    schema that cannot read a released version of it (BACKWARD_TRANSITIVE). `schema-not-released`: a current schema
    that differs from the newest released one. `schema-withdrawn`: released versions without a current schema.
    Reads files, so it blocks.
    """
    store = SchemaStore(folder)
    errors = _names(store)
    for name in store.names():
        try:
            current = store.current(name)
        except UserError as error:
            errors.append(_found(error))
            continue
        errors += _of_record(store, current)
    return errors


def release(folder: Path | None = None) -> list[Path]:
    """Write each current schema that differs from its newest released version as the next one; the files written.

    Raises:
        UserError: a schema file is damaged, or a schema incompatible with a released one; nothing was written then.
    """
    store = SchemaStore(folder)
    for error in check(store.folder):
        if error.reference != "schema-not-released":
            raise error
    written = []
    for name in store.names():
        files = store.released_files(name)
        if _differs(store.current(name), files):
            path = store.folder / "released" / name / f"{len(files) + 1:04d}.avsc"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((store.folder / f"{name}.avsc").read_bytes())
            written.append(path)
    return written


def _names(store: SchemaStore) -> list[UserError]:
    """Whether every record has a schema, and every released one still has."""
    current = set(store.names())
    needed = {record.__name__ for record in RECORDS.values()}
    released = {path.name for path in (store.folder / "released").glob("*") if path.is_dir()}
    missing = [
        _found(
            UserError(
                "schema-missing",
                str(store.folder / f"{name}.avsc"),
                f"{name} has no schema",
                "restore the file",
            )
        )
        for name in sorted(needed - current)
    ]
    withdrawn = [
        _found(
            UserError(
                "schema-withdrawn",
                str(store.folder / "released" / name),
                f"{name} was released and has no current schema, so its records cannot be read",
                f"restore {name}.avsc",
            )
        )
        for name in sorted(released - current - needed)
    ]
    return missing + withdrawn


def _of_record(store: SchemaStore, current: WireSchema) -> list[UserError]:
    place = str(store.folder / f"{current.name}.avsc")
    files = store.released_files(current.name)
    errors = []
    for path in files:
        try:
            problems = incompatibilities(current.source, read_schema(path, current.name).source)
        except UserError as error:
            errors.append(_found(error))
            return errors
        errors += [
            UserError(
                "schema-incompatible",
                place,
                f"it cannot read what was written with released version {path.stem}: {problem}",
                "give a new field a default, keep a field's type, and keep every enum symbol",
            )
            for problem in problems
        ]
    if not errors and _differs(current, files):
        newest = (
            f"it differs from its newest released version, {files[-1].stem}"
            if files
            else "it was never released"
        )
        errors.append(
            UserError(
                "schema-not-released",
                place,
                newest,
                "when the change is complete, release it: app.tools.schemas.release()",
            )
        )
    return [_found(error) for error in errors]


def incompatibilities(reader: dict[str, Any], writer: dict[str, Any]) -> list[str]:
    """Why records of schema `writer` cannot be read with schema `reader`, one entry a field; empty: they can."""
    ours, theirs = avro.schema.parse(json.dumps(reader)), avro.schema.parse(json.dumps(writer))
    whole = _compatibility(ours, theirs)
    if whole.compatibility is SchemaCompatibilityType.compatible:
        return []
    found = []
    for field in ours.fields:
        written = theirs.fields_dict.get(field.name)
        if written is not None:
            result = _compatibility(field.type, written.type)
            if result.compatibility is not SchemaCompatibilityType.compatible:
                found.append(f"{field.name}: {_in_words(result)}")
        elif not field.has_default:
            found.append(f"{field.name}: the field is new and has no default")
    return found or [_in_words(whole)]


def _compatibility(reader: Any, writer: Any) -> Any:
    return ReaderWriterCompatibilityChecker().get_compatibility(reader, writer)


def _in_words(result: Any) -> str:
    reasons = "; ".join(sorted(result.messages))
    if SchemaIncompatibilityType.missing_enum_symbols in result.incompatibilities:
        return f"enum symbols are gone: {reasons}"
    if SchemaIncompatibilityType.reader_field_missing_default_value in result.incompatibilities:
        return f"fields are new and have no default: {reasons}"
    return reasons


def _differs(current: WireSchema, released: list[Path]) -> bool:
    return not released or without_docs(current.source) != without_docs(
        read_schema(released[-1], current.name).source
    )


def without_docs(node: Any) -> Any:
    """A schema without its descriptions, which may change at any time and mean nothing to a reader of records."""
    if isinstance(node, list):
        return [without_docs(each) for each in node]
    if isinstance(node, dict):
        return {key: without_docs(value) for key, value in node.items() if key != "doc"}
    return node


def _found(error: UserError) -> UserError:
    """The same error from a command that looked for problems: exit code 1 (contract 7)."""
    error.exit_code = 1
    return error
