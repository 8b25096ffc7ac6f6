"""Settings (contract 9): where they are found, how they are read, and what is refused.

Each comes from the first of: the command line, the environment, `reengage.toml` in the working directory (the same
names in lower case), its default. A name that is not in the table is refused, so that a typing mistake cannot leave
a default standing unnoticed.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from app.domain.errors import UserError, UserErrors
from app.playbooks.problems import did_you_mean
from app.playbooks.toml_file import load_toml, unusable
from app.service.security import client_options
from app.service.setting_kinds import BadText
from app.service.setting_table import PREFIX, SETTINGS, Setting

FILE_NAME = "reengage.toml"

_UNKNOWN = "unknown-setting"
_IN_FILE = {setting.name.lower() for setting in SETTINGS}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings as values, checked against each other. Made by `load_settings` only, changed by `replace`.

    Attributes are named as the settings are; None means not set. `data` is never None, and need not exist.
    """

    broker: str | None
    security_protocol: str
    sasl_mechanism: str | None
    sasl_username: str | None
    sasl_password: SecretStr | None
    ssl_cafile: Path | None
    ssl_certfile: Path | None
    ssl_keyfile: Path | None
    ssl_key_password: SecretStr | None
    # A registry's URL may carry a password.
    schema_registry: str | None = field(repr=False)
    app: str
    topic_prefix: str
    playbooks: Path | None
    data: Path
    guarantee: str
    grace_ms: int
    idle_ms: int
    standbys: int
    cached_states: int
    block_cache_bytes: int
    write_buffers_bytes: int

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments every aiokafka client takes: bootstrap_servers, security_protocol, ssl_context, sasl_*.

        Reads the certificate files. Raises UserError `no-broker` without a broker (`app.service.client` finds the
        kept one first) and `bad-certificate` for a file TLS cannot use.
        """
        return client_options(self)


@dataclass(frozen=True)
class Found:
    """A setting as found: `text` as written, or None where there is none; `origin` in words a person can follow."""

    setting: Setting
    text: str | None
    origin: str
    place: str

    @property
    def shown(self) -> str:
        """The value for people, secrets masked; what holds where there is none."""
        if self.text is not None:
            return self.setting.kind.show(self.text)
        return str(self.setting.fallback()) if self.setting.fallback else f"({self.setting.unset})"

    def read(self) -> Any:
        """The value; None where there is none. Raises ValueError saying what is wrong with the text."""
        if self.text is not None:
            return self.setting.kind.read(self.text)
        return self.setting.fallback() if self.setting.fallback else None


def find_settings(
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    overrides: Mapping[str, str] | None = None,
) -> tuple[list[Found], list[UserError]]:
    """Every setting in the table's order, with its text and origin, values not read yet; and what is wrong so far.

    Wrong are unknown names, and a file that cannot be read, is no TOML, or holds anything but strings.

    Args:
        environ: the environment; the process's own when None. Names without `REENGAGE_` are left alone, and an
            empty value counts as not set, as compose files write it.
        folder: where `reengage.toml` may lie; the working directory when None.
        overrides: what the command line says, by the setting's name.
    """
    path = (folder or Path()) / FILE_NAME
    problems: list[UserError] = []
    in_file = _read_file(path, problems)
    in_environ = {
        name: text
        for name, text in (os.environ if environ is None else environ).items()
        if name.startswith(PREFIX)
    }
    names = {setting.name for setting in SETTINGS}
    problems += [_unknown(name, "environment", name, names) for name in sorted(in_environ.keys() - names)]
    problems += [_unknown(key, FILE_NAME, key, _IN_FILE) for key in in_file if key not in _IN_FILE]
    strings = {key: text for key, text in in_file.items() if isinstance(text, str)}
    return [_find(setting, overrides or {}, in_environ, strings) for setting in SETTINGS], problems


def load_settings(
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of this process, from the sources of `find_settings`. Reads files, speaks to no server.

    Raises:
        UserErrors: every unknown name and unreadable value, and if no value is missing for it every contradiction, all
            at once.
    """
    values: dict[str, Any] = {}
    found, problems = find_settings(environ, folder, overrides)
    for item in found:
        try:
            values[item.setting.attribute] = item.read()
        except BadText as bad:
            problems.append(UserError(bad.reference, item.place, str(bad), bad.hint or item.setting.help))
        except ValueError as error:
            problems.append(UserError("bad-setting", item.place, str(error), item.setting.help))
    if all(problem.reference == _UNKNOWN for problem in problems):
        problems += _contradictions(values, {item.setting.attribute: item.place for item in found})
    if problems:
        raise UserErrors(problems)
    return Settings(**values)


