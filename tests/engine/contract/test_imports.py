"""What agreeing costs: the contract, and what tells of runs, load nothing heavy."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import engine.contract
import engine.runs

HEAVY = ("torch", "numpy", "textual", "rich", "typer", "datasets", "tokenizers", "tiktoken", "transformers", "pyarrow")
MODULES = sorted(
    module.name
    for package in (engine.contract, engine.runs)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
)


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


def test_the_list_of_modules_is_not_empty() -> None:
    assert "engine.contract.events" in MODULES


@pytest.mark.parametrize("statement", ["import " + ", ".join(MODULES), "import engine"])
def test_importing_it_loads_nothing_heavy(statement: str) -> None:
    loaded = loaded_by(statement)
    assert "engine" in loaded
    assert not loaded & set(HEAVY)


def test_using_it_loads_nothing_heavy_either() -> None:
    loaded = loaded_by(
        "from pathlib import Path\n"
        "from engine.contract import experiment, loading, overrides\n"
        "from engine.runs import workspace\n"
        "experiment.json_schema(); overrides.apply_overrides('', ['train.max_steps=1'])\n"
        "loading.check_experiment('', 'x'); workspace.Workspace(Path('.')).list_runs()\n"
    )
    assert "tomlkit" in loaded
    assert not loaded & set(HEAVY)
