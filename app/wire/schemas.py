"""The Avro schemas this installation knows: one current per record, and every released version of it.

A schema file is `schemas/<Record>.avsc`; `schemas/released/<Record>/0001.avsc` and on are what others may have
written with, and are never changed. Everything here reads files once and may block; nothing of it is on the hot path.
"""

import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from fastavro.schema import SchemaParseException, fingerprint, parse_schema, to_parsing_canonical_form

from app.domain.errors import UserError


@dataclass(frozen=True)
class WireSchema:
    """One version of one record's schema.

    Attributes:
        name: the record's name, without namespace.
        source: the schema as its file has it.
        parsed: the same for fastavro, without logical types: instants are read and written as the longs they are,
            which saves 40 % of a read.
        fingerprint: the 8 bytes of its CRC-64-AVRO, little-endian, as single-object encoding carries them.
    """

    name: str
    source: dict[str, Any]
    parsed: dict[str, Any]
    fingerprint: bytes


class SchemaStore:
    """The schemas of one folder; each is read when first asked for.

    Raises:
        UserError: from any method, `bad-schema` for a file that is missing or holds no Avro record schema.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or schemas_folder()
        self._current: dict[str, WireSchema] = {}

    def names(self) -> list[str]:
        """The names of all records that have a current schema, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.avsc"))

    def current(self, name: str) -> WireSchema:
        """The schema this version writes with and resolves all others to."""
        found = self._current.get(name)
        if found is None:
            found = self._current[name] = read_schema(self.folder / f"{name}.avsc", name)
        return found

    def released(self, name: str) -> list[WireSchema]:
        """The released versions of a record's schema, oldest first; empty for a record never released."""
        return [read_schema(path, name) for path in self.released_files(name)]

    def released_files(self, name: str) -> list[Path]:
        """The files of the released versions, oldest first."""
        return sorted((self.folder / "released" / name).glob("[0-9][0-9][0-9][0-9].avsc"))

    def by_fingerprint(self, wanted: bytes) -> WireSchema | None:
        """The schema of any record and version that has this fingerprint, None where no record ever had it."""
        return self._all_by_fingerprint.get(wanted)

    @cached_property
    def _all_by_fingerprint(self) -> dict[bytes, WireSchema]:
        versions = [version for name in self.names() for version in self.released(name)]
        versions += [self.current(name) for name in self.names()]
        return {version.fingerprint: version for version in versions}


@cache
def shipped_schemas() -> SchemaStore:
    """The store of the schemas that come with Reengage, shared by all who do not bring their own."""
    return SchemaStore()


def schemas_folder() -> Path:
    """Where the shipped schemas lie: inside the package where it is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_data" / "schemas"
    return installed if installed.is_dir() else package.parent / "schemas"


def read_schema(path: Path, name: str) -> WireSchema:
    """Read one schema file, which must be of the record `name`.

    Raises:
        UserError: `bad-schema`.
    """
    try:
        schema = wire_schema(json.loads(path.read_text(encoding="utf-8")))
        if schema.name != name:
            raise ValueError(f"it is of {schema.name}, not of {name}")  # noqa: TRY301  told like the others
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UserError(
            "bad-schema",
            str(path),
            f"it holds no Avro record schema: {reason}",
            "restore the file as it was released",
        ) from None
    return schema


def wire_schema(source: Any) -> WireSchema:
    """Take a schema as JSON has it.

    Raises:
        ValueError: when it is no Avro schema of a record.
    """
    if not isinstance(source, dict) or source.get("type") != "record":
        raise ValueError("it is not of type record")
    if "fields" not in source:
        raise ValueError("it has no fields")
    try:
        # This comes first: it fails on absurd nesting, on which fastavro's C would end the process.
        plain = without_logical_types(source)
        canonical = to_parsing_canonical_form(source)
        parsed = parse_schema(plain, {})
    except (SchemaParseException, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    return WireSchema(
        name=str(source["name"]).rpartition(".")[2],
        source=source,
        parsed=parsed,
        fingerprint=bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO")),
    )


def without_logical_types(node: Any) -> Any:
    """A schema, or part of one, with every logical type replaced by the type under it."""
    if isinstance(node, list):
        return [without_logical_types(each) for each in node]
    if isinstance(node, dict):
        return {key: without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    return node
