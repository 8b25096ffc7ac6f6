"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Playbooks = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of playbooks and policy.toml, in place of REENGAGE_PLAYBOOKS.",
        show_default=False,
    ),
]
