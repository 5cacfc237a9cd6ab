"""Loss and bits per byte: averaged by token, the same every time, comparable across tokenizers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support import engine

from engine.commands.evaluate import evaluate_run
from engine.contract.errors import UserError
from engine.contract.experiment import Model
from engine.data.batches import TokenFile, whole_split
from engine.model.gpt import GPT
from engine.runs.run import Run
from engine.training.evaluate import bits_per_byte, mean_loss

CPU = torch.device("cpu")


def test_a_uniform_guess_over_bytes_costs_eight_bits_a_byte() -> None:
    assert bits_per_byte(math.log(256), tokens=1000, text_bytes=1000) == pytest.approx(8)


def test_bits_per_byte_do_not_depend_on_how_the_text_is_cut() -> None:
    one_byte_tokens = bits_per_byte(1.5, tokens=1200, text_bytes=1200)
    three_byte_tokens = bits_per_byte(4.5, tokens=400, text_bytes=1200)
    assert one_byte_tokens == pytest.approx(three_byte_tokens)


def test_the_mean_weighs_every_token_alike_however_batches_are_cut(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = GPT(Model(n_layer=1, n_head=1, n_embd=16, block_size=8, dropout=0.5), 50).train()
    np.random.default_rng(0).integers(50, size=101, dtype=np.uint16).tofile(tmp_path / "val.bin")
    file = TokenFile(tmp_path / "val.bin", "uint16", 8, CPU)
    losses = [mean_loss(model, whole_split(file, size), "fp32") for size in (1, 3, 64)]
    assert [tokens for _, tokens in losses] == [100] * 3
    assert [loss for loss, _ in losses] == pytest.approx([losses[0][0]] * 3, rel=1e-5)
    assert model.training, "it is left in the mode it was in"


def test_the_whole_split_of_a_run_is_evaluated_with_progress(new_run: Callable[..., Run]) -> None:
    run = new_run("train.max_steps=8", "train.eval_batches=1000")
    assert engine(run) == 0
    told: list[object] = []
    result = evaluate_run(run, "best", "cpu", told.append)
    best = run.status().best
    assert best is not None
    assert result.val_loss == pytest.approx(best.val_loss, rel=0.01), "the fixed windows cover nearly all of it"
    assert result.bits_per_byte == pytest.approx(best.bits_per_byte, rel=0.01)
    assert told[-1].done == told[-1].total == result.tokens  # type: ignore[attr-defined]


def test_a_loss_that_is_no_number_is_said(new_run: Callable[..., Run]) -> None:
    run = new_run("train.max_steps=8")
    assert engine(run) == 0
    weights = load_file(run.checkpoints / "best" / "model.safetensors")
    weights["h.0.attn.c_attn.weight"][0, 0] = math.nan
    save_file(weights, run.checkpoints / "best" / "model.safetensors")
    with pytest.raises(UserError, match="the validation loss of its best checkpoint is not a finite number"):
        evaluate_run(run, "best", "cpu", lambda event: None)
