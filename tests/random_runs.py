"""Runs with a checkpoint of random weights: what an export reads, without a training."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.checkpoints.write import CheckpointInfo, write_model
from engine.contract.events import Checkpoint, Eval, EventWriter, Prepared, RunEnded, RunStarted, Sample, Step
from engine.contract.loading import parse_experiment
from engine.contract.overrides import apply_overrides
from engine.data.tokenizers.byte_pair import train_byte_bpe
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.model.gpt import GPT
from engine.runs.run import Run
from engine.runs.workspace import Workspace

STORIES = [
    "Once upon a time there was a brave puppy called Max. He didn't like rain, but he'd run 12 miles in it.",
    "كان يا ما كان، في قديم الزمان، ولدٌ صغير اسمه سامي يحبّ القمر.",
    "Lucy’s kite flew… very   high!\n\nThe end.",
]


@functools.cache
def small_tokenizer() -> Tokenizer:
    """A byte-level BPE of some 400 entries, of English and Arabic."""
    return train_byte_bpe(STORIES * 4, 400, 2)


@pytest.fixture
def make_run(tmp_path: Path, tiny: str) -> Callable[..., Run]:
    """Makes a run of the experiment `tiny`, or of another text, whose checkpoints hold a random model."""

    def make(*overrides: str, text: str = tiny, name: str = "tiny", tokenizer: Tokenizer | None = None) -> Run:
        run = Workspace(tmp_path).new_run(name)
        run.experiment_file.write_text(apply_overrides(text, overrides), encoding="utf-8")
        model = parse_experiment(run.experiment_file.read_text(encoding="utf-8"), name).model
        tokenizer = tokenizer or small_tokenizer()
        torch.manual_seed(7)
        gpt = GPT(model, tokenizer.vocab_size)
        for parameter in gpt.parameters():  # larger than a start's, so that every part tells in the logits
            torch.nn.init.normal_(parameter, std=0.3)
        info = CheckpointInfo(model, tokenizer.vocab_size, 24, 3072, 3.25)
        for kind in ("best", "last"):
            folder = run.checkpoints / kind
            folder.mkdir(parents=True)
            write_model(folder, gpt.state_dict(), info)
            tokenizer.save(folder / "tokenizer")
        emit = EventWriter(run.metrics)
        emit(RunStarted(1, "here"))
        emit(Prepared("data", tokenizer.vocab_size, 9000, 1000, False))
        for step in (23, 24):
            emit(Step(step, 3.5, 1e-3, 0.5, 128 * step, 5000.0))
        emit(Eval(24, 3.5, 3.25, 1.5, True, 3072))
        emit(Sample(24, "Once", "Once there was\na small | boat."))
        emit(Checkpoint("best", 24, "checkpoints/best"))
        emit(RunEnded("finished"))
        emit.close()
        return run

    return make
