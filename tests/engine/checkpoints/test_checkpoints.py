"""Checkpoints: whole or not there, never code, and refused in words where they do not fit."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.amp.grad_scaler import GradScaler

from engine.checkpoints.read import load_model, read_info, tokenizer_of
from engine.commands.prepare import data_of
from engine.contract.errors import UserError
from engine.contract.events import Event
from engine.data.batches import TokenFile, TrainingBatches
from engine.model.gpt import GPT
from engine.optim.optimizer import build_optimizer
from engine.runs.run import Run
from engine.training.state import Progress, TrainingState, load_state

CPU = torch.device("cpu")


def fresh_state(run: Run) -> TrainingState:
    experiment = run.experiment()
    data = data_of(run, experiment, lambda event: None)
    model = GPT(experiment.model, data.manifest.vocab_size)
    tokens = TokenFile(data.train, data.manifest.dtype, experiment.model.block_size, CPU)
    batches = TrainingBatches(tokens, experiment.train.batch_size, experiment.train.seed)
    optimizer, scaler = build_optimizer(model, experiment.train), GradScaler("cpu", enabled=False)
    return TrainingState(model, optimizer, scaler, batches, Progress(), experiment.train, CPU)


def load(run: Run, state: TrainingState) -> list[Event]:
    """What is said while `state` is brought to where the run's checkpoint is."""
    told: list[Event] = []
    load_state(run, state, told.append)
    return told


class Malicious:
    """Unpickled by a reader that executes code, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_the_best_checkpoint_is_the_trained_model_and_its_tokenizer(trained: Run) -> None:
    model, info = load_model(trained, "best", CPU)
    assert not model.training
    assert info.step == 8 and info.val_loss is not None
    tokenizer = tokenizer_of(trained, "best")
    assert tokenizer.vocab_size == info.vocab_size
    assert tokenizer.decode(tokenizer.encode("Once upon a time")) == "Once upon a time"


def test_a_checkpoint_never_executes_code(trained: Run, tmp_path: Path) -> None:
    sign = tmp_path / "executed"
    with open(trained.checkpoints / "last" / "trainer.pt", "wb") as file:
        pickle.dump({"optimizers": Malicious(sign)}, file, protocol=2)
    with pytest.raises(UserError, match="cannot be resumed from"):
        load(trained, fresh_state(trained))
    assert not sign.exists()


def test_weights_that_do_not_fit_are_refused_with_the_tensor_that_does_not(trained: Run) -> None:
    config = trained.checkpoints / "best" / "config.json"
    config.write_text(config.read_text().replace('"n_embd": 32', '"n_embd": 64'))
    with pytest.raises(UserError, match=r"does not fit its config\.json: .*size mismatch"):
        load_model(trained, "best", CPU)


def test_a_damaged_checkpoint_is_refused_in_a_few_words_and_the_other_one_is_named(trained: Run) -> None:
    best, last = (trained.checkpoints / kind for kind in ("best", "last"))
    weights = best / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(UserError) as torn:
        load_model(trained, "best", CPU)
    damage = f"the checkpoint {best} is damaged: model.safetensors cannot be read"
    assert str(torn.value) == f"{damage}; use --checkpoint last"
    (last / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"last is damaged: model\.safetensors is missing; use --checkpoint best$"):
        load_model(trained, "last", CPU)
    shutil.rmtree(last)
    (best / "config.json").write_bytes(b'{"model": \xff')
    with pytest.raises(UserError, match=r"best is damaged: config\.json cannot be read$"):
        load_model(trained, "best", CPU)
    (best / "tokenizer" / "vocab.tiktoken").write_text("torn")
    with pytest.raises(UserError, match=r"best is damaged: tokenizer cannot be read$"):
        tokenizer_of(trained, "best")


@pytest.mark.parametrize("file", ["trainer.pt", "model.safetensors"])
def test_a_damaged_checkpoint_is_not_resumed_from(trained: Run, file: str) -> None:
    path = trained.checkpoints / "last" / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError) as caught:
        load(trained, fresh_state(trained))
    damage = f"the checkpoint {path.parent} is damaged: {file} cannot be read"
    assert str(caught.value) == f"{damage}; the run cannot be resumed from it"


def test_a_run_without_a_checkpoint_says_so(new_run: Callable[..., Run]) -> None:
    with pytest.raises(UserError, match="has no best checkpoint yet"):
        read_info(new_run(), "best")


def test_a_run_without_this_checkpoint_names_those_it_has(trained: Run) -> None:
    shutil.copytree(trained.checkpoints / "best", trained.checkpoints / "step-4")
    with pytest.raises(UserError, match=r"has no step-7 checkpoint yet; use --checkpoint best, last or step-4$"):
        load_model(trained, "step-7", CPU)
    assert load_model(trained, "step-4", CPU)[1].vocab_size == read_info(trained, "best").vocab_size


def test_a_state_for_another_model_is_refused(trained: Run) -> None:
    text = trained.experiment_file.read_text()
    trained.experiment_file.write_text(text.replace("n_layer = 2", "n_layer = 3"))
    with pytest.raises(UserError, match="cannot be resumed from"):
        load(trained, fresh_state(trained))


def test_a_checkpoint_that_was_set_aside_when_the_process_died_is_found(trained: Run) -> None:
    last = trained.checkpoints / "last"
    last.rename(trained.checkpoints / ".last.old")
    state = fresh_state(trained)
    load(trained, state)
    assert state.progress.step == 8
    assert last.is_dir()