def _read_file(path: Path, problems: list[UserError]) -> dict[str, Any]:
    try:
        content = load_toml(path)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(unusable(FILE_NAME, error))
        return {}
    for key, value in content.items():
        # An unknown name is told of as one, whatever its value is.
        if not isinstance(value, str) and key in _IN_FILE:
            hint = (
                f'write {key} = "..", in quotes' if not isinstance(value, dict) else "there are no sections"
            )
            problems.append(UserError("bad-setting", f"{FILE_NAME}: {key}", "must be a string", hint))
    return content


def _unknown(name: str, source: str, key: str, known: set[str]) -> UserError:
    hint = did_you_mean(key, sorted(known)) or "`reengage settings` lists them"
    return UserError(_UNKNOWN, f"{source}: {name}", "there is no such setting", hint)


def _find(
    setting: Setting, overrides: Mapping[str, str], environ: Mapping[str, str], file: Mapping[str, str]
) -> Found:
    key = setting.name.lower()
    if overrides.get(setting.name):
        option = f"--{setting.name.removeprefix(PREFIX).lower().replace('_', '-')}"
        return Found(setting, overrides[setting.name], f"option {option}", option)
    if environ.get(setting.name):
        return Found(setting, environ[setting.name], "environment", f"environment: {setting.name}")
    if file.get(key):
        return Found(setting, file[key], FILE_NAME, f"{FILE_NAME}: {key}")
    return Found(setting, setting.default, "default", f"default of {setting.name}")


def _contradictions(values: Mapping[str, Any], places: Mapping[str, str]) -> Iterator[UserError]:
    """Settings that are right alone but not together; what would be silently ignored is refused."""
    protocol = values["security_protocol"]
    at = places["security_protocol"]
    if protocol.startswith("SASL_"):
        for name in ("sasl_mechanism", "sasl_username", "sasl_password"):
            if values[name] is None:
                missing = f"{PREFIX}{name.upper()}"
                yield UserError("missing-setting", at, f"{protocol} needs {missing}", f"set {missing}")
    else:
        for name in ("sasl_mechanism", "sasl_username", "sasl_password"):
            if values[name] is not None:
                yield UserError(
                    "unused-setting",
                    places[name],
                    f"has no effect with {protocol}",
                    _protocol_hint("SASL_SSL"),
                )
    yield from _tls_contradictions(values, places)


def _tls_contradictions(values: Mapping[str, Any], places: Mapping[str, str]) -> Iterator[UserError]:
    protocol = values["security_protocol"]
    if not protocol.endswith("SSL"):
        for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_key_password"):
            if values[name] is not None:
                yield UserError(
                    "unused-setting", places[name], f"has no effect with {protocol}", _protocol_hint("SSL")
                )
    for name in ("ssl_keyfile", "ssl_key_password"):
        if values[name] is not None and values["ssl_certfile"] is None:
            yield UserError(
                "missing-setting", places[name], "a key without a certificate", "set REENGAGE_SSL_CERTFILE"
            )


def _protocol_hint(protocol: str) -> str:
    return f"set REENGAGE_SECURITY_PROTOCOL={protocol}, or leave this one out"
