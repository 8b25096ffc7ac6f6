"""Commands that look at settings, playbooks, schemas and topics."""

# ruff: noqa: PLC0415  an implementation is imported by the command that needs it: a command starts in a blink

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.service.settings import Settings

Directory = Annotated[
    Path | None,
    typer.Argument(
        metavar="DIR", help="Folder of playbooks; REENGAGE_PLAYBOOKS if left out.", show_default=False
    ),
]

Partitions = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Partitions every topic should have; left out: as declared or as found.",
        show_default=False,
    ),
]
Replication = Annotated[
    int | None,
    typer.Option(
        min=1, help="Copies of a created topic; left out: 3, or one a running broker.", show_default=False
    ),
]

topics = typer.Typer(help="The topics on the broker against those declared in topics/.", no_args_is_help=True)
schemas = typer.Typer(help="The records' Avro schemas.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.command()(check)
    app.add_typer(topics, name="topics")
    app.add_typer(schemas, name="schemas")
    app.command(name="settings")(show_settings)


def check(directory: Directory = None) -> None:
    """Validate playbooks, policy, schemas and topic declarations; needs no broker."""
    from app.service.configuration import with_playbook_errors
    from app.service.settings import load_settings
    from app.tools import check as checking

    with with_playbook_errors(folders=(directory,)):
        settings = load_settings()
    raise typer.Exit(checking.run(directory, settings))


@topics.command()
def apply(*, partitions: Partitions = None, replication: Replication = None) -> None:
    """Create the topics that are missing and set the others as declared; deletes nothing."""
    from app.service.client import broker_errors
    from app.tools.topics import apply_topics

    settings = _settings_for_client()
    with broker_errors(settings):
        applied = asyncio.run(
            apply_topics(
                settings.client_options(),
                settings.topic_prefix,
                partitions=partitions,
                replication=replication,
            )
        )
    for name in applied.created:
        print(f"created {name}")
    if applied.created:
        copies = "one copy" if applied.copies == 1 else f"{applied.copies} copies"
        noun = "topic" if len(applied.created) == 1 else "topics"
        print(f"{len(applied.created)} {noun} created, {copies} of each")
    for change in applied.altered:
        print(f"{change.topic}: {change.setting} is now {change.declared}, was {change.actual}")
    if not applied.created and not applied.altered:
        print("all topics are as declared")


@topics.command()
def diff(*, partitions: Partitions = None) -> None:
    """Show how the broker's topics differ from the declared ones; exit 1 where they do."""
    from app.service.client import broker_errors
    from app.tools.topics import diff_topics

    settings = _settings_for_client()
    with broker_errors(settings):
        differences = asyncio.run(
            diff_topics(settings.client_options(), settings.topic_prefix, partitions=partitions)
        )
    for difference in differences:
        error = difference.error()
        print(f"{error.place}: {error.problem}")
    if differences:
        raise typer.Exit(1)
    print("all topics are as declared")


def _settings_for_client() -> "Settings":
    from app.service.client import with_broker
    from app.service.logging import configure_logging
    from app.service.settings import load_settings

    settings = with_broker(load_settings())
    configure_logging(settings)
    return settings


@schemas.command(name="check")
def check_schemas() -> None:
    """Check that every schema can read what each released version of it wrote (BACKWARD_TRANSITIVE)."""
    from app.domain.errors import UserErrors
    from app.tools.schemas import check as find_errors

    if errors := find_errors():
        raise UserErrors(errors)
    print("every schema reads all its released versions")


def show_settings() -> None:
    """Print each setting with its value, where that comes from, its default and what it does; then what is wrong."""
    from app.service.settings import find_settings, load_settings

    for found in find_settings()[0]:
        setting = found.setting
        default = setting.default or (f"({setting.unset})" if setting.unset else "(empty)")
        print(f"{setting.name} = {found.shown or '(empty)'}")
        print(f"    from {found.origin}; default {default}")
        print(f"    {setting.help}")
    load_settings()
