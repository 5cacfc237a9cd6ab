"""The engine's overhead: the share of a training step outside forward, backward and optimizer.

    python benchmarks/overhead.py [EXPERIMENT.toml] [--steps 12]

Runs the real training loop on random tokens at the experiment's size (arastories_baseline unless told otherwise),
with a clock around the model's loss, the backward pass, clipping and the optimizer's step. The first two steps,
evaluations and saves are left out.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from engine.contract.events import Event, Step
from engine.contract.experiment import Experiment
from engine.contract.loading import load_experiment
from engine.contract.shape import vocab_size
from engine.data.prepare import Manifest, PreparedData, SplitManifest
from engine.data.tokenizers.byte_pair import train_byte_bpe
from engine.device.choice import prepare_device, synchronize
from engine.model.gpt import GPT
from engine.optim.optimizer import MuonAdamW
from engine.runs.workspace import Workspace
from engine.training import loop

DEFAULT = Path(__file__).parent.parent / "experiments" / "arastories_baseline.toml"
TOKENS = 500_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--steps", type=int, default=12)
    arguments = parser.parse_args()
    experiment = shortened(load_experiment(arguments.experiment), arguments.steps)
    device = prepare_device(experiment.hardware)
    spent = Clock(lambda: synchronize(device))
    for owner, name in ((GPT, "loss"), (torch.Tensor, "backward"), (loop, "clip_gradients"), (MuonAdamW, "step")):
        spent.around(owner, name)
    ends: list[tuple[float, float]] = []  # of each step: the time, and the time spent in compute until then

    def emit(event: Event) -> None:
        if isinstance(event, Step):
            ends.append((time.perf_counter(), spent.seconds))

    with tempfile.TemporaryDirectory() as folder:
        run = Workspace(Path(folder)).new_run("overhead")
        data = random_data(Path(folder), vocab_size(experiment.tokenizer))
        loop.train(run, experiment, data, device, emit, lambda: len(ends) >= arguments.steps, resume=False)
    shares = [
        1 - (compute_end - compute_start) / (end - start)
        for (start, compute_start), (end, compute_end) in itertools.pairwise(ends[2:])
    ]
    step = statistics.median(end - start for (start, _), (end, _) in itertools.pairwise(ends[2:]))
    print(f"step {step * 1000:.1f} ms, of which outside forward, backward and optimizer:", end=" ")
    print(f"{statistics.median(shares):.3%} (median of {len(shares)} steps, worst {max(shares):.3%})")


class Clock:
    """Adds up the seconds spent in the methods that it stands around."""

    def __init__(self, wait: Callable[[], None]) -> None:
        self.seconds = 0.0
        self._wait = wait

    def around(self, owner: Any, name: str) -> None:
        inner = getattr(owner, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            result = inner(*arguments, **named)
            self._wait()
            self.seconds += time.perf_counter() - start
            return result

        setattr(owner, name, timed)


def shortened(experiment: Experiment, steps: int) -> Experiment:
    """The experiment without evaluations, saves and samples before step `steps`."""
    config = msgspec.structs.replace(
        experiment.train, max_steps=steps + 2, warmup_steps=0, eval_interval=10**6, checkpoint_interval=10**6,
        sample_interval=0, compile=False,
    )  # fmt: skip
    return msgspec.structs.replace(experiment, train=config)


def random_data(folder: Path, vocabulary: int, tokens: int = TOKENS) -> PreparedData:
    """Random tokens of that vocabulary, under a small real tokenizer (which only a sample would use)."""
    dtype = "uint16" if vocabulary <= 2**16 else "uint32"
    for name in ("train.bin", "val.bin"):
        np.random.default_rng(0).integers(vocabulary, size=tokens).astype(dtype).tofile(folder / name)
    train_byte_bpe(["once upon a time"], 300, 2).save(folder / "tokenizer")
    split = SplitManifest(stories=1, tokens=tokens, bytes=tokens)
    return PreparedData(folder, Manifest({}, vocabulary, dtype, split, split, [], ""))


if __name__ == "__main__":
    main()
