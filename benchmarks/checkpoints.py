"""What checkpoints cost the training loop: the part of its time that one every 100 steps takes, at 30 M parameters.

    python benchmarks/checkpoints.py [EXPERIMENT.toml] [--step-ms 250]

Runs the real training loop with AdamW on random tokens, in steps that sleep, or in real ones (--step-ms 0). A
checkpoint's cost is what the steps after it, while it is being written, last longer than those when it is on disk.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import torch
from overhead import DEFAULT, random_data, shortened
from torch import Tensor

from engine.contract.events import Checkpoint, Event, Step
from engine.contract.experiment import Experiment
from engine.contract.loading import load_experiment
from engine.contract.shape import vocab_size
from engine.device.choice import prepare_device
from engine.model.gpt import GPT
from engine.runs.workspace import Workspace
from engine.training.loop import train

BETWEEN, CHECKPOINTS = 20, 5  # steps between two checkpoints, of which a few last until one is on disk


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--step-ms", type=float, default=250.0)
    arguments = parser.parse_args()
    experiment = of_30_million(shortened(load_experiment(arguments.experiment), BETWEEN * (CHECKPOINTS + 1)))
    if arguments.step_ms:
        sleep_in_steps(arguments.step_ms / 1000)
    device = prepare_device(experiment.hardware)
    ends: list[float] = []  # of each step, before what it saves
    written: list[float] = []  # when a checkpoint stood on disk

    def emit(event: Event) -> None:
        if isinstance(event, Step):
            ends.append(time.perf_counter())
        if isinstance(event, Checkpoint):
            written.append(time.perf_counter())

    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # a system's own folder for such is often in memory
        run = Workspace(Path(folder)).new_run("checkpoints")
        data = random_data(Path(folder), vocab_size(experiment.tokenizer))
        train(run, experiment, data, device, emit, lambda: len(ends) >= BETWEEN * (CHECKPOINTS + 1), resume=False)
    lost = []
    for number, first in enumerate(range(BETWEEN - 1, len(ends) - 1, BETWEEN)):
        seconds = [end - start for start, end in itertools.pairwise(ends[first : first + BETWEEN])]
        disturbed = 1 + sum(end < written[number] for end in ends[first + 1 : first + BETWEEN])
        undisturbed = statistics.median(seconds[disturbed:])
        lost.append(sum(seconds[:disturbed]) - disturbed * undisturbed)
        share = lost[-1] / (100 * undisturbed)
        print(
            f"checkpoint {number + 1}: on disk after {written[number] - ends[first]:.2f} s; the loop lost "
            f"{lost[-1] * 1000:.0f} ms, {share:.2%} of 100 steps of {undisturbed * 1000:.1f} ms"
        )
    print(f"median of all but the first, which takes the memory: {statistics.median(lost[1:]) * 1000:.0f} ms")


def of_30_million(experiment: Experiment) -> Experiment:
    """The experiment with GPT-2's vocabulary, AdamW, small batches, and the checkpoints to be measured."""
    tokenizer = msgspec.structs.replace(experiment.tokenizer, vocab_size=50_304)
    config = msgspec.structs.replace(
        experiment.train, optimizer="adamw", batch_size=4, grad_accum_steps=1, checkpoint_interval=BETWEEN
    )
    return msgspec.structs.replace(experiment, tokenizer=tokenizer, train=config)


def sleep_in_steps(seconds: float) -> None:
    """Let a loss be a nap. The first one has a gradient for every parameter, so that the optimizer has its moments."""
    known: set[int] = set()

    def loss(model: GPT, *_: Any) -> Tensor:
        time.sleep(seconds)
        moved = [model.wpe.weight] if id(model) in known else list(model.parameters())
        known.add(id(model))
        return torch.stack([parameter.mean() for parameter in moved]).sum()

    GPT.loss = loss  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
