"""Writes the pages that say what the program says of itself: settings, commands, topics, records.

`python docs/generate.py`, from anywhere; tests/test_docs.py fails while a page is behind.
"""  # noqa: INP001  a script, not part of the package

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from app.broker.rights import Right
from app.broker.roles import ROLES, Names, Role
from app.cli.root import app
from app.domain import engagements, progress, sessions, transfer, workflow
from app.service.metrics import METRICS
from app.service.setting_table import SETTINGS
from app.wire.schemas import shipped_schemas
from app.wire.topics import RANK, Topic, load_topics

FOLDER = Path(__file__).parent
NOTE = "<!-- Made by docs/generate.py; do not edit. -->\n"
WIDTH = 100
WORKFLOW_BEGIN = "<!-- workflow: made by docs/generate.py from app/domain/workflow.py; do not edit -->"
WORKFLOW_END = "<!-- end of workflow -->"
TRANSFER_BEGIN = "<!-- transfer: made by docs/generate.py from app/domain/transfer.py; do not edit -->"
TRANSFER_END = "<!-- end of transfer -->"
ENGAGEMENT_BEGIN = "<!-- engagement: made by docs/generate.py from app/domain/engagements.py; do not edit -->"
ENGAGEMENT_END = "<!-- end of engagement -->"
TRACK_BEGIN = "<!-- track: made by docs/generate.py from app/domain/progress.py; do not edit -->"
TRACK_END = "<!-- end of track -->"
SESSION_BEGIN = "<!-- session: made by docs/generate.py from app/domain/sessions.py; do not edit -->"
SESSION_END = "<!-- end of session -->"
METRICS_BEGIN = "<!-- metrics: made by docs/generate.py from app/service/metrics.py; do not edit -->"
METRICS_END = "<!-- end of metrics -->"
ROLES_BEGIN = "<!-- roles: made by docs/generate.py from app/broker/roles.py; do not edit -->"
ROLES_END = "<!-- end of roles -->"


def settings_page() -> str:
    """Every setting with default, form and meaning."""
    rows = [
        f"| `{setting.name}` | {_default(setting.default, setting.unset)} | {setting.kind.name} | {setting.help} |"
        for setting in SETTINGS
    ]
    return _page(
        "Settings",
        "Set them in the environment, or under the same names in lower case in `reengage.toml` in the working",
        'directory (`reengage_broker = "127.0.0.1:9092"`); the environment wins. A name that is not in this table is',
        "refused. `reengage settings` prints what is in force and where it comes from; secrets are never shown.",
        "",
        "| setting | default | form | meaning |",
        "|---|---|---|---|",
        *rows,
        "",
        "A duration is a whole number and a unit: `500ms`, `30s`, `20m`, `2h`, `7d`, `3w`; days and weeks are exact",
        "multiples of 24 hours. A size is a whole number and `KiB`, `MiB` or `GiB`: `64MiB`.",
    )


def commands_page() -> str:
    """The help of every command, as the program prints it."""
    return _page(
        "Commands",
        "Exit codes: 0 done, 1 a problem was found, 2 wrong use; as shells have it 130 after Ctrl-C, and 141 when the",
        "reader of a pipe has gone. Records come out on standard output, everything said to a person about them on",
        "standard error.",
        *(line for path in command_paths() for line in _help(path)),
    )


def topics_page() -> str:
    """Every declared topic, by role."""
    topics = load_topics().values()
    roles = {
        "input": "## Inputs\n\nWritten by your systems, kept for ever by default, since a replay reads them.",
        "output": "## Outputs\n\nFor your systems.",
        "internal": "## Internal\n\nThe worker's own; not for others to read or write.",
    }
    return _page(
        "Topics",
        "Declared in `topics/*.toml`; `reengage topics apply` creates them, `reengage topics diff` compares. Every name",
        "takes the prefix `REENGAGE_TOPIC_PREFIX`. All topics of one processor have equally many partitions, and a",
        "record lies in the partition that murmur2 gives for its key, as Java clients do by default (librdkafka:",
        "`partitioner=murmur2_random`).",
        *(line for role, heading in roles.items() for line in _topics_of(role, heading, list(topics))),
        "",
        "Inputs of one partition are merged by the time the broker appended them; within a millisecond, by topic in",
        f"this order: {', '.join(f'`{name}`' for name in RANK)}.",
    )


