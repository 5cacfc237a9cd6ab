"""A trainer's state that is damaged, misspelt or of another version: words, and the checkpoint as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.commands.prepare import data_of
from engine.contract.errors import UserError
from engine.data.prepare import PreparedData
from engine.runs.run import Run
from engine.training.loop import train

CPU = torch.device("cpu")
State = dict[str, Any]


def moments_of(state: State) -> dict[Any, Any]:
    """The first optimizer state in it, wherever it lies."""
    if isinstance(state.get("state"), dict) and state["state"]:
        return state["state"]
    parts = [part for value in state.values() for part in (value if isinstance(value, list) else [value])]
    return next((found for part in parts if isinstance(part, dict) and (found := moments_of(part))), {})


def misspell_progress(state: State) -> None:
    state["progress"]["evals_since_bset"] = state["progress"].pop("evals_since_best")


def add_to_progress(state: State) -> None:
    state["progress"]["note_step"] = 3


def tensor_for_a_number(state: State) -> None:
    state["progress"]["step"] = torch.tensor(8)


def text_for_a_number(state: State) -> None:
    state["progress"]["best_val_loss"] = "3.5"


def progress_is_a_list(state: State) -> None:
    state["progress"] = list(state["progress"].values())


def without_progress(state: State) -> None:
    del state["progress"]


def without_a_moment(state: State) -> None:
    moments_of(state).popitem()


def moments_are_a_list(state: State) -> None:
    moments = moments_of(state)
    keys = list(moments)
    moments[keys[0]] = [1, 2]


def a_moment_of_another_shape(state: State) -> None:
    first = next(iter(moments_of(state).values()))
    name = next(name for name, value in first.items() if isinstance(value, torch.Tensor) and value.ndim)
    first[name] = torch.zeros(3)


def position_is_text(state: State) -> None:
    state["batches"] = "the ninth"


def random_state_is_short(state: State) -> None:
    state["random"] = (
        {"cpu": torch.zeros(4, dtype=torch.uint8)} if isinstance(state["random"], dict) else torch.zeros(4)
    )


def random_state_is_a_number(state: State) -> None:
    state["random"] = 3


DAMAGES = [
    misspell_progress, add_to_progress, tensor_for_a_number, text_for_a_number, progress_is_a_list, without_progress,
    without_a_moment, moments_are_a_list, a_moment_of_another_shape, position_is_text, random_state_is_short,
    random_state_is_a_number,
]  # fmt: skip


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def data(trained_once: Run) -> PreparedData:
    return data_of(trained_once, trained_once.experiment(), lambda event: None)


def resume(run: Run, data: PreparedData) -> None:
    train(run, run.experiment(), data, CPU, lambda event: None, lambda: False, resume=True)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_state_is_refused_in_words_and_left_as_it_is(
    trained: Run, data: PreparedData, damage: Callable[[State], None]
) -> None:
    last = trained.checkpoints / "last"
    state = torch.load(last / "trainer.pt", weights_only=True)
    damage(state)
    torch.save(state, last / "trainer.pt")
    before = files_of(trained.checkpoints)
    with pytest.raises(UserError) as caught:
        resume(trained, data)
    assert str(caught.value).startswith(f"{last} cannot be resumed from: ")
    assert len(str(caught.value).splitlines()) == 1
    assert files_of(trained.checkpoints) == before


def test_a_state_that_is_no_dictionary_is_damaged(trained: Run, data: PreparedData) -> None:
    last = trained.checkpoints / "last"
    torch.save([1, 2], last / "trainer.pt")
    with pytest.raises(UserError, match=r"is damaged: trainer\.pt cannot be read; the run cannot be resumed"):
        resume(trained, data)


def test_a_checkpoint_of_a_newer_format_is_told_by_its_number(trained: Run, data: PreparedData) -> None:
    config = trained.checkpoints / "last" / "config.json"
    config.write_text(config.read_text().replace('"format": 1', '"format": 3').replace('"step": 8', '"step": "eight"'))
    with pytest.raises(UserError, match=r"config\.json: format = 3: a newer slm-tui wrote this checkpoint"):
        resume(trained, data)
