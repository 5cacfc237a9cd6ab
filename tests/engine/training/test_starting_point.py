"""A training that starts from weights that were trained before, and keeps their tokenizer."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support import engine, events_of
from trainings import train_here

from engine.checkpoints.read import load_model, tokenizer_of
from engine.commands.export_ import export
from engine.commands.prepare import prepare_experiment
from engine.commands.tokenize import tokenize_text
from engine.contract.errors import UserError
from engine.contract.events import Event, Warning
from engine.contract.experiment import Model
from engine.runs.run import Run
from engine.runs.workspace import MIRROR_VARIABLE, Workspace
from engine.training.starting_point import StartingPoint, starting_point

CPU = torch.device("cpu")
NewRun = Callable[..., Run]
# other texts, of which a tokenizer of their own would be another one; and a step that hardly changes a weight
ELSEWHERE = ("data.language='arabic'", "train.max_steps=1", "train.warmup_steps=0", "train.learning_rate=1e-12")


def started_from(new_run: NewRun, init_from: str, *overrides: str) -> Run:
    return new_run(f"train.init_from={init_from!r}", *ELSEWHERE, *overrides)


def assert_same_model(run: Run, source: Run) -> None:
    """The same weights and the same tokenizer."""
    ours, theirs = load_model(run, "best", CPU)[0].state_dict(), load_model(source, "best", CPU)[0].state_dict()
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name], rtol=0, atol=1e-5, msg=name)
    text = "Once upon a time كان"
    assert tokenizer_of(run, "best").encode(text) == tokenizer_of(source, "best").encode(text)


def test_a_run_starts_from_the_weights_and_the_tokenizer_of_another(trained: Run, new_run: NewRun) -> None:
    run = started_from(new_run, trained.id)
    assert engine(run) == 0, run.log.read_text()
    assert_same_model(run, trained)
    assert f"starts from the weights and the tokenizer of {trained}" in run.log.read_text()
    assert not run.status().warnings


def test_a_table_that_asks_for_another_tokenizer_is_said_to_be_unused(trained: Run, new_run: NewRun) -> None:
    run = started_from(new_run, trained.id, "tokenizer.vocab_size=5000")
    told: list[Event] = []
    prepare_experiment("tiny", run.experiment(), Workspace(run.workspace_folder), None, told.append)
    (warning,) = (event.message for event in told if isinstance(event, Warning))
    assert warning == (
        f'train.init_from = "{trained.id}": its tokenizer is used (byte_bpe, 400 entries), and that of [tokenizer] '
        "(byte_bpe, 5,000 entries) is not"
    )
    cut = tokenize_text(run.experiment(), Workspace(run.workspace_folder), None, "Once", told.append)
    assert (cut.tokenizer, cut.vocab_size) == (f"that of {trained.id}", 400)


def test_a_name_that_means_another_tokenizer_by_now_is_refused(trained: Run, new_run: NewRun) -> None:
    """Its data were cut by the tokenizer of the run that was the newest then."""
    run = new_run("train.init_from='tiny'", "model.n_layer=3", "train.max_steps=1", "train.warmup_steps=0")
    assert "does not fit n_layer = 3" in failure(run)
    newer = new_run("data.language='arabic'", "train.max_steps=1", "train.warmup_steps=0")
    assert engine(newer) == 0
    text = run.experiment_file.read_text(encoding="utf-8")
    run.experiment_file.write_text(text.replace("n_layer = 3", "n_layer = 2"), encoding="utf-8")
    assert engine(run, "--resume") == 1
    told = events_of(run)[-1].error  # type: ignore[attr-defined]
    assert f'train.init_from = "tiny": now means {newer}, whose tokenizer differs' in told


def test_an_experiments_name_is_its_newest_run_with_a_checkpoint(trained: Run, new_run: NewRun) -> None:
    new_run()  # newer, and without one
    found = starting_point("tiny", Workspace(trained.path.parents[2]), None)
    assert found.run == trained


def test_what_goes_on_does_not_start_again(trained: Run, new_run: NewRun) -> None:
    run = new_run(f"train.init_from={trained.id!r}", "train.checkpoint_interval=1")
    assert train_here(run, stop_requested=lambda: run.status().step >= 3) == "stopped"
    shutil.rmtree(trained.path)
    assert train_here(run, resume=True) == "finished"


@pytest.mark.parametrize("where", ["a folder", "the hub"])
def test_a_hugging_face_folder_is_a_start_too(
    where: str, trained: Run, new_run: NewRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mirror" / "owner" / "name"
    folder.parent.mkdir(parents=True)
    export(trained, "best", "huggingface", folder)
    monkeypatch.setenv(MIRROR_VARIABLE, str(tmp_path / "mirror"))
    run = started_from(new_run, str(folder) if where == "a folder" else "huggingface:owner/name")
    assert engine(run) == 0, run.log.read_text()
    assert_same_model(run, trained)


def failure(run: Run) -> str:
    assert engine(run) == 1
    return events_of(run)[-1].error  # type: ignore[attr-defined,no-any-return]


def test_a_model_of_another_shape_is_refused_with_what_does_not_fit(trained: Run, new_run: NewRun) -> None:
    told = failure(started_from(new_run, trained.id, "model.n_layer=3"))
    assert "does not fit n_layer = 3" in told and "h.2.ln_1.weight is missing" in told
    told = failure(started_from(new_run, trained.id, "model.n_head=1"))
    assert "its model.n_head is 2, not 1" in told


def test_weights_of_another_architecture_are_said_to_be(trained: Run, new_run: NewRun) -> None:
    path = trained.workspace_folder / "other.safetensors"
    save_file({"layers.0.self_attn.q_proj.weight": torch.zeros(4, 4)}, path)
    model = Model(1, 1, 8, 8)
    with pytest.raises(UserError, match=r"(?s)another architecture.*self_attn\.q_proj"):
        StartingPoint("other.safetensors", None, path).weights(model, 300)


def test_weights_without_a_tokenizer_want_one_that_is_not_trained(trained: Run, new_run: NewRun) -> None:
    shutil.copy(trained.checkpoints / "best" / "model.safetensors", trained.path.parents[2] / "bare.safetensors")
    told = failure(started_from(new_run, "bare.safetensors"))
    assert "comes without a tokenizer" in told and "tokenizer.kind" in told


def test_what_is_nowhere_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'train.init_from = "nothing": is not a file, and as a run: '):
        starting_point("nothing", Workspace(tmp_path), None)
    with pytest.raises(UserError, match=r'a model on the hub is "huggingface:owner/name"'):
        starting_point("owner/name", Workspace(tmp_path), None)