def records_page() -> str:
    """Every record others write or read, field by field."""
    topics = [topic for topic in load_topics().values() if topic.role != "internal" and topic.schema]
    return _page(
        "Records",
        "Generated from `schemas/*.avsc`. An instant is epoch milliseconds in Avro and `2026-01-05T10:00:00.000Z` in",
        "JSON; on the way in, JSON may leave out the milliseconds or give a number. A field with a default may be left",
        "out. See [events.md](events.md) for how records are written and read.",
        *(
            line
            for role in ("input", "output")
            for topic in topics
            if topic.role == role
            for line in _record(topic)
        ),
    )


def reengager_page() -> str:
    """The page as it is written, with both diagrams between their marks made anew."""
    page = (FOLDER / "reengager.md").read_text(encoding="utf-8")
    moves = [move for move in workflow.MOVES if move.kind in ("reengager", workflow.ANY_KIND)]
    page = _between(page, WORKFLOW_BEGIN, WORKFLOW_END, _diagram(moves))
    return _between(page, TRANSFER_BEGIN, TRANSFER_END, _diagram(transfer.MOVES, start=transfer.PENDING))


def reactivation_page() -> str:
    """The page as it is written, with the diagram between its two marks made anew."""
    page = (FOLDER / "reactivation.md").read_text(encoding="utf-8")
    moves = [move for move in workflow.MOVES if move.kind in ("reactivation", workflow.ANY_KIND)]
    return _between(page, WORKFLOW_BEGIN, WORKFLOW_END, _diagram(moves))


def progress_page() -> str:
    """The page as it is written, with its three diagrams between their marks made anew."""
    page = (FOLDER / "progress.md").read_text(encoding="utf-8")
    moves = [move for move in workflow.MOVES if move.kind in ("progress", workflow.ANY_KIND)]
    page = _between(page, WORKFLOW_BEGIN, WORKFLOW_END, _diagram(moves))
    life = _diagram(engagements.MOVES, start=engagements.LAUNCHED)
    page = _between(page, ENGAGEMENT_BEGIN, ENGAGEMENT_END, life)
    return _between(page, TRACK_BEGIN, TRACK_END, _diagram(progress.MOVES, start=engagements.NOT_TRACKING))


def high_intent_page() -> str:
    """The page as it is written, with both diagrams between their marks made anew."""
    page = (FOLDER / "high-intent.md").read_text(encoding="utf-8")
    moves = [move for move in workflow.MOVES if move.kind in ("high_intent", workflow.ANY_KIND)]
    page = _between(page, WORKFLOW_BEGIN, WORKFLOW_END, _diagram(moves))
    return _between(page, SESSION_BEGIN, SESSION_END, _diagram(sessions.MOVES, start=sessions.NONE))


def explain_page() -> str:
    """The page as it is written, with what its commands print, of the events it shows, made anew behind them."""
    page = (FOLDER / "explain.md").read_text(encoding="utf-8")
    events = page.split("```json\n")[1].split("```")[0]
    beginning, *examples = re.split(r"^    \$ reengage (.+)$", page, flags=re.MULTILINE)
    parts = [beginning]
    for command, after in zip(examples[::2], examples[1::2], strict=True):
        _, _, rest = after.partition("```text\n")[2].partition("\n```")
        parts.append(f"    $ reengage {command}\n\n```text\n{_printed(command.split(), events)}\n```{rest}")
    return "".join(parts)


def operations_page() -> str:
    """The page as it is written, with the table of metrics between its two marks made anew."""
    page = (FOLDER / "operations.md").read_text(encoding="utf-8")
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.meaning} | {metric.action} |"
        for metric in METRICS
    ]
    table = ["| metric | kind | by | says | what to do |", "|---|---|---|---|---|", *rows]
    return _between(page, METRICS_BEGIN, METRICS_END, table)


