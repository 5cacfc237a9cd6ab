"""A run in a workspace of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.contract.overrides import apply_overrides
from engine.contract.run import Run
from engine.contract.workspace import Workspace


@pytest.fixture
def new_run(tmp_path: Path, tiny: str) -> Callable[..., Run]:
    """Makes a run of the tiny experiment, with overrides, whose data are shared by all runs of the test."""

    def make(*overrides: str) -> Run:
        run = Workspace(tmp_path).new_run("tiny")
        run.experiment_file.write_text(apply_overrides(tiny, overrides), encoding="utf-8")
        return run

    return make
