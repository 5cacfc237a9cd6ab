"""Our runs beside the reference's figures: what is published, which run stands for an experiment, what compares."""

from __future__ import annotations

import csv
import json
import math
import shutil
import subprocess
from collections.abc import Callable, Sequence

import pytest

from engine.contract.events import Eval, Event, Prepared, RunEnded, RunStarted, Step, encode
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.facts import file_facts
from slm_tui.reference import REFERENCES, reference_columns, reference_notes, reference_rows, reference_table
from slm_tui.shipped import shipped_experiments

Program = Callable[..., "subprocess.CompletedProcess[str]"]
Made = Callable[..., Run]
SHIPPED = {file.stem: file for file in shipped_experiments()}
NAME = "tinystories_512"


@pytest.fixture
def made(workspace: Workspace) -> Made:
    """Makes a run of a shipped experiment, with these keys changed in its text; not evaluated if `loss` is None."""

    def make(loss: float | None = 2.0, name: str = NAME, changes: Sequence[tuple[str, str]] = ()) -> Run:
        run = workspace.new_run(name)
        text = SHIPPED[name].read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        run.experiment_file.write_text(text, encoding="utf-8")
        run.metrics.write_bytes(b"".join(_lines(loss)))
        return run

    return make


def _lines(loss: float | None) -> list[bytes]:
    told: list[Event] = [
        RunStarted(pid=1, host="here", t=1000.0),
        Prepared(directory="data/some-aaaa", vocab_size=50_257, train_tokens=9, val_tokens=9, cached=False, t=1001.0),
    ]
    if loss is not None:
        told.append(Eval(step=8, train_loss=3, val_loss=loss, bits_per_byte=0.7, best=True, tokens=4096, t=1002.0))
    told.append(Step(step=16, loss=3.0, lr=0, grad_norm=1.0, tokens=8192, t=1003.0))
    return [encode(event) for event in [*told, RunEnded(reason="finished", t=1004.0)]]


def test_every_shipped_experiment_is_of_the_reference_or_a_quickstart() -> None:
    assert {name for name in SHIPPED if not name.startswith("quickstart")} <= set(REFERENCES)


@pytest.mark.parametrize("name", REFERENCES)
def test_what_is_published_hangs_together(name: str) -> None:
    reference = REFERENCES[name]
    assert reference.note.endswith(".") and reference.source
    assert (reference.val_loss is None) == (reference.perplexity is None) == (reference.compares == "no figure")
    if reference.val_loss is not None and reference.perplexity is not None:
        assert math.exp(reference.val_loss) == pytest.approx(reference.perplexity, rel=5e-5, abs=0.005)


@pytest.mark.parametrize("name", sorted(set(REFERENCES) & set(SHIPPED)))
def test_the_shipped_experiment_has_the_references_size(name: str) -> None:
    wanted = REFERENCES[name].parameters
    if wanted is not None:
        assert file_facts(SHIPPED[name]).parameters == pytest.approx(wanted, rel=0.02)


def test_figures_that_mean_nothing_are_not_said_to_compare() -> None:
    assert {name for name, each in REFERENCES.items() if each.compares == "no"} == {
        "arabic_corpus",
        "tinystories_translated",
    }


def test_the_run_with_the_lowest_loss_stands_beside_the_reference(made: Made, workspace: Workspace) -> None:
    made(2.5)
    best = made(1.5)
    made(2.0)
    made(None)
    (row,) = reference_table(workspace).rows
    assert (row.experiment, row.ours.run, row.compares) == (NAME, str(best), "yes")
    assert (row.reference.val_loss, row.ours.val_loss) == (1.57, 1.5)
    assert row.ours.perplexity == pytest.approx(math.exp(1.5))
    assert (row.ours.tokens, row.ours.bits_per_byte, row.ours.changed) == (4096, 0.7, [])
    assert row.ours.parameters == file_facts(SHIPPED[NAME]).parameters


def test_a_run_of_other_data_or_shape_stands_only_where_there_is_no_other(made: Made, workspace: Workspace) -> None:
    changed = made(0.5, changes=[("n_layer = 8", "n_layer = 2"), ('text_column = "text"', "fraction = 0.01")])
    (row,) = reference_table(workspace).rows
    assert (row.ours.run, row.compares) == (str(changed), "no")
    assert row.ours.changed == ["data.fraction", "model.n_layer"]
    assert row.note.endswith("Ours is another experiment: it differs in data.fraction, model.n_layer.")
    whole = made(2.0)
    (row,) = reference_table(workspace).rows
    assert (row.ours.run, row.compares) == (str(whole), "yes")


