from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of files, given as name=content; `__` in a name stands for `/`, and `.toml` is added."""

    def make(**files: str) -> Path:
        for name, content in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.toml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, "utf-8")
        return tmp_path

    return make
