"""`slm-tui plot` and `slm-tui report`, as a person calls them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.contract.events import Eval, RunEnded, RunStarted, Step
from engine.runs.run import Run
from engine.runs.workspace import Workspace

Program = Callable[..., "subprocess.CompletedProcess[str]"]
with_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None,
    reason="matplotlib is not installed: pip install 'slm-tui[plot]'",
)


@pytest.fixture
def run(new_run: Callable[..., Run]) -> Run:
    """An older run without a step, and a newer one with some."""
    new_run()
    return new_run(
        [
            RunStarted(pid=1, host="here", t=1000.0),
            *(Step(step=n, loss=4 / n, lr=1e-3, grad_norm=1.0, tokens=128 * n, t=1000.0 + n) for n in range(1, 9)),
            Eval(step=8, train_loss=0.5, val_loss=0.6, bits_per_byte=0.3, best=True, t=1009.0),
            RunEnded(reason="finished", t=1010.0),
        ]
    )


@with_matplotlib
def test_a_name_is_its_newest_run_and_the_file_is_told(program: Program, workspace: Workspace, run: Run) -> None:
    result = program("plot", "tiny", "-o", "loss.png")
    assert (result.returncode, result.stdout) == (0, "loss.png\n")
    assert (workspace.root / "loss.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("command", ["plot", "report"])
def test_a_name_is_its_newest_run_that_has_a_step(
    program: Program, workspace: Workspace, run: Run, new_run: Callable[..., Run], command: str
) -> None:
    if command == "plot":
        pytest.importorskip("matplotlib")
    newest = new_run([RunStarted(pid=1, host="here"), RunEnded("failed")])
    out = {"plot": "out.svg", "report": "out.html"}[command]
    result = program(command, "tiny", "-o", out)
    said = f"{newest} has no step: it failed; this is of {run}, the newest run that has one\n"
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{out}\n", said)
    assert run.id in (workspace.root / out).read_text(encoding="utf-8")


@with_matplotlib
def test_every_option_of_plot_is_taken(program: Program, workspace: Workspace, run: Run) -> None:
    options = ["--metric", "lr", "--metric", "loss", "--x", "tokens", "--log-x", "--smoothing", "0", "--dark"]
    assert program("plot", str(run), run.id, "-o", "lr.svg", *options).returncode == 0
    assert b"<svg" in (workspace.root / "lr.svg").read_bytes()


@pytest.mark.parametrize("command", ["plot", "report"])
def test_a_folder_that_is_not_there_is_made_with_the_file_in_it(
    program: Program, workspace: Workspace, run: Run, command: str
) -> None:
    if command == "plot":
        pytest.importorskip("matplotlib")
    out = {"plot": "new/folder/out.svg", "report": "new/folder/out.html"}[command]
    result = program(command, "tiny", "-o", out)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{out}\n", "")
    assert (workspace.root / out).stat().st_size


@pytest.mark.parametrize("command", ["plot", "report"])
def test_a_file_is_not_replaced_unless_asked(program: Program, workspace: Workspace, run: Run, command: str) -> None:
    if command == "plot":
        pytest.importorskip("matplotlib")
    path = workspace.root / {"plot": "out.svg", "report": "out.html"}[command]
    path.write_text("mine")
    result = program(command, "tiny", "-o", path.name)
    assert result.returncode == 2 and path.read_text() == "mine"
    assert result.stderr == f"slm-tui: --output {path.name}: is there already; --force replaces it\n"
    assert program(command, "tiny", "-o", path.name, "--force").returncode == 0
    assert "svg" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plot", "tiny", "-o", "loss.jpg"], "--output loss.jpg: ends in .jpg; must end in .png or .svg or .pdf"),
        (["report", "tiny", "-o", "report.pdf"], "--output report.pdf: ends in .pdf; must end in .html or .htm"),
        (["plot", "tiny", "-o", "loss.png", "--metric", "los"], "did you mean loss?"),
        (
            ["plot", "tiny", "-o", "loss.png", "--smoothing", "1"],
            "--smoothing 1: must be 0 (none) or more, and below 1",
        ),
        (["report", "tiny", "-o", "r.html", "--smoothing", "nan"], "--smoothing nan: must be 0"),
        (["report", "tinny", "-o", "new/report.html"], "did you mean tiny?"),
        (["report", "tiny"], "Missing option '--output'"),
        (["plot", "-o", "loss.png"], "Missing argument"),
    ],
)
def test_a_wrong_call_says_what_is_wanted(
    program: Program, workspace: Workspace, run: Run, arguments: list[str], said: str
) -> None:
    before = sorted(workspace.root.iterdir())
    result = program(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr and "Traceback" not in result.stderr
    assert sorted(workspace.root.iterdir()) == before


def test_without_matplotlib_plot_says_how_to_get_it_and_report_does_without(
    program: Program, workspace: Workspace, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "matplotlib.py").write_text("raise ImportError")
    python_path = os.pathsep.join([str(tmp_path / "absent"), os.environ.get("PYTHONPATH", "")])
    result = program("plot", "tiny", "-o", "loss.png", PYTHONPATH=python_path)
    assert result.returncode == 2
    assert "plot needs matplotlib, which is not installed: pip install 'slm-tui[plot]'" in result.stderr
    assert not (workspace.root / "loss.png").exists()
    assert program("report", "tiny", "-o", "report.html", PYTHONPATH=python_path).returncode == 0


@with_matplotlib
def test_a_persons_matplotlibrc_changes_nothing(program: Program, workspace: Workspace, run: Run) -> None:
    (workspace.root / "theirs").write_text("text.usetex: True\nfont.size: 40\n")
    for name, more in (("plain.svg", {}), ("theirs.svg", {"MATPLOTLIBRC": "theirs"})):
        assert program("plot", "tiny", "-o", name, **more).returncode == 0
    assert (workspace.root / "plain.svg").read_bytes() == (workspace.root / "theirs.svg").read_bytes()


def test_a_run_without_a_step_has_a_report_and_no_plot(
    program: Program, run: Run, new_run: Callable[..., Run], workspace: Workspace
) -> None:
    without = new_run([RunStarted(pid=1, host="here")])
    result = program("plot", str(without), "-o", "loss.png")
    assert result.returncode == 2 and f"{without}: no step yet, so there is nothing to draw" in result.stderr
    result = program("plot", str(without), str(run), "-o", "loss.png")
    assert result.returncode == 0 and f"{without} has no step, and is left out" in result.stderr
    assert (workspace.root / "loss.png").is_file()
    assert program("report", str(without), "-o", "report.html").returncode == 0
