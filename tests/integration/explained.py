"""The timelines `explain` tells of a deployment's members, as machines read them."""

import contextlib
import io
import json
from typing import Any

from app.domain.outputs import OUTPUTS, Output
from app.tools.explain import command
from app.tools.explain.form import Form
from tests.integration.deployment import Deployment

SEQUENCED = tuple(topic for topic, record in OUTPUTS.items() if issubclass(record, Output))

Line = dict[str, Any]


def explained(deployment: Deployment, member: str, **options: Any) -> list[Line]:
    """What `explain MEMBER --format json` prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        command.run(deployment.settings(), member, form=Form.JSON, **options)
    return [json.loads(line) for line in printed.getvalue().splitlines()]


def outputs_of(lines: list[Line]) -> list[Line]:
    """The decisions of a timeline, as the topics have them."""
    return [
        {name: value for name, value in output.items() if name != "decided_by"}
        for line in lines
        for output in line.get("outputs", [])
    ]


def live_outputs(deployment: Deployment) -> dict[str, list[Line]]:
    """What workers have put out, by member, in the order of its sequence."""
    found: dict[str, list[Line]] = {}
    for text in deployment.outputs():
        line = json.loads(text)
        # What an owner's digest puts out is no member's.
        if line["topic"] in SEQUENCED and not line["member_id"].startswith("owner:"):
            found.setdefault(line["member_id"], []).append(line)
    return {member: sorted(lines, key=lambda line: line["sequence"]) for member, lines in found.items()}


def assert_explained_as_it_was(deployment: Deployment, members: int = 12) -> None:
    """The timelines of some members hold exactly what workers have put out of them, in that order."""
    live = live_outputs(deployment)
    # Those of whom there is most to tell.
    for member in sorted(live, key=lambda member: (-len(live[member]), member))[:members]:
        lines = explained(deployment, member)
        assert outputs_of(lines) == live[member], member
        assert_reasons(lines)


def assert_reasons(lines: list[Line]) -> None:
    """Whatever came about had all its conditions hold, and whatever did not had one that failed."""
    for line in lines:
        for considered in line.get("considered", []):
            if considered["happened"] is not None:
                assert considered["happened"] == (considered["failed"] is None), (considered, line["outputs"])
