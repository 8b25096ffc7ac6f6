"""`kind = "progress"`: engagements on track and off (contract 6.5)."""

# ruff: noqa: RUF012  pydantic copies the defaults, and the models are frozen

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from app.domain import progress as domain
from app.domain.instants import MINUTE_MS, WEEK_MS
from app.playbooks.model import PlaybookModel
from app.playbooks.values import Span, Table, Text, duration_ms

NO_THRESHOLD = "none"


def _threshold(written: object) -> int | None:
    """Milliseconds, from the text; None for `none`."""
    if written == NO_THRESHOLD:
        return None
    hint = f'; write "{NO_THRESHOLD}" for engagements that are not to be tracked'
    try:
        span_ms = duration_ms(written)
    except ValueError as error:
        raise ValueError(f"{error}{hint}") from None
    if span_ms == 0:
        raise ValueError(f"must be longer than nothing{hint}")
    return span_ms


def _with_default(written: Any) -> Any:
    """The template every engagement falls back to is always there; what it leaves out is as the contract has it."""
    if not isinstance(written, dict):
        return written
    default = written.get(domain.DEFAULT, {})
    if isinstance(default, dict):
        default = {"threshold": NO_THRESHOLD, **default}
    return {**written, domain.DEFAULT: default}


class TemplateModel(Table):
    """The settings an engagement copies at its launch."""

    threshold: Annotated[int | None, BeforeValidator(_threshold)] = 3 * WEEK_MS
    notifications: bool = True

    def compile(self) -> domain.Template:
        """The form the core works with."""
        return domain.Template(threshold_ms=self.threshold, notifies=self.notifications)


class ProgressModel(PlaybookModel):
    """One progress playbook."""

    kind: Literal["progress"]
    templates: Annotated[dict[Text, TemplateModel], BeforeValidator(_with_default)] = {
        domain.DEFAULT: TemplateModel.model_validate({"threshold": NO_THRESHOLD})
    }
    digest: Span = 15 * MINUTE_MS

    def compile(self) -> domain.Progress:
        """The form the core works with."""
        return domain.Progress(
            name=self.name,
            version=self.version(),
            templates={name: template.compile() for name, template in sorted(self.templates.items())},
            digest_ms=self.digest,
        )
