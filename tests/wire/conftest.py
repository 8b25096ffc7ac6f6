"""Shared by the tests of the wire: records of every topic made from the schemas, and a schema registry to talk to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import msgspec
import pytest
from hypothesis import strategies as st

from app.domain.events import INPUTS
from app.wire.bad_record import BadRecord
from app.wire.checks import CHECKS
from app.wire.codec import RECORDS
from app.wire.registry import Registry
from app.wire.schemas import shipped_schemas

YEAR_2000_MS = 946_684_800_000
YEAR_2100_MS = 4_102_444_800_000
LONGS = st.integers(-(2**63), 2**63 - 1)
NUDGE_CHANNELS = st.sampled_from(["EMAIL", "SMS", "IN_APP", "PUSH", "WEBHOOK"])
NEEDED = {
    "points": 1,
    "session_id": "s1",
    "session_at": YEAR_2100_MS,
    "until": YEAR_2100_MS,
    "workflow_id": "w:m:1",
}


class Values:
    """Strategies for the values of one schema; for inputs only such as the checks let through."""

    def __init__(self, *, checked: bool) -> None:
        self._named: dict[str, st.SearchStrategy[Any]] = {}
        instants = st.integers(YEAR_2000_MS, YEAR_2100_MS) if checked else LONGS
        longs = st.integers(0, 2**63 - 1) if checked else LONGS
        self._instants = instants
        self._plain: dict[str, st.SearchStrategy[Any]] = {
            "null": st.none(),
            "string": st.text(min_size=1 if checked else 0, max_size=12),
            "boolean": st.booleans(),
            "long": longs,
            "double": st.floats(allow_nan=False, allow_infinity=False),
            "bytes": st.binary(max_size=12),
        }

    def of(self, schema: Any) -> st.SearchStrategy[Any]:
        if isinstance(schema, str):
            return self._named[schema] if schema in self._named else self._plain[schema]
        if isinstance(schema, list):
            return st.one_of([self.of(branch) for branch in schema])
        match schema["type"]:
            case "record":
                found = st.fixed_dictionaries(
                    {field["name"]: self.field(field) for field in schema["fields"]}
                )
                self._named[schema["name"]] = found
            case "enum":
                found = self._named[schema["name"]] = st.sampled_from(schema["symbols"])
            case "array":
                found = st.lists(self.of(schema["items"]), max_size=3)
            case "map":
                found = st.dictionaries(st.text(max_size=8), self.of(schema["values"]), max_size=3)
            case _:
                found = self._instants if "logicalType" in schema else self.of(schema["type"])
        return found

    def field(self, field: dict[str, Any]) -> st.SearchStrategy[Any]:
        if field["name"] == "consents":
            return st.dictionaries(NUDGE_CHANNELS, st.none() | st.booleans())
        return self.of(field["type"])


@pytest.fixture(scope="session")
def records() -> Callable[[str], st.SearchStrategy[Any]]:
    """A strategy for the records of a topic; those of input topics are valid."""
    known: dict[str, st.SearchStrategy[Any]] = {}

    def make(topic: str, fields: dict[str, Any]) -> Any:
        record = msgspec.convert(fields, RECORDS[topic])
        if topic in CHECKS:
            with suppress(BadRecord):
                CHECKS[topic](record)
                return record
            filling = {name: value for name, value in NEEDED.items() if fields.get(name, 0) is None}
            if fields.get("operation") == "CLEAR":
                filling["points"] = None
            record = msgspec.structs.replace(record, **filling)
            CHECKS[topic](record)
        return record

    def of(topic: str) -> st.SearchStrategy[Any]:
        if topic not in known:
            schema = shipped_schemas().current(RECORDS[topic].__name__).source
            values = Values(checked=topic in INPUTS).of(schema)
            known[topic] = values.map(lambda fields: make(topic, fields))
        return known[topic]

    return of


class RegistryServer:
    """A schema registry with the two endpoints that are used, in memory.

    `answers` replaces the answer to a path: (status, body) with the body as bytes or as something JSON can say.
    """

    def __init__(self) -> None:
        self.schemas: dict[int, str] = {}
        self.subjects: dict[str, int] = {}
        self.requests: list[tuple[str, str]] = []
        self.authorizations: list[str | None] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it; again is no harm."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def add(self, schema: Any, number: int | None = None) -> int:
        """Register a schema without asking; gives its id."""
        text = json.dumps(schema)
        known = {value: key for key, value in self.schemas.items()}
        number = number or known.get(text, len(self.schemas) + 1)
        self.schemas[number] = text
        return number

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if path in self.answers:
            return self.answers[path]
        parts = path.strip("/").split("/")
        if method == "GET" and parts[:2] == ["schemas", "ids"]:
            text = self.schemas.get(int(parts[2]))
            return (
                (200, {"schema": text})
                if text
                else (404, {"error_code": 40403, "message": "Schema not found"})
            )
        if method == "POST" and parts[0] == "subjects" and parts[2] == "versions":
            number = self.add(json.loads(json.loads(body)["schema"]))
            self.subjects[parts[1]] = number
            return 200, {"id": number}
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def _respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                registry.requests.append((self.command, self.path))
                registry.authorizations.append(self.headers.get("Authorization"))
                status, answer = registry.answer(self.command, self.path, body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _respond  # noqa: N815  the names http.server looks for

            def log_message(self, *_: object) -> None:
                """The test's output is not the place for it."""

        return Handler


@pytest.fixture
def registry_server() -> Iterator[RegistryServer]:
    """A registry of this test's own."""
    with RegistryServer() as server:
        yield server


@pytest.fixture(scope="session")
def shared_registry() -> Iterator[Registry]:
    """A registry client for tests that only need some registry."""
    with RegistryServer() as server:
        yield Registry(server.url)
