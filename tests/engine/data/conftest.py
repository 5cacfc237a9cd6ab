"""Processes that read datasets of a hub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from warm_datasets import WarmDatasets, warm_datasets


@pytest.fixture(scope="session")
def hub() -> Iterator[WarmDatasets]:
    """A hub on this machine, and programs that ask it."""
    with warm_datasets() as hub:
        yield hub
