"""Where the real data is, and made-up copies of the layouts that people bring."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest


@pytest.fixture
def data() -> Path:
    home = os.environ.get("DIPTYCH_DATA")
    if not home:
        pytest.skip("DIPTYCH_DATA is not set")
    return Path(home)


@pytest.fixture
def with_counts(monkeypatch):
    """with_counts(module, train=3, …): the module's card with the counts of a made-up copy."""

    def change(module, **counts):
        monkeypatch.setattr(module, "CARD", replace(module.CARD, splits=dict(module.CARD.splits) | counts))

    return change


@pytest.fixture
def write(tmp_path):
    """write("a/b.txt", "text"): a file below the test's own folder, with the folders on the way."""

    def make(name: str, content: str | bytes = b"") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make
