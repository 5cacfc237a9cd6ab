"""A run in a workspace of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support import engine
from tiny_marian import save_tiny_marian

from engine.contract.overrides import apply_overrides
from engine.runs.run import Run
from engine.runs.workspace import Workspace


@pytest.fixture
def new_run(tmp_path: Path, tiny: str) -> Callable[..., Run]:
    """Makes a run of the tiny experiment, with overrides, whose data are shared by all runs of the test."""

    def make(*overrides: str) -> Run:
        run = Workspace(tmp_path).new_run("tiny")
        run.experiment_file.write_text(apply_overrides(tiny, overrides), encoding="utf-8")
        return run

    return make


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Run:
    """A run that has trained for eight steps; to be copied."""
    run = Workspace(tmp_path_factory.mktemp("trained")).new_run("tiny")
    text = apply_overrides(tiny, ("train.max_steps=8", "train.warmup_steps=0"))
    run.experiment_file.write_text(text, encoding="utf-8")
    assert engine(run) == 0, run.log.read_text()
    return run


@pytest.fixture
def trained(trained_once: Run, tmp_path: Path) -> Run:
    """That run with its checkpoints, of the test's own."""
    copy = Run(tmp_path / "runs" / trained_once.name / trained_once.id)
    shutil.copytree(trained_once.path, copy.path)
    return copy


@pytest.fixture(scope="session")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Marian model that all tests of translation share."""
    return save_tiny_marian(tmp_path_factory.mktemp("models") / "tiny")
