"""Arithmetic about a model, held against the real one."""

from __future__ import annotations

import math
import subprocess
import sys

import msgspec
import pytest

from engine.contract.experiment import Data, Experiment, Model, Tokenizer, Train
from engine.contract.shape import (
    parameter_count,
    parameter_shapes,
    tokens_per_step,
    training_flops_per_token,
    training_memory,
)
from engine.model.gpt import GPT


@pytest.mark.parametrize(
    ("shape", "vocabulary", "millions"),
    [
        (Model(6, 6, 384, 128), 50_257, 30.0),  # tinystories_baseline
        (Model(6, 6, 384, 128), 32_000, 23.0),  # arastories_baseline
        (Model(24, 16, 1024, 512), 32_000, 335.4),  # arastories_enhanced
        (Model(8, 8, 512, 256), 50_257, 51.0),  # tinystories_512
        (Model(12, 12, 768, 256), 64_000, 134.4),  # arabic_corpus, of which the reference gives none: AraGPT2's
    ],
)
def test_the_references_models_have_the_references_sizes(shape: Model, vocabulary: int, millions: float) -> None:
    assert parameter_count(shape, vocabulary) / 1e6 == pytest.approx(millions, rel=2e-3)


@pytest.mark.parametrize("tie_weights", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("n_layer", [1, 3])
def test_names_shapes_and_count_are_the_real_models(n_layer: int, bias: bool, tie_weights: bool) -> None:
    shape = Model(n_layer, 4, 32, 24, bias=bias, tie_weights=tie_weights)
    real = {name: tuple(tensor.shape) for name, tensor in GPT(shape, 301).state_dict().items()}
    assert list(parameter_shapes(shape, 301).items()) == list(real.items())
    assert parameter_count(shape, 301) == sum(map(math.prod, real.values()))


def test_a_step_learns_from_every_micro_batch() -> None:
    assert tokens_per_step(Model(1, 1, 8, 128), Train(10, batch_size=3, grad_accum_steps=5)) == 3 * 5 * 128


@pytest.mark.parametrize("tie_weights", [True, False])
def test_flops_count_the_matrices_that_multiply(tie_weights: bool) -> None:
    """Two a weight forward and four backward; the position table and an untied token table only look up."""
    width, block, vocabulary = 64, 32, 500
    shape = Model(2, 4, width, block, bias=False, tie_weights=tie_weights)
    gpt = GPT(shape, vocabulary)
    multiplying = sum(p.numel() for name, p in gpt.named_parameters() if not name.startswith(("wte", "wpe")))
    if tie_weights:
        multiplying += vocabulary * width
    attention = 12 * 2 * width * block
    assert training_flops_per_token(shape, vocabulary) == 6 * multiplying + attention


# A child for each experiment, so that none measures what another left; torch is loaded once. Each child first takes
# steps of a tiny model, so that what torch itself needs is not counted.
MEASURE = """
import json, os, sys
import msgspec, psutil, torch
import torch._dynamo  # every first optimizer imports it
from engine.contract.experiment import Experiment
from engine.model.gpt import GPT
from engine.optim.optimizer import build_optimizer, clip_gradients

def train(experiment, steps):
    vocabulary = experiment.tokenizer.vocab_size
    model = GPT(experiment.model, vocabulary)
    optimizer = build_optimizer(model, experiment.train)
    for _ in range(steps):
        ids = torch.randint(vocabulary, (experiment.train.batch_size, experiment.model.block_size))
        model.loss(ids, ids).backward()
        clip_gradients(model.parameters(), experiment.train.grad_clip)
        optimizer.step()
        optimizer.zero_grad()

torch.set_num_threads(1)
for tiny, experiment in msgspec.json.decode(sys.argv[1], type=list[tuple[Experiment, Experiment]]):
    if child := os.fork():
        if os.waitpid(child, 0)[1]:
            sys.exit(1)
        continue
    train(tiny, 2)
    before = psutil.Process().memory_info().rss
    train(experiment, 2)
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(int(peak.split()[1]) * 1024 - before, flush=True)
    os._exit(0)
"""


def experiment(shape: Model, vocabulary: int, batch_size: int) -> Experiment:
    tokenizer = Tokenizer("byte_bpe", vocabulary)
    return Experiment(data=Data("builtin"), tokenizer=tokenizer, model=shape, train=Train(2, batch_size))


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_the_memory_estimate_is_within_a_third_of_what_training_takes() -> None:
    mostly = {
        "weights": experiment(Model(6, 4, 384, 32), 500, 2),
        "activations": experiment(Model(8, 4, 128, 128), 500, 16),
        "dropout": experiment(Model(4, 8, 128, 256, dropout=0.1), 500, 2),
        "embeddings": experiment(Model(1, 2, 256, 32), 32_000, 4),
        "logits": experiment(Model(1, 4, 64, 64), 32_000, 8),
        "everything": experiment(Model(3, 4, 192, 128, dropout=0.1, tie_weights=False), 8000, 4),
    }
    pairs = [(experiment(Model(2, 2, 32, 16, dropout=big.model.dropout), 300, 2), big) for big in mostly.values()]
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE, msgspec.json.encode(pairs).decode()],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured = dict(zip(mostly, map(int, answer.stdout.split()), strict=True))
    assert {name: training_memory(big) / measured[name] for name, big in mostly.items()} == {
        name: pytest.approx(1, rel=1 / 3) for name in mostly
    }