def test_other_training_is_no_other_experiment(made: Made, workspace: Workspace) -> None:
    made(changes=[("max_steps = 20_000", "max_steps = 200"), ("dropout = 0.0", "dropout = 0.3")])
    (row,) = reference_table(workspace).rows
    assert (row.ours.changed, row.compares) == ([], "yes")


def test_a_run_that_was_not_evaluated_has_no_figure_and_says_so(made: Made, workspace: Workspace) -> None:
    made(None)
    (row,) = reference_table(workspace).rows
    assert (row.ours.val_loss, row.ours.perplexity, row.ours.tokens) == (None, None, 8192)
    assert row.note.endswith("Ours has not been evaluated yet.")


def test_the_split_is_counted_in_the_data_that_the_run_read(made: Made, workspace: Workspace) -> None:
    made()
    folder = workspace.data / "some-aaaa"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"train": {"stories": 2119719}, "val": {"stories": 21990}, "dtype": "x"}')
    assert reference_table(workspace).rows[0].ours.split == "2,119,719 / 21,990" == REFERENCES[NAME].split
    (folder / "manifest.json").write_text("{")
    assert reference_table(workspace).rows[0].ours.split is None
    shutil.rmtree(folder)
    assert reference_table(workspace).rows[0].ours.split is None


def test_what_is_not_in_the_table_is_named(made: Made, workspace: Workspace) -> None:
    made(name="quickstart")
    table = reference_table(workspace)
    assert table.rows == []
    assert table.remarks[0] == "Not of the reference: quickstart."
    assert table.remarks[1].startswith("No run here yet: ") and NAME in table.remarks[1]


def test_runs_that_are_given_are_the_only_ones(made: Made, workspace: Workspace) -> None:
    made(1.0)
    chosen = made(2.0)
    made(name="arastories_baseline")
    (row,) = reference_table(workspace, [chosen, chosen]).rows
    assert row.ours.run == str(chosen)


def test_the_columns_have_two_rows_an_experiment(made: Made, workspace: Workspace) -> None:
    run = made(2.0)
    cells = {column.title: list(column.cells) for column in reference_columns(reference_table(workspace))}
    assert cells["of"] == ["reference", f"ours, {run.id[-4:]}"]
    assert cells["val loss"] == ["1.5700", "2.0000"]
    assert cells["perplexity"] == ["4.81", "7.39"]
    assert cells["tokens"] == ["10.5B", "4.1K"]
    assert cells["bits/byte"] == ["–", "0.700"]
    assert cells["compares"] == ["yes", ""]


def test_a_note_says_where_the_figure_is_from_and_why_it_does_not_compare(made: Made, workspace: Workspace) -> None:
    made(name="arastories_baseline")
    notes = reference_notes(reference_table(workspace))
    assert notes[0].startswith("arastories_baseline: arastories_model_tinystories_specs.ipynb (https://github.com/")
    assert "An untrained model's figure." in notes[0]


def test_csv_has_a_row_an_experiment(made: Made, workspace: Workspace) -> None:
    run = made(2.0)
    head, row = reference_rows(reference_table(workspace))
    told = dict(zip(head, row, strict=True))
    assert (told["run"], told["reference_val_loss"], told["our_val_loss"]) == (str(run), 1.57, 2.0)
    assert (told["reference_bits_per_byte"], told["our_bits_per_byte"], told["compares"]) == (None, 0.7, "yes")


def test_the_program_prints_the_table_as_text_json_and_csv(program: Program, made: Made) -> None:
    run = made(2.0)
    text = program("compare", "--reference")
    assert (text.returncode, text.stderr) == (0, "")
    assert (text.stdout.splitlines()[1].split()[:9]) == [
        "tinystories_512",
        "reference",
        "2,119,719",
        "/",
        "21,990",
        "51.0M",
        "10.5B",
        "1.5700",
        "4.81",
    ]
    document = json.loads(program("compare", "--reference", "--json").stdout)
    assert [row["ours"]["run"] for row in document["rows"]] == [str(run)]
    (row,) = csv.DictReader(program("compare", str(run), "--reference", "--csv").stdout.splitlines())
    assert (row["experiment"], row["reference_perplexity"], row["compares"]) == (NAME, "4.81", "yes")


def test_without_a_run_it_says_what_there_is_to_run(program: Program, workspace: Workspace) -> None:
    result = program("compare", "--reference")
    assert result.returncode == 0
    assert result.stdout.startswith("No run here yet: ")


def test_a_run_of_its_own_experiment_is_said_to_be_none_of_the_references(
    program: Program, new_run: Callable[..., Run]
) -> None:
    run = new_run()
    result = program("compare", str(run), "--reference")
    assert (result.returncode, result.stdout) == (0, "Not of the reference: tiny.\n")
