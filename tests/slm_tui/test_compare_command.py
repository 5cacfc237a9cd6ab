"""`slm-tui compare`, as a person calls it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from engine.contract.events import Eval, RunEnded, RunStarted, Step
from engine.runs.run import Run
from engine.runs.workspace import Workspace

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def runs(new_run: Callable[..., Run], tiny: str) -> tuple[Run, Run]:
    """Two finished runs that differ in their learning rate; the second is the better one."""

    def finished(loss: float) -> Run:
        return new_run(
            [
                RunStarted(pid=1, host="here", t=1000.0),
                Step(step=8, loss=3.1, lr=1e-3, grad_norm=1.0, tokens=1024, tokens_per_second=500.0, t=1002.0),
                Eval(step=8, train_loss=3.1, val_loss=loss, bits_per_byte=loss / 2, best=True, t=1003.0),
                RunEnded(reason="finished", t=1006.0),
            ]
        )

    worse, better = finished(3.0), finished(2.5)
    better.experiment_file.write_text(tiny.replace("3e-3", "1e-3"), encoding="utf-8")
    return worse, better


def test_runs_are_printed_side_by_side_with_what_they_differ_in(program: Program, runs: tuple[Run, Run]) -> None:
    result = program("compare", runs[0].id, str(runs[1]))
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [run.id for run in runs] in lines
    assert ["val", "loss", "3.000", "*", "2.500"] in lines
    assert ["perplexity", "20.09", "*", "12.18"] in lines
    assert ["train.learning_rate", "0.003", "0.001"] in lines
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_json_is_one_document(program: Program, runs: tuple[Run, Run]) -> None:
    document = json.loads(program("compare", *map(str, runs), "--json").stdout)
    assert [run["run"] for run in document["runs"]] == list(map(str, runs))
    assert document["best"]["bits_per_byte"] == [str(runs[1])]
    assert document["differences"] == [{"key": "train.learning_rate", "values": [0.003, 0.001]}]
    assert document["remarks"] == []


def test_csv_is_a_row_a_run(program: Program, runs: tuple[Run, Run]) -> None:
    rows = list(csv.DictReader(program("compare", *map(str, runs), "--csv").stdout.splitlines()))
    assert [row["run"] for row in rows] == list(map(str, runs))
    assert [row["val_loss"] for row in rows] == ["3.0", "2.5"]
    assert rows[0]["perplexity"] == "20.085536923187668"
    assert [row["train.learning_rate"] for row in rows] == ["0.003", "0.001"]
    assert rows[0]["device"] == ""


def test_a_name_is_its_newest_run_and_one_run_is_enough(program: Program, workspace: Workspace, runs: object) -> None:
    document = json.loads(program("compare", "tiny", "--json").stdout)
    assert [run["run"] for run in document["runs"]] == [str(workspace.list_runs()[0])]
    assert program("compare", "tiny").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tinny"], "did you mean tiny?"),
        (["tiny", "20200101T000000-abcd"], "run '20200101T000000-abcd'"),
        (["tiny", "--json", "--csv"], "--json and --csv: give only one of them"),
        ([], "Missing argument"),
    ],
)
def test_a_wrong_call_says_what_is_wanted(program: Program, runs: object, arguments: list[str], said: str) -> None:
    result = program("compare", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr and "Traceback" not in result.stderr


def test_comparing_loads_nothing_heavy() -> None:
    script = "import sys; from slm_tui import side_by_side; from slm_tui.charts import palette; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "torch", "textual"} & set(loaded)