def security_page() -> str:
    """The page as it is written, with the rights of each role between their two marks made anew."""
    page = (FOLDER / "security.md").read_text(encoding="utf-8")
    return _between(page, ROLES_BEGIN, ROLES_END, (line for role in ROLES for line in _role(role)))


PAGES = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "topics.md": topics_page,
    "records.md": records_page,
    "operations.md": operations_page,
    "reengager.md": reengager_page,
    "explain.md": explain_page,
    "reactivation.md": reactivation_page,
    "progress.md": progress_page,
    "high-intent.md": high_intent_page,
    "security.md": security_page,
}


def command_paths() -> list[tuple[str, ...]]:
    """Every command that does something, as the words that call it."""

    def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        subcommands = getattr(command, "commands", None)
        if subcommands is None:
            yield path
        else:
            for name, subcommand in subcommands.items():
                yield from walk(subcommand, (*path, name))

    return list(walk(get_command(app), ()))


def _page(title: str, *lines: str) -> str:
    return "\n".join([NOTE, f"# {title}", "", *lines]) + "\n"


def _between(page: str, begin: str, end: str, lines: Iterable[str]) -> str:
    """The page with these lines between two marks."""
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return before + "\n".join([begin, *lines, end]) + after


def _diagram(moves: Iterable[Any], start: str = "") -> Iterator[str]:
    """A state diagram of these moves, in which those between two states are one arrow, and a table of when."""
    arrows: dict[tuple[str, str], list[str]] = {}
    meanings: dict[str, list[str]] = {}
    for move in moves:
        arrows.setdefault((move.before, move.after), []).append(move.name)
        meanings.setdefault(move.name, []).append(move.when.partition(", contract")[0])
    yield from ["```mermaid", "stateDiagram-v2"]
    if start:
        yield f"    [*] --> {start}"
    for (before, after), names in arrows.items():
        yield f"    {before} --> {after}: {', '.join(names)}"
    yield from ["```", "", "| | when |", "|---|---|"]
    for name, when in meanings.items():
        yield f"| `{name}` | {'; '.join(dict.fromkeys(when))} |"


def _role(role: Role) -> Iterator[str]:
    """Who it is for, its rights, and the commands that give them: one for all that is allowed the same."""
    alike: dict[tuple[str, str, bool], list[str]] = {}
    for (resource, name, prefixed), operations in _by_resource(role.rights(Names("reengage", ""))).items():
        alike.setdefault((", ".join(operations), resource, prefixed), []).append(name)
    commands = ", ".join(f"`{command}`" for command in role.commands)
    yield from ["", f"### {role.name}", "", f"{role.about} For {commands}.", ""]
    yield from ["| may | on | |", "|---|---|---|"]
    for (operations, resource, prefixed), names in alike.items():
        of = f"every {resource} that begins with" if prefixed else resource
        yield f"| {operations} | {of} | {', '.join(f'`{name}`' for name in names)} |"
    yield ""
    for (operations, resource, prefixed), names in alike.items():
        options = [f"--operation {each}" for each in operations.split(", ")]
        options += [f"--{resource} {shlex.quote(name)}" for name in names]
        if prefixed:
            options.append("--resource-pattern-type prefixed")
        yield from _wrapped([f"$ kafka-acls --add --allow-principal User:{role.name}", *options])


def _by_resource(rights: Iterable[Right]) -> dict[tuple[str, str, bool], list[str]]:
    found: dict[tuple[str, str, bool], list[str]] = {}
    for right in rights:
        found.setdefault((right.resource.word, right.name, right.prefixed), []).append(right.operation.word)
    return found


def _wrapped(parts: Iterable[str]) -> Iterator[str]:
    """A command as lines of a document, broken between its parts."""
    line, indent = "", "    "
    for part in parts:
        if line and len(line) + len(part) > WIDTH:
            yield f"{line} \\"
            line, indent = "", "        "
        line += f" {part}" if line else f"{indent}{part}"
    yield line


