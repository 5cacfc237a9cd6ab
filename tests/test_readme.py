"""The README is true: its file tree is the tree, its experiments are the shipped ones."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
GROUPED = {"commands", "english", "arabic"}  # folders with one line for all of their files


def test_every_source_file_has_its_line_and_every_line_its_file() -> None:
    tree = README.split("## The source")[1]
    told = set(re.findall(r"^ +([\w/]+\.py) ", tree, re.MULTILINE))
    there = {
        path.name
        for package in ("engine", "slm_tui")
        for path in (ROOT / package).rglob("*.py")
        if path.parent.name not in GROUPED and path.name != "__init__.py"
    }
    assert told == there


def test_every_shipped_experiment_is_in_the_table() -> None:
    for path in (ROOT / "experiments").glob("*.toml"):
        assert f"`{path.stem}`" in README
