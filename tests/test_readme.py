"""The README is true: its tree is the tree, its experiments are the shipped ones."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGES = sorted(
    {path.parent for package in ("engine", "slm_tui") for path in (ROOT / package).rglob("__init__.py")}
    - {ROOT / "engine", ROOT / "slm_tui"}
)


def test_the_tree_has_every_room() -> None:
    tree = README.split("## The source")[1].split("\n\n")[1]
    told = set(re.findall(r"(\w+)/(?= |$)", tree, re.MULTILINE))
    rooms = {folder.name for folder in PACKAGES if folder.parent.parent == ROOT}
    assert rooms <= told
    there = {path.name for pattern in ("*", "*/*", "*/*/*") for path in ROOT.glob(pattern) if path.is_dir()}
    assert told <= there
    assert len(tree.splitlines()) <= 25


@pytest.mark.parametrize("folder", [folder for folder in PACKAGES if "engine" in folder.parts], ids=lambda f: f.name)
def test_a_package_names_its_modules(folder: Path) -> None:
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert docstring
    first_words = {
        word for line in docstring.splitlines()[1:] for word in line.split("   ")[0].replace(",", " ").split()
    }
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    if len(docstring.splitlines()) > 1 or len(modules) > 3:
        assert modules <= first_words, modules - first_words


def test_every_shipped_experiment_is_in_the_table() -> None:
    for path in (ROOT / "experiments").glob("*.toml"):
        assert f"`{path.stem}`" in README
