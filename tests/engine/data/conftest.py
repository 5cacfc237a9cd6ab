"""A Marian model that all tests of translation share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_marian import save_tiny_marian


@pytest.fixture(scope="session")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_marian(tmp_path_factory.mktemp("models") / "tiny")
