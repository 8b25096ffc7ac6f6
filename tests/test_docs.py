"""The documents say what the program does: generated pages are current, names and links in the others exist."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from app.cli.root import app
from app.service.setting_table import SETTINGS
from app.wire.schemas import shipped_schemas

ROOT = Path(__file__).parent.parent
WRITTEN = [
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docker-compose.yml", "Dockerfile", "Makefile")
]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
SETTING_NAMES = {setting.name for setting in SETTINGS}


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()
COMMANDS = {" ".join(path) for path in GENERATOR.command_paths()}


@pytest.mark.parametrize("page", GENERATOR.PAGES)
def test_a_generated_page_is_current(page):
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert written == GENERATOR.PAGES[page](), f"docs/{page} is behind: run python docs/generate.py"


def test_the_commands_are_those_of_the_contract():
    assert {
        "demo",
        "worker",
        "check",
        "simulate",
        "replay",
        "produce",
        "tail",
        "explain",
        "outcomes",
        "caseload",
        "failed-transfers",
        "engagements",
        "topics apply",
        "topics diff",
        "schemas check",
        "broker start",
        "broker stop",
        "settings",
    } == COMMANDS


@pytest.mark.parametrize("path", [*WRITTEN, *PAGES], ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path):
    named = set(re.findall(r"\bREENGAGE_[A-Z_]*[A-Z]\b(?![_*])", path.read_text(encoding="utf-8")))
    assert named <= SETTING_NAMES


@pytest.mark.parametrize("path", [*WRITTEN, *PAGES], ids=lambda path: path.name)
def test_every_command_that_is_named_exists(path):
    called = re.findall(
        r"(?:`|bin/|^ {4}\$ )reengage ((?:[a-z]+(?:-[a-z]+)* ?)+)",
        path.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    groups = {command.partition(" ")[0] for command in COMMANDS}
    for words in called:
        first, _, rest = words.strip().partition(" ")
        assert first in groups, words
        if first not in COMMANDS and rest:
            assert f"{first} {rest.partition(' ')[0]}" in COMMANDS


@pytest.mark.parametrize(
    "path", [path for path in [*WRITTEN, *PAGES] if path.suffix == ".md"], ids=lambda path: path.name
)
def test_every_link_to_a_file_of_the_project_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_every_target_that_is_named_is_in_the_makefile():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        named = set(re.findall(r"(?:`|^ {4})make ([a-z]+)", path.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= targets


def test_compose_pins_its_images_and_runs_commands_that_exist():
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    images = re.findall(r"^ +image: (\S+)$", compose, re.MULTILINE)
    assert images
    assert all(re.fullmatch(r"\S+:\d+\.\d+\.\d+", image) for image in images)
    assert set(re.findall(r"^ +command: (.+)$", compose, re.MULTILINE)) <= COMMANDS


def test_compose_starts_the_kafka_that_the_commands_start():
    distribution = (ROOT / "app" / "broker" / "distribution.py").read_text(encoding="utf-8")
    version = re.search(r'^KAFKA_VERSION = "(.+)"$', distribution, re.MULTILINE)
    assert version is not None
    assert f"image: apache/kafka:{version[1]}\n" in (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


def test_compose_refers_to_services_and_volumes_it_declares():
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    declared = set(re.findall(r"^  ([a-z]+):$", compose, re.MULTILINE))
    needed = set(re.findall(r"^      ([a-z]+): \{condition: \w+\}$", compose, re.MULTILINE))
    mounted = set(re.findall(r'volumes: \["([a-z]+):', compose))
    assert needed
    assert mounted
    assert needed | mounted <= declared


def test_the_readmes_example_gives_what_its_table_says(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    events = tmp_path / "events.jsonl"
    events.write_text("\n".join(re.findall(r"^ {4}(\{.*\})$", readme, re.MULTILINE)))
    result = CliRunner().invoke(app, ["simulate", "--events", str(events)])
    topics = [json.loads(line)["topic"] for line in result.stdout.splitlines()]
    rows = re.findall(r"^\| \d+ January, .* \| ([a-z-]+) \| `", readme, re.MULTILINE)
    assert rows
    assert topics == rows


def test_every_error_of_a_dead_letter_is_explained():
    fields = shipped_schemas().current("DeadLetter").source["fields"]
    (symbols,) = [field["type"]["symbols"] for field in fields if field["name"] == "error"]
    page = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    table = page[page.index("| error | means |") :]
    assert set(re.findall(r"`([a-z_]+)`(?=[, |])", table)) >= set(symbols)


def test_every_test_that_proves_a_guarantee_exists():
    page = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"\b(?:test_\w+|Test[A-Z]\w+)\b(?!\.py)", page))
    assert named
    assert not {name for name in named if not re.search(rf"(?:def|class) {name}\b", code)}
    files = set(re.findall(r"\b(?:[\w/]+/)?test_\w+\.py", page))
    assert not {file for file in files if not list((ROOT / "tests").rglob(file.removeprefix("tests/")))}
