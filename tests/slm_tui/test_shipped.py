"""Shipped experiments, and copying them."""

from __future__ import annotations

from engine.runs.workspace import Workspace
from slm_tui.shipped import copy_experiments, shipped_experiments


def test_shipped_experiments_are_found() -> None:
    assert "quickstart" in [path.stem for path in shipped_experiments()]


def test_copying_never_overwrites(workspace: Workspace) -> None:
    mine = workspace.experiments / "quickstart.toml"
    mine.write_text("# mine", encoding="utf-8")
    written, kept = copy_experiments(workspace)
    assert kept == [mine] and mine.read_text(encoding="utf-8") == "# mine"
    assert {path.stem for path in written} == {path.stem for path in shipped_experiments()} - {"quickstart"}
    assert copy_experiments(workspace) == ([], sorted([mine, *written]))
