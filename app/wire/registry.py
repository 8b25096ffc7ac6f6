"""A client of a Confluent schema registry: which schema an id stands for, and under which id ours are known.

The registry is asked over HTTP, which blocks; so every answer is kept, and a process asks once for each schema id it
reads and once for each topic it writes. `Codec.prepare` asks for the latter before the first record.
"""

import base64
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from app.domain.errors import UserError
from app.wire.bad_record import BadRecord, shown
from app.wire.bounds import check_bounded
from app.wire.schemas import WireSchema, wire_schema

_UNKNOWN_FOR_S = 30.0
_REFUSED_AT_MOST = 10_000
_SCHEMA_NOT_FOUND = 40403
_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


class Registry:
    """A schema registry, seen through its cache.

    Args:
        url: `http(s)://[user:password@]host[:port][/path]`; user and password go out as basic authentication and
            never into a message.
        tls: for https; None takes the system's certificates.
        timeout_s: how long one request may block.
    """

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None, timeout_s: float = 10.0) -> None:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self.place = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        if parts.scheme not in ("http", "https") or not host:
            raise UserError(
                "bad-registry-url",
                "REENGAGE_SCHEMA_REGISTRY",
                "it is no URL of a schema registry",
                "write it as http://host:8081",
            )
        self._headers = {"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
        self._tls = tls
        self._timeout_s = timeout_s
        self._writers: dict[int, WireSchema] = {}
        self._refused: dict[int, tuple[str, float]] = {}
        self._ids: dict[str, int] = {}

    def writer_schema(self, number: int) -> WireSchema:
        """The schema registered under an id. Blocks for one request when the id is new to this process.

        An id the registry does not know is asked for again after 30 s, as it may be registered by then.

        Raises:
            BadRecord: `unknown_schema`, when the registry has no such schema or it is none we can read.
            UserError: `registry-unreachable` or `registry-refused`; the record is not to blame and must not be lost.
        """
        found = self._writers.get(number)
        if found is not None:
            return found
        refusal, until = self._refused.get(number, ("", 0.0))
        if time.monotonic() >= until:
            refusal = self._load(number)
        if refusal:
            raise BadRecord("unknown_schema", refusal)
        return self._writers[number]

    def register(self, subject: str, schema: WireSchema) -> int:
        """The id of `schema` under `subject`, registering it there if it is not yet. Blocks for one request.

        Raises:
            UserError: `registry-unreachable` or `registry-refused`, the latter also for a schema that is not
                compatible with what the subject holds.
        """
        known = self._ids.get(subject)
        if known is None:
            answer = self._ask(
                f"/subjects/{quote(subject, safe='')}/versions", {"schema": json.dumps(schema.source)}
            )
            if answer is None or not isinstance(answer.get("id"), int):
                raise self._refusal(f"subject {subject} cannot be registered: {shown(answer)}")
            known = self._ids[subject] = answer["id"]
        return known

    def _load(self, number: int) -> str:
        """Fetch a schema into the cache; the reason why not, or an empty text."""
        answer = self._ask(f"/schemas/ids/{number}")
        refusal = f"schema id {number} is not in the registry"
        if answer is not None:
            refusal = self._keep(number, answer)
        if refusal:
            if len(self._refused) >= _REFUSED_AT_MOST:
                self._refused.clear()
            self._refused[number] = (refusal, time.monotonic() + _UNKNOWN_FOR_S)
        return refusal

    def _keep(self, number: int, answer: dict[str, Any]) -> str:
        kind = answer.get("schemaType", "AVRO")
        if kind != "AVRO":
            return f"schema id {number} is of type {shown(kind)}, not AVRO"
        if answer.get("references"):
            return f"schema id {number} refers to other schemas, which are not followed; register it in one piece"
        try:
            schema = wire_schema(json.loads(str(answer.get("schema"))))
            check_bounded(schema.parsed)
        except (ValueError, RecursionError) as error:
            return f"schema id {number} is no Avro schema to read records with: {error}"
        self._writers[number] = schema
        return ""

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The registry's JSON answer; None when it says that there is no such thing."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.place + path, data, self._headers)  # noqa: S310  checked: http or https
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s, context=self._tls) as response:  # noqa: S310
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            code, message = _said(error)
            if code == _SCHEMA_NOT_FOUND:
                return None
            raise self._refusal(f"it answered {error.code} to {path}: {message}") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise UserError(
                "registry-unreachable",
                self.place,
                f"the schema registry does not answer: {reason}",
                "start it, or correct REENGAGE_SCHEMA_REGISTRY",
            ) from None
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self._refusal(f"it answered {path} with something that is no JSON object")
        return answer

    def _refusal(self, problem: str) -> UserError:
        return UserError(
            "registry-refused",
            self.place,
            problem,
            "see whether REENGAGE_SCHEMA_REGISTRY names a schema registry",
        )


def _said(error: urllib.error.HTTPError) -> tuple[int | None, str]:
    """The registry's own error code and message, the latter in at most 200 characters.

    Only the code tells a schema that is not there from a URL that is no registry's, which also answers 404.
    """
    with error:
        text = error.read(4096).decode("utf-8", "replace").strip()
    try:
        answer = json.loads(text)
        return answer["error_code"], str(answer["message"])[:200]
    except (ValueError, KeyError, TypeError):
        return None, text[:200] or str(error.reason)
