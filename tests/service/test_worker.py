"""What a worker says of itself; that it serves is what the integration tests are about."""

from __future__ import annotations

import logging

import pytest

from app.service import worker


@pytest.mark.parametrize("is_compiled", [True, False])
def test_says_when_the_compiled_parts_are_missing_and_what_to_do(monkeypatch, caplog, is_compiled):
    monkeypatch.setattr(worker, "IS_COMPILED", is_compiled)
    with caplog.at_level(logging.INFO, logger="app.service.worker"):
        worker.report_compiled()
    assert [record.levelname for record in caplog.records] == ([] if is_compiled else ["INFO"])
    assert ("install a C compiler" in caplog.text) == (not is_compiled)
