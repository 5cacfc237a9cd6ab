"""Cheap commands load nothing heavy: looked at in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from engine.runs.workspace import Workspace

HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "textual",
    "numpy",
    "tokenizers",
    "tiktoken",
    "aiohttp",
    "engine.training.loop",
)
PROBE = """
import json, sys
from slm_tui.__main__ import main
sys.argv = ["slm-tui", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    code = end.code
sys.stdout.flush()
print("\\0" + json.dumps([code, sorted(sys.modules)]))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["serve", "--help"],
        ["list"],
        ["list", "--json"],
        ["runs"],
        ["show", "tiny"],
        ["validate"],
        ["schema"],
    ],
    ids=" ".join,
)
def test_a_cheap_command_loads_nothing_heavy(workspace: Workspace, arguments: list[str]) -> None:
    out = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], cwd=workspace.root, capture_output=True, text=True, check=True
    ).stdout
    code, modules = json.loads(out.split("\0")[1])
    assert code in (0, None)
    assert [name for name in HEAVY if name in modules] == []


def test_what_draws_runs_never_loads_the_engine_itself() -> None:
    script = "import sys, pkgutil, importlib, slm_tui\n" + (
        "for module in pkgutil.walk_packages(slm_tui.__path__, 'slm_tui.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
        "import json; print(json.dumps([name for name in sys.modules if name.startswith('engine')]))"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    loaded = json.loads(out)
    light = ("engine.contract", "engine.runs")
    assert loaded and all(name == "engine" or name.startswith(light) for name in loaded)
