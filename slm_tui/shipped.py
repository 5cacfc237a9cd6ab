"""The experiments that come with the program, and copying them into a workspace.

slm-tui init        # into the current folder
"""

from __future__ import annotations

from pathlib import Path

from engine.contract.files import replace_file
from engine.runs.workspace import Workspace


def shipped_experiments() -> list[Path]:
    """The shipped files, by name: in the installed package, or in a checkout beside it."""
    package = Path(__file__).parent
    for folder in (package / "experiments", package.parent / "experiments"):
        files = sorted(folder.glob("*.toml"))
        if files:
            return files
    return []


def copy_experiments(workspace: Workspace) -> tuple[list[Path], list[Path]]:
    """Copy the shipped experiments that the workspace lacks: those written, and those that stood there already."""
    workspace.experiments.mkdir(parents=True, exist_ok=True)
    written, kept = [], []
    for source in shipped_experiments():
        target = workspace.experiments / source.name
        if target.exists():
            kept.append(target)
        else:
            replace_file(target, source.read_bytes())
            written.append(target)
    return written, kept