def _default(default: str | None, unset: str) -> str:
    return unset if default is None else f"`{default}`" if default else "empty"


def _help(path: tuple[str, ...]) -> list[str]:
    result = CliRunner().invoke(app, [*path, "--help"], prog_name="reengage", terminal_width=WIDTH)
    text = "\n".join(line.rstrip() for line in result.stdout.strip().splitlines())
    return ["", f"## {' '.join(path)}", "", "```", text, "```"]


def _printed(arguments: list[str], events: str) -> str:
    """What a command prints where `events.jsonl` holds these lines and nothing is set."""
    unset = dict.fromkeys(name for name in os.environ if name.startswith("REENGAGE_"))
    with TemporaryDirectory() as folder, chdir(folder):
        Path("events.jsonl").write_text(events, encoding="utf-8")
        return CliRunner().invoke(app, arguments, env=unset).stdout.rstrip()


def _topics_of(role: str, heading: str, topics: list[Topic]) -> list[str]:
    rows = [
        f"| `{topic.name}` | {topic.key} | {_link(topic)} | {topic.partitions} | {_kept(topic)} | {topic.description} |"
        for topic in topics
        if topic.role == role
    ]
    return [
        "",
        heading,
        "",
        "| topic | key | record | partitions | kept | |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def _link(topic: Topic) -> str:
    if topic.schema is None:
        return ""
    return f"`{topic.schema}`" if topic.role == "internal" else f"[{topic.schema}](records.md#{topic.name})"


def _kept(topic: Topic) -> str:
    if topic.cleanup_policy == "compact":
        return "latest by key"
    return "for ever" if topic.retention_ms == -1 else f"{topic.retention_ms // 86_400_000} d"


def _record(topic: Topic) -> list[str]:
    source = shipped_schemas().current(str(topic.schema)).source
    return [
        "",
        f"## {topic.name}",
        "",
        f"`{topic.schema}`, {topic.role}, keyed by {topic.key}. {_text(source['doc'])}",
        "",
        "| field | type | default | meaning |",
        "|---|---|---|---|",
        *(row for field in source["fields"] for row in _field(field, "")),
    ]


def _field(field: dict[str, Any], prefix: str) -> Iterator[str]:
    default = f"`{_json(field['default'])}`" if "default" in field else ""
    name = prefix + field["name"]
    yield f"| `{name}` | {_type(field['type'])} | {default} | {_text(field.get('doc', ''))} |"
    for nested, mark in _records_in(field["type"]):
        for inner in nested["fields"]:
            yield from _field(inner, f"{name}{mark}.")


def _records_in(node: Any) -> Iterator[tuple[dict[str, Any], str]]:
    if isinstance(node, list):
        for branch in node:
            yield from _records_in(branch)
    elif isinstance(node, dict) and node["type"] == "record":
        yield node, ""
    elif isinstance(node, dict) and node["type"] == "array":
        yield from ((record, "[]" + mark) for record, mark in _records_in(node["items"]))


def _type(node: Any) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, list):
        return " or ".join(_type(branch) for branch in node if branch != "null") + ", or null"
    if node.get("logicalType") == "timestamp-millis":
        return "instant"
    kinds = {
        "enum": lambda: ", ".join(f"`{symbol}`" for symbol in node["symbols"]),
        "array": lambda: f"list of {_type(node['items'])}",
        "map": lambda: f"map of {_type(node['values'])}",
        "record": lambda: "object",
    }
    return kinds[node["type"]]() if node["type"] in kinds else _type(node["type"])


def _text(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", "&#124;")


def _json(value: Any) -> str:
    if value is None:
        return "null"
    return "{..}" if isinstance(value, dict) and value else str(value)


if __name__ == "__main__":
    for page, make in PAGES.items():
        (FOLDER / page).write_text(make(), encoding="utf-8")
